"""The terminal's tables show what the page shows."""

import io

import pytest
from reports_example import HOSTILE_KIND, THIN_KIND
from rich.console import Console
from rich.table import Table

from nightschool.reports.contract import Report
from nightschool.reports.table import AFTER_STYLE, before_after, per_kind


def _shown(table: Table) -> str:
    console = Console(file=io.StringIO(), width=120)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def _row(table: Table, name: str) -> list[str]:
    lines = [line for line in _shown(table).splitlines() if name in line]
    assert len(lines) == 1
    return [cell.strip() for cell in lines[0].strip("│").split("│")]


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("Majority kind", ["29 %", "18 to 42 %", "0.09"]),
        ("tfidf-lr", ["61 %", "48 to 72 %", "0.51"]),
        ("Before", ["45 %", "33 to 58 %", "0.39"]),
        ("After", ["80 %", "68 to 89 %", "0.76"]),
    ],
)
def test_every_arm_has_accuracy_interval_and_macro_f1(
    report: Report, name: str, cells: list[str]
) -> None:
    assert _row(before_after(report), name)[1:] == cells


def test_only_after_is_highlighted(report: Report) -> None:
    assert [row.style for row in before_after(report).rows] == [None, None, None, AFTER_STYLE]


def test_a_thin_kind_shows_counts_and_no_f1(report: Report) -> None:
    cells = ["4", "1 of 4", "2 of 4", "n too small", "n too small"]
    assert _row(per_kind(report), THIN_KIND)[1:] == cells


def test_a_kinds_name_is_no_markup(report: Report) -> None:
    assert HOSTILE_KIND in _shown(per_kind(report))
