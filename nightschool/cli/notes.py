"""`notes`."""

from __future__ import annotations

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.cli.progress import progress_bar
from nightschool.config.errors import NightschoolError
from nightschool.config.settings_file import load


@click.command("notes")
@click.option("--html", is_flag=True, help="Write a page with charts, and print its path.")
@as_json
def notes_command(html: bool, json_: bool) -> None:
    """Show an inventory of the notes, and what looks wrong with them.

    Lists kinds, lengths in tokens, languages, duplicates and likely wrong labels, and compares the
    labelled notes with the unlabelled ones. Nothing is changed.
    """
    from nightschool.stages.survey import survey  # lazy: sklearn

    school = current_school()
    settings = load(school.settings_file)
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
