"""Tables for the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nightschool.notes.inventory import THIN, Inventory

_SHOWN = 10


def show_inventory(inventory: Inventory, console: Console) -> None:
    """Print what the notes are, and what to do about them."""
    table = Table(
        title=f"{inventory.total} notes, {inventory.unlabelled} without a kind", title_style="bold"
    )
    table.add_column("kind")
    for heading in ("notes", "median length", "longest", "Japanese"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for kind, count in inventory.kinds.items():
        table.add_row(
            Text(kind), str(count.n), f"{count.median}", f"{count.longest}", f"{count.japanese:.0%}",
            "thin" if kind in inventory.thin else "",
        )  # fmt: skip
    console.print(table)
    if inventory.thin:
        thin = ", ".join(inventory.thin)
        _say(console, f"thin (under {THIN} notes, so hardly measurable): {thin}")
    for reason, files in sorted(inventory.skipped.items()):
        _say(console, f"{files} skipped: {reason}")
    for title, groups in (
        ("the same note in several places", inventory.duplicates),
        ("the same note under different kinds: decide on one", inventory.contradictions),
    ):
        for group in groups[:_SHOWN]:
            _say(console, f"{title}: {', '.join(group)}")
        if len(groups) > _SHOWN:
            _say(console, f"... and {len(groups) - _SHOWN} more (--json lists all)")
    for warning in inventory.warnings:
        _say(console, warning)


def _say(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)
