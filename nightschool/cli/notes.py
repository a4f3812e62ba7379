"""`notes`: what is in the notes, and what looks wrong with them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.config.settings_file import load

if TYPE_CHECKING:
    from nightschool.stages.survey import Tell


@click.command("notes")
@click.option("--html", is_flag=True, help="Write a page with charts, and print where it is.")
@as_json
def notes_command(html: bool, json_: bool) -> None:
    """Take stock of the notes: kinds, lengths in tokens, languages, copies, likely wrong labels, and whether
    the labelled ones look like the others. Nothing is changed."""
    from nightschool.stages.survey import survey

    school = current_school()
    settings = load(school.settings_file)
    with _progress() as tell:
        inventory = survey(school, settings, tell)
    if html:
        from nightschool.reports.inventory_page import write

        try:
            write(inventory, school.inventory_file)
        except OSError as error:
            raise click.ClickException(f"{school.inventory_file}: {error.strerror}") from None
    if json_:
        page = {"page": str(school.inventory_file)} if html else {}
        print_json({**inventory.as_dict(), **page})
        return
    if not html:
        from rich.console import Console

        from nightschool.cli.terminal_tables import show_inventory

        show_inventory(inventory, Console())
        return
    click.echo(school.inventory_file)


@contextmanager
def _progress() -> Iterator[Tell]:
    """A bar on standard error for what takes a while, where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        lines: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in lines:
                for line in lines.values():
                    bar.update(line, visible=False)
                # What is done in one go has no known part: its bar moves to and fro.
                lines[what] = bar.add_task(what, total=total if total > 1 else None)
            bar.update(lines[what], completed=done)

        yield tell
