"""Standard output and error that no text can escape from."""

from __future__ import annotations

import io
import sys
from typing import TextIO, cast

from nightschool.config.printable import printable


class PrintableStream(io.TextIOBase):
    """Writes every text as `printable` to another stream.

    It has no `buffer`, so that nobody writes around it: on a Windows console, click would.
    """

    def __init__(self, styled: TextIO) -> None:
        self.styled = styled
        """The other stream, for `TerminalConsole`, whose own escape sequences pass."""

    def write(self, text: str, /) -> int:
        self.styled.write(printable(text))
        return len(text)

    def flush(self) -> None:
        self.styled.flush()

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self.styled.isatty()

    def fileno(self) -> int:
        return self.styled.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.styled.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self.styled.errors


def print_printable() -> None:
    """Let this process write only printable text to its standard output and error from now on."""
    sys.stdout = cast(TextIO, PrintableStream(sys.stdout))
    sys.stderr = cast(TextIO, PrintableStream(sys.stderr))
