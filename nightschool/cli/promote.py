"""`promote`, `rollback`."""

from __future__ import annotations

import click

from nightschool.cli.options import RUN_NUMBER, confirm, current_school, yes
from nightschool.config.errors import NightschoolError
from nightschool.ledger.ledger import Ledger
from nightschool.reports.text.wording import counted


@click.command("promote")
@click.argument("run", type=RUN_NUMBER)
@yes
def promote_command(run: int, yes_: bool) -> None:
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
        if not ledger.model_pruned(run):  # `promote` says so
            check_model(school, run)
        if not _agreed(ledger, run, yes_):
            return
        ledger.promote(run)
    click.echo(f"the model of run {run} is in use")


@click.command("rollback")
@yes
def rollback_command(yes_: bool) -> None:
    """Return to the model that was in use before."""
    with Ledger(current_school().ledger_file) as ledger:
        before = ledger.promotions()[-2:-1]
        if before and not _agreed(ledger, before[0], yes_):
            return
        run = ledger.rollback()
    click.echo("no model is in use now" if run is None else f"the model of run {run} is in use")


def _agreed(ledger: Ledger, run: int, yes_: bool) -> bool:
    """Whether the owner wants a model even if it learned from forgotten notes. Raises UsageError."""
    learned = ledger.learned_forgotten(run)
    if not learned:
        return True
    if not yes_:
        text = counted(learned, "note")
        click.echo(f"the model of run {run} learned from {text} that you had forgotten", err=True)
    return confirm("use it?", yes_)
