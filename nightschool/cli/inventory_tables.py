"""The inventory of the notes as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nightschool.config.printable import listed
from nightschool.notes.inventory import Inventory, Lengths, LikelyLabelError
from nightschool.reports.inventory_page import (
    SHOWN_GROUPS,
    SHOWN_SKIPPED,
    SHOWN_WARNINGS,
    findings,
    loss,
    some,
    style_shift_details,
)
from nightschool.reports.text.leak_wording import leak_details
from nightschool.reports.text.wording import counted, percent


def show_inventory(inventory: Inventory, console: Console) -> None:
    """Print the inventory and its findings."""
    unit = inventory.lengths.unit
    total = counted(inventory.total, "note")
    title = f"{total}, {inventory.unlabelled:,} unlabelled; lengths in {unit}"
    headings = ["kind", "notes", "median", "90 %", "longest", "languages"]
    rows = [
        [kind, f"{c.n:,}", f"{c.median:,}", f"{c.p90:,}", f"{c.longest:,}", some(c.languages)]
        for kind, c in inventory.kinds.items()
    ]
    if rows:
        _table(console, title, headings, rows, right=range(1, 5))
    else:
        _print_line(console, title)
    if any(cut.notes for cut in inventory.lengths.cuts):
        _show_cuts(inventory.lengths, console)
    if inventory.languages:
        _print_line(console, f"languages: {some(inventory.languages)}")
    for finding in findings(inventory):
        _print_line(console, f"- {finding}")
    _show_leaks(leak_details(inventory.label_leaks), console)
    _show_groups("duplicates", inventory.duplicates, console)
    _show_groups("near-duplicates", inventory.near_duplicates or (), console)
    _show_groups("near-duplicates of different kinds", inventory.contradictions, console)
    if inventory.style_shift and inventory.style_shift.style:
        _print_line(console, "labelled notes compared with unlabelled ones:")
        for detail in style_shift_details(inventory.style_shift):
            _print_line(console, f"     {detail}")
    for part in (inventory.suspects, inventory.style_shift):
        if part and part.remark and inventory.total:
            name = "wrong labels" if part is inventory.suspects else "labelled and unlabelled notes"
            _print_line(console, f"{name}: {part.remark}")
    for skipped in inventory.skipped:
        names = listed(skipped.sources, SHOWN_SKIPPED)
        _print_line(console, f"{skipped.n:,} skipped ({skipped.message}): {names}")
    for warning in inventory.warnings[:SHOWN_WARNINGS]:
        _print_line(console, warning)
    _print_rest(len(inventory.warnings) - SHOWN_WARNINGS, console)
    if inventory.suspects and inventory.suspects.worst:
        _show_suspects(inventory.suspects.worst, console)


def _show_cuts(lengths: Lengths, console: Console) -> None:
    headings = [
        "cut after",
        *(f"{c.limit:,}{'*' * (c.limit == lengths.limit)}" for c in lengths.cuts),
    ]
    rows = [
        ["notes cut", *(percent(cut.notes) for cut in lengths.cuts)],
        ["text lost", *(loss(cut.text) for cut in lengths.cuts)],
    ]
    _table(console, "", headings, rows, right=range(1, len(headings)))
    _print_line(console, "* train.max_tokens")


def _show_suspects(suspects: Sequence[LikelyLabelError], console: Console) -> None:
    _print_line(console, "likely wrong labels, most doubtful first:")
    for n, suspect in enumerate(suspects, start=1):
        kind = f"{suspect.kind} ({percent(suspect.p_kind)})"
        rather = f"{suspect.suggested} ({percent(suspect.p_suggested)})"
        _print_line(console, f"{n:>3}. {suspect.source}: {kind}; more likely {rather}")
        excerpt = Text(f"     {suspect.excerpt}", style="dim")
        console.print(excerpt, no_wrap=True, overflow="ellipsis")


def _show_leaks(details: Sequence[str], console: Console) -> None:
    if details:
        _print_line(console, "what gives kinds away:")
    for n, detail in enumerate(details[:SHOWN_GROUPS], start=1):
        _print_line(console, f"{n:>3}. {detail}")
    _print_rest(len(details) - SHOWN_GROUPS, console)


def _show_groups(title: str, groups: Sequence[Sequence[str]], console: Console) -> None:
    for group in groups[:SHOWN_GROUPS]:
        _print_line(console, f"{title}: {listed(group)}")
    _print_rest(len(groups) - SHOWN_GROUPS, console)


def _print_rest(rest: int, console: Console) -> None:
    if rest > 0:
        _print_line(console, f"... and {rest:,} more (--json lists all)")


def _table(
    console: Console,
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: range,
) -> None:
    table = Table(title=title or None, title_style="bold")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number in right else "left")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _print_line(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)
