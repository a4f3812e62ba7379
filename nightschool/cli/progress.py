"""A progress bar while notes are read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nightschool.stages.survey import OnProgress


@contextmanager
def progress_bar() -> Iterator[OnProgress]:
    """A progress bar on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.progress import (  # lazy: rich
        BarColumn,
        Progress,
        SpinnerColumn,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
    )

    from nightschool.config.terminal_console import TerminalConsole, shown  # lazy: rich

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
    )
    bar = Progress(*columns, console=TerminalConsole(stderr=True), transient=True)
    with shown(bar):
        tasks: dict[str, TaskID] = {}

        def on_progress(task: str, done: int, total: int) -> None:
            if task not in tasks:
                for earlier in tasks.values():
                    bar.update(earlier, visible=False)
                # A task of one step has no measurable progress: its bar pulses.
                tasks[task] = bar.add_task(task, total=total if total > 1 else None)
            bar.update(tasks[task], completed=done)

        yield on_progress
