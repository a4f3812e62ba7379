"""Standard output and error that no text can escape from."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TextIO, cast

import click

from nightschool.config.logs import BoundedLog
from nightschool.config.printable_stream import PrintableStream


def test_a_text_is_written_as_printable_also_by_click_and_print() -> None:
    under = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    stream = cast(TextIO, PrintableStream(under))
    click.echo("a\x1b]0;t\x07é", file=stream)
    print("b\x9b\u202e", file=stream, flush=True)
    assert under.buffer.getvalue().decode() == "a\ufffd]0;t\ufffdé\nb\ufffd\ufffd\n"
    assert stream.encoding == "utf-8" and not stream.isatty() and not hasattr(stream, "buffer")


def test_a_log_holds_nothing_that_a_terminal_obeys(tmp_path: Path) -> None:
    log = PrintableStream(cast(TextIO, BoundedLog(tmp_path / "a.log")))
    assert log.write("a\x1b[2Jb\n") == len("a\x1b[2Jb\n")
    assert (tmp_path / "a.log").read_text("utf-8") == "a\ufffd[2Jb\n"
