"""Styled output in which the program's own escape sequences are the only ones."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.file_proxy import FileProxy
from rich.progress import Progress
from rich.segment import Segment

from nightschool.config.printable import printable


class TerminalConsole(Console):
    """A console that makes every text printable before it is styled, and that reads no markup in texts."""

    def __init__(
        self,
        file: TextIO | None = None,
        *,
        stderr: bool = False,
        force_terminal: bool | None = None,
        width: int | None = None,
    ) -> None:
        file = file or (sys.stderr if stderr else sys.stdout)
        super().__init__(
            file=getattr(file, "styled", file),
            force_terminal=force_terminal,
            width=width,
            markup=False,
            emoji=False,
            highlight=False,
        )

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)


@contextmanager
def shown(bar: Progress) -> Iterator[None]:
    """Show a progress bar; what is printed in this context appears above it."""
    if not bar.console.is_terminal:
        with bar:
            yield
        return
    out, err = (cast(TextIO, _Above(bar.console, each)) for each in (sys.stdout, sys.stderr))
    with redirect_stdout(out), redirect_stderr(err), bar:
        yield


class _Above(FileProxy):
    """Unlike rich's own, which takes its place otherwise, it does not obey escape sequences."""

    def write(self, text: str) -> int:
        return super().write(printable(text))
