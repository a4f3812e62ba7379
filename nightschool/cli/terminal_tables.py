"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nightschool.notes.decoding import listed
from nightschool.notes.inventory import Inventory, Lengths, Suspect
from nightschool.reports.inventory_page import (
    SHOWN_GROUPS,
    SHOWN_WARNINGS,
    findings,
    loss,
    some,
    texture_details,
)
from nightschool.reports.text.wording import counted, percent


def show_inventory(inventory: Inventory, console: Console) -> None:
    """Print what the notes are, and what to do about them."""
    unit = inventory.lengths.unit
    total = counted(inventory.total, "note")
    title = f"{total}, {inventory.unlabelled:,} without a kind; lengths in {unit}"
    headings = ["kind", "notes", "median", "90 %", "longest", "languages"]
    rows = [
        [kind, f"{c.n:,}", f"{c.median:,}", f"{c.p90:,}", f"{c.longest:,}", some(c.languages)]
        for kind, c in inventory.kinds.items()
    ]
    if rows:
        _table(console, title, headings, rows, right=range(1, 5))
    else:
        _say(console, title)
    if any(cut.notes for cut in inventory.lengths.cuts):
        _show_cuts(inventory.lengths, console)
    if inventory.languages:
        _say(console, f"languages: {some(inventory.languages)}")
    for finding in findings(inventory):
        _say(console, f"- {finding}")
    _show_groups("the same text", inventory.duplicates, console)
    _show_groups("nearly the same text", inventory.near_duplicates or (), console)
    _show_groups("alike, but under different kinds", inventory.contradictions, console)
    if inventory.texture and inventory.texture.form:
        _say(console, "notes with a kind against notes without:")
        for detail in texture_details(inventory.texture):
            _say(console, f"     {detail}")
    for part in (inventory.suspects, inventory.texture):
        if part and part.remark and inventory.total:
            name = "wrong labels" if part is inventory.suspects else "with a kind against without"
            _say(console, f"{name}: {part.remark}")
    for reason, files in inventory.skipped.items():
        _say(console, f"{files:,} skipped: {reason}")
    for warning in inventory.warnings[:SHOWN_WARNINGS]:
        _say(console, warning)
    _more(len(inventory.warnings) - SHOWN_WARNINGS, console)
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
    _say(console, "* train.max_tokens")


def _show_suspects(suspects: Sequence[Suspect], console: Console) -> None:
    _say(console, "kinds to look at, the most doubtful first:")
    for n, suspect in enumerate(suspects, start=1):
        kind = f"{suspect.kind} ({percent(suspect.p_kind)})"
        rather = f"{suspect.suggested} ({percent(suspect.p_suggested)})"
        _say(console, f"{n:>3}. {suspect.source}: {kind}, rather {rather}")
        excerpt = Text(f"     {suspect.excerpt}", style="dim")
        console.print(excerpt, no_wrap=True, overflow="ellipsis")


def _show_groups(title: str, groups: Sequence[Sequence[str]], console: Console) -> None:
    for group in groups[:SHOWN_GROUPS]:
        _say(console, f"{title}: {listed(group)}")
    _more(len(groups) - SHOWN_GROUPS, console)


def _more(rest: int, console: Console) -> None:
    if rest > 0:
        _say(console, f"... and {rest:,} more (--json lists all)")


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


def _say(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)
