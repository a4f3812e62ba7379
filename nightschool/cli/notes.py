"""`notes`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.config.errors import NightschoolError
from nightschool.config.settings_file import load

if TYPE_CHECKING:
    from nightschool.stages.survey import OnProgress


@click.command("notes")
@click.option("--html", is_flag=True, help="Write a page with charts, and print its path.")
@as_json
def notes_command(html: bool, json_: bool) -> None:
    """Show an inventory of the notes, and what looks wrong with them.

    Lists kinds, lengths in tokens, languages, duplicates and likely wrong labels, and compares the
    labelled notes with the unlabelled ones. Nothing is changed.
    """
    from nightschool.stages.survey import survey  # lazy: sklearn

    school = current_school()
    settings = load(school.settings_file)
    with _progress() as on_progress:
        inventory = survey(school, settings, on_progress)
    if html:
        from nightschool.reports.inventory_page import write  # lazy: jinja2

        try:
            write(inventory, school.inventory_file)
        except OSError as error:
            raise NightschoolError(
                f"{school.inventory_file} cannot be written: {error.strerror}"
            ) from None
    if json_:
        page = {"page": str(school.inventory_file)} if html else {}
        print_json({**inventory.as_dict(), **page})
    elif html:
        click.echo(school.inventory_file)
    else:
        from nightschool.cli.inventory_tables import show_inventory  # lazy: rich
        from nightschool.config.terminal_console import TerminalConsole  # lazy: rich

        show_inventory(inventory, TerminalConsole())


@contextmanager
def _progress() -> Iterator[OnProgress]:
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
