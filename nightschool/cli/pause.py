"""`pause`, `resume`, `cancel`, `retry`."""

from __future__ import annotations

import time

import click

from nightschool.cli.options import current_school
from nightschool.jobs.requests import duration_s
from nightschool.ledger.ledger import Ledger


@click.command("pause")
@click.option(
    "--for", "duration", metavar="TIME", help="Go on by itself after a time such as 2h or 45m."
)
def pause_command(duration: str | None) -> None:
    """Stop working at the next step, with a checkpoint, until `resume` or for a time."""
    from nightschool.cli.status import pause_in_words
    from nightschool.config.settings_file import load

    school = current_school()
    for_s = None if duration is None else duration_s(duration)
    if for_s == 0:
        raise click.UsageError(f"--for {duration}: that is no pause")
    until = None if for_s is None else time.time() + for_s
    night = load(school.settings_file).night
    with Ledger(school.ledger_file) as ledger:
        ledger.pause(until)
    click.echo(pause_in_words(until, night))


@click.command("resume")
def resume_command() -> None:
    """Go on after a pause."""
    with Ledger(current_school().ledger_file) as ledger:
        was = ledger.control().paused
        ledger.resume()
    click.echo("resumed" if was else "nothing was paused")


@click.command("cancel")
@click.argument("run", type=int)
def cancel_command(run: int) -> None:
    """End a run for good; its checkpoints stay until you delete its folder."""
    with Ledger(current_school().ledger_file) as ledger:
        ledger.cancel(run)
    click.echo(f"run {run} is cancelled")


@click.command("retry")
@click.argument("run", type=int)
def retry_command(run: int) -> None:
    """Queue a failed or cancelled run again, from the stage and checkpoint where it ended."""
    with Ledger(current_school().ledger_file) as ledger:
        ledger.retry(run)
    click.echo(
        f"run {run} is queued again: `nightschool run --now` or a running `work` goes on with it"
    )
