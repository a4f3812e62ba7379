"""`trust`."""

from __future__ import annotations

import sys

import click

from nightschool.cli.options import given_school
from nightschool.cli.trust_question import accept, reach_texts, show_reaches
from nightschool.config.errors import UntrustedSchool
from nightschool.config.paths import find_school
from nightschool.config.trusted_schools import is_trusted


@click.command("trust")
@click.option("--yes", is_flag=True, help="Trust it without asking.")
def trust_command(yes: bool) -> None:
    """Accept a school that was made elsewhere, or by an earlier version.

    Shows what its settings read and contact outside its folder, and asks. Until then only `status`, `why`,
    `log`, `report` and `models` work with it. Your own schools are trusted when you make them, also after
    you have moved them.
    """
    school = find_school(given_school())
    if is_trusted(school):
        click.echo(f"{school.root} is trusted already")
        return
    show_reaches(school, reach_texts(school))
    if not yes:
        if not sys.stdin.isatty():
            raise UntrustedSchool(
                f"{school.root} is not trusted", "`nightschool trust --yes` accepts it"
            )
        if not click.confirm("Do you trust it?", err=True):
            click.echo("nothing was changed")
            return
    accept(school)
    click.echo(f"{school.root} is trusted on this computer")
