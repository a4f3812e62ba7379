"""Styled output: its own escape sequences pass, and no others."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest
from rich.progress import Progress, TextColumn
from rich.table import Table
from rich.text import Text

from nightschool.config.terminal_console import TerminalConsole, shown

PACKAGE = Path(__file__).parents[2] / "nightschool"
FORGED = "a\x1b[35mb\x1b]8;;http://x\x07c [red]d[/] :cat:"
SHOWN = "a\ufffd[35mb\ufffd]8;;http://x"


def terminal() -> tuple[io.StringIO, TerminalConsole]:
    file = io.StringIO()
    return file, TerminalConsole(file, force_terminal=True, width=80)


def test_styles_are_its_own_and_a_text_can_forge_none() -> None:
    file, console = terminal()
    table = Table(FORGED, title=FORGED)
    table.add_row(FORGED)
    for each in (Text(FORGED, "bold"), FORGED, table):
        console.print(each)
    console.print(FORGED, style="bold")
    own = re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue())
    assert "\x1b[1m" in file.getvalue() and "\x1b[35m" not in file.getvalue()
    assert own.count(SHOWN) == 6 and "\x1b" not in own and "[red]d[/] :cat:" in own


def test_what_is_printed_while_a_bar_is_shown_can_forge_no_style() -> None:
    file, console = terminal()
    bar = Progress(TextColumn("{task.description}", markup=False), console=console)
    bar.add_task(FORGED)
    before = sys.stdout
    with shown(bar):
        print(FORGED)
        print(FORGED, file=sys.stderr)
    assert sys.stdout is before
    assert file.getvalue().count(SHOWN) >= 3
    assert "\x1b[35m" not in file.getvalue() and "\x1b]" not in file.getvalue()


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: file.name)
def test_no_other_console_is_made(file: Path) -> None:
    made = re.search(
        r"(?<!Terminal)\bConsole\(|print_exception|\bRichHandler\b", file.read_text("utf-8")
    )
    assert file.name == "terminal_console.py" or not made
