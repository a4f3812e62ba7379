"""`models`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.cli.report import report_path
from nightschool.config.paths import School
from nightschool.ledger.ledger import Ledger
from nightschool.reports.report_file import read
from nightschool.reports.text.wording import counted, percent
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
    pruned: bool
    """Its adapter was deleted to save room."""
    learned_forgotten: int
    """Forgotten notes that it learned from."""


_NEWEST = 10


@click.command("models")
@click.option("--all", "all_", is_flag=True, help="Show all models.")
@as_json
def models_command(all_: bool, json_: bool) -> None:
    """List the trained models and the one in use.

    Shows the ten newest ones and the one in use; --json always lists all.
    """
    school = current_school()
    with Ledger(school.ledger_file, writes=False) as ledger:
        models, earlier = trained_models(school, ledger, None if all_ or json_ else _NEWEST)
    if json_:
        print_json([asdict(model) for model in models])
        return
    if earlier:
        click.echo(f"{earlier} earlier model{'s' * (earlier != 1)}: `nightschool models --all`")
    if not models:
        click.echo("no model is trained yet: `nightschool run --now` trains one")
    for model in models:
        accuracy = (
            "not evaluated"
            if model.accuracy is None
            else f"accuracy {percent(model.accuracy)} on the run's test notes"
        )
        remarks = f"{', in use' * model.in_use}{', pruned' * model.pruned}"
        if model.learned_forgotten:
            remarks += f", learned from {counted(model.learned_forgotten, 'forgotten note')}"
        click.echo(f"run {model.run}: {model.base}, {accuracy}{remarks}")


def trained_models(
    school: School, ledger: Ledger, newest: int | None = None
) -> tuple[list[ListedModel], int]:
    """The `newest` trained models of a school (None: all) and the one in use, by run; the number of others.

    Raises LearningError if a model card is damaged.
    """
    in_use, pruned = next(reversed(ledger.promotions()), None), ledger.prunings()
    files = {_run_of(file): file for file in school.models.glob("run-*/model.json")}
    runs = sorted(files)
    shown = runs if newest is None else runs[-newest:]
    if in_use in files and in_use not in shown:
        shown = [in_use, *shown]
    models = []
    for run in shown:
        from nightschool.stages.publish import ModelCard  # lazy: numpy

        card = read_record(files[run], ModelCard)
        report = report_path(school, card.run)
        accuracy = read(report).arm(ArmName.AFTER).accuracy if report.exists() else None
        models.append(
            ListedModel(
                card.run,
                card.base,
                list(card.kinds),
                accuracy,
                in_use=card.run == in_use,
                pruned=f"models/run-{run}/adapter" in pruned,
                learned_forgotten=ledger.learned_forgotten(run),
            )
        )
    return models, len(runs) - len(shown)


def _run_of(card: Path) -> int:
    """The run in the name of a model's folder; -1 if it is no number."""
    number = card.parent.name.removeprefix("run-")
    return int(number) if number.isdecimal() else -1
