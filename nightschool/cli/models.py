"""`models`."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.cli.report import report_path
from nightschool.config.paths import School
from nightschool.ledger.ledger import Ledger
from nightschool.reports.report_file import read
from nightschool.reports.text.wording import percent
from nightschool.stats.stage_results import read_record
from nightschool.stats.terms import ArmName


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A trained model; the fields are the keys of its JSON."""

    run: int
    base: str
    kinds: list[str]
    accuracy: float | None
    """On the test notes of its run, as a fraction; None if the run has no report."""
    in_use: bool


@click.command("models")
@as_json
def models_command(json_: bool) -> None:
    """List the trained models and the one in use."""
    school = current_school()
    with Ledger(school.ledger_file) as ledger:
        promotions = ledger.promotions()
    models = trained_models(school, in_use=promotions[-1] if promotions else None)
    if json_:
        print_json([asdict(model) for model in models])
        return
    if not models:
        click.echo("no model is trained yet: `nightschool run --now` trains one")
    for model in models:
        accuracy = (
            "not evaluated"
            if model.accuracy is None
            else f"accuracy {percent(model.accuracy)} on the run's test notes"
        )
        click.echo(f"run {model.run}: {model.base}, {accuracy}{', in use' * model.in_use}")


def trained_models(school: School, in_use: int | None) -> list[ListedModel]:
    """All trained models of a school, by run. Raises LearningError if a model card is damaged."""
    models = []
    for file in school.models.glob("run-*/model.json"):
        from nightschool.stages.publish import ModelCard  # lazy: numpy

        card = read_record(file, ModelCard)
        report = report_path(school, card.run)
        accuracy = read(report).arm(ArmName.AFTER).accuracy if report.exists() else None
        in_use_now = card.run == in_use
        models.append(ListedModel(card.run, card.base, list(card.kinds), accuracy, in_use_now))
    return sorted(models, key=lambda model: model.run)
