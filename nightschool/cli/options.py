"""What the commands share: finding the school and printing JSON."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from nightschool.cli.trust_question import require_trust
from nightschool.config.paths import School, find_school
from nightschool.config.printable import json_text


def current_school(*, only_read: bool = False, ledger_needed: bool = True) -> School:
    """The school that the command line names.

    A school from elsewhere is asked about first, unless the command would `only_read` its ledger and reports.
    Raises ConfigError if there is none, LedgerError if a newer nightschool wrote it or (if it is needed) its
    ledger is lost, UntrustedSchool.
    """
    from nightschool.ledger.lost import refuse_lost  # lazy: filelock
    from nightschool.ledger.store import refuse_newer_file  # lazy: filelock

    school = find_school(given_school())
    refuse_newer_file(school.ledger_file)
    if ledger_needed:
        refuse_lost(school.ledger_file)
    if not only_read:
        require_trust(school)
    return school


def given_school() -> Path | None:
    """The folder that --school names, whether or not it is a school."""
    given = click.get_current_context().find_root().obj
    assert given is None or isinstance(given, Path)
    return given


def print_json(value: object) -> None:
    """Print a value as one line of JSON."""
    click.echo(json_text(value))


# SQLite counts no further.
RUN_NUMBER = click.IntRange(1, 2**63 - 1)

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON.")
yes = click.option("--yes", "yes_", is_flag=True, help="Do not ask.")
dry_run = click.option(
    "--dry-run", "dry", is_flag=True, help="Show what would happen; change nothing."
)


def confirm(question: str, yes_: bool, json_: bool = False) -> bool:
    """Whether the owner agrees: by --yes, or at the terminal. Raises UsageError where nobody can be asked."""
    if yes_:
        return True
    if json_ or not sys.stdin.isatty():
        raise click.UsageError("nothing is changed: confirm with --yes")
    return click.confirm(question)
