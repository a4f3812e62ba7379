"""`pause`, `resume`."""

from __future__ import annotations

import time

import click

from nightschool.cli.options import current_school
from nightschool.config.local_time import pause_text
from nightschool.config.settings_file import load
from nightschool.jobs.requests import duration_s
from nightschool.ledger.ledger import Ledger


@click.command("pause")
@click.option(
    "--for",
    "duration",
    metavar="TIME",
    help="Resume automatically after this long, such as 2h or 45m.",
)
def pause_command(duration: str | None) -> None:
    """Pause all work; a checkpoint keeps the progress.

    Work stops after the current optimizer step, until `nightschool resume` or for the time of --for.
    """
    school = current_school()
    length_s = None if duration is None else duration_s(duration)
    if length_s == 0:
        raise click.UsageError(f"--for {duration} has no length: give a time such as 2h or 45m")
    until = None if length_s is None else time.time() + length_s
    night = load(school.settings_file).night
    with Ledger(school.ledger_file) as ledger:
        ledger.pause(until)
    click.echo(pause_text(night, until))


@click.command("resume")
def resume_command() -> None:
    """Resume work after a pause."""
    with Ledger(current_school().ledger_file) as ledger:
        was_paused = ledger.control().paused
        ledger.resume()
    click.echo("resumed" if was_paused else "work was not paused")
