"""`notes`."""

from __future__ import annotations

import sys

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.cli.progress import progress_bar
from nightschool.config.errors import NightschoolError
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.config.settings_file import load


@click.command("notes")
@click.option("--html", is_flag=True, help="Write a page with charts, and print its path.")
@click.option(
    "--each", is_flag=True, help="List every note as a model would get it, then what was skipped."
)
@as_json
def notes_command(html: bool, each: bool, json_: bool) -> None:
    """Show an inventory of the notes, and what looks wrong with them.

    Lists kinds, lengths in tokens, languages, duplicates and likely wrong labels, and compares the
    labelled notes with the unlabelled ones. Nothing is changed.
    """
    if each and html:
        raise click.UsageError("--each lists notes and --html writes a page: give only one of them")
    school = current_school()
    settings = load(school.settings_file)
    if each:
        _list_each(school, settings, json_)
    else:
        _show_inventory(school, settings, html, json_)


def _list_each(school: School, settings: Settings, json_: bool) -> None:
    from nightschool.cli.each_note import note_lines, note_objects  # lazy: rich
    from nightschool.notes.labels import read_labels, with_labels  # lazy: markdown
    from nightschool.notes.readers import read_school  # lazy: markdown

    with progress_bar() as on_progress:
        loaded = read_school(
            school.root, settings, lambda done, total, _: on_progress("reading", done, total)
        )
    loaded = with_labels(loaded, read_labels(school.labels_file), settings.kinds)
    if json_:
        for found in note_objects(loaded):
            print_json(found)
    elif sys.stdin.isatty() and sys.stdout.isatty():
        click.echo_via_pager(f"{line}\n" for line in note_lines(loaded))
    else:
        for line in note_lines(loaded):
            click.echo(line)


def _show_inventory(school: School, settings: Settings, html: bool, json_: bool) -> None:
    from nightschool.stages.survey import survey  # lazy: sklearn

    with progress_bar() as on_progress:
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
