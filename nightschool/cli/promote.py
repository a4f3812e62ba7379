"""`promote`, `rollback`."""

from __future__ import annotations

import click

from nightschool.cli.options import current_school
from nightschool.config.errors import NightschoolError
from nightschool.ledger.ledger import Ledger


@click.command("promote")
@click.argument("run", type=int)
def promote_command(run: int) -> None:
    """Use the model of a run for `classify`.

    This overrules the decision of the run's comparison.
    """
    from nightschool.stages.publish import check_model  # lazy: numpy

    school = current_school()
    with Ledger(school.ledger_file) as ledger:
        ledger.run(run)
        if not (school.model_folder(run) / "model.json").exists():
            raise NightschoolError(
                f"run {run} has no trained model",
                "`nightschool models` lists the runs that have one",
            )
        check_model(school, run)
        ledger.promote(run)
    click.echo(f"the model of run {run} is in use")


@click.command("rollback")
def rollback_command() -> None:
    """Return to the model that was in use before."""
    with Ledger(current_school().ledger_file) as ledger:
        run = ledger.rollback()
    click.echo("no model is in use now" if run is None else f"the model of run {run} is in use")
