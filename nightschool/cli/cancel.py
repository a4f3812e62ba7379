"""`cancel`, `retry`."""

from __future__ import annotations

import click

from nightschool.cli.options import RUN_NUMBER, current_school
from nightschool.config.settings_file import load
from nightschool.jobs.requests import keeps_other_settings, request_retry
from nightschool.ledger.ledger import Ledger


@click.command("cancel")
@click.argument("run", type=RUN_NUMBER)
def cancel_command(run: int) -> None:
    """Cancel a run.

    Its checkpoints stay, so that `nightschool retry` can continue it.
    """
    with Ledger(current_school().ledger_file) as ledger:
        ledger.cancel(run)
    click.echo(f"run {run} is cancelled (`nightschool retry {run}` queues it again)")


@click.command("retry")
@click.argument("run", type=RUN_NUMBER)
def retry_command(run: int) -> None:
    """Queue a failed or cancelled run again.

    It continues at the stage and checkpoint where it ended, with the settings that it was queued with. After a
    change of nightschool.toml, `nightschool run --new` queues a new run.
    """
    school = current_school()
    settings = load(school.settings_file)
    with Ledger(school.ledger_file) as ledger:
        queued = request_retry(ledger, school, settings, run)
    click.echo(
        f"run {run} is queued again: a running worker continues it, or `nightschool run --now` does"
    )
    if keeps_other_settings(queued, settings):
        click.echo(
            "it keeps the settings from when it was queued; yours have changed since "
            "(`nightschool run --new` queues a run with them)"
        )
