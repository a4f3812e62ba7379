"""Asking whether a school from elsewhere is trusted, before anything outside it is read or contacted."""

from __future__ import annotations

import sys

import click

from nightschool.config.errors import NightschoolError, UntrustedSchool
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.config.trusted_schools import is_trusted, reaches, trust


def require_trust(school: School) -> None:
    """Return if the school is trusted; else ask at a terminal. Raises UntrustedSchool without a yes."""
    if is_trusted(school):
        return
    texts = reach_texts(school)
    if sys.stdin.isatty() and sys.stderr.isatty():
        show_reaches(school, texts)
        if click.confirm("Do you trust it?", err=True):
            accept(school)
            return
    raise UntrustedSchool(
        f"{school.root} was not made on this computer by you, and it {'; it '.join(texts)}",
        f'if you trust it: `nightschool --school "{school.root}" trust`',
    )


def reach_texts(school: School) -> list[str]:
    """What the school reads and contacts outside its folder, each with its setting."""
    found = reaches(school, load(school.settings_file))
    texts = [f"{each.text} ({each.setting})" for each in found if each.text]
    return texts or ["reaches nothing outside its folder"]


def show_reaches(school: School, texts: list[str]) -> None:
    """Show on standard error what a school reaches."""
    click.echo(f"{school.root} was not made on this computer by you. It", err=True)
    for text in texts:
        click.echo(f"  {text}", err=True)


def accept(school: School) -> None:
    """Trust a school from now on. Raises NightschoolError if that cannot be recorded."""
    try:
        trust(school)
    except OSError as error:
        raise NightschoolError(f"{error.filename} cannot be written: {error.strerror}") from None
