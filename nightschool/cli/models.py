"""`models`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.cli.report import has_report, read_report
from nightschool.config.errors import DamagedFile, LearningError, ReportError
from nightschool.config.paths import School
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.recorded_files import recorded_files
from nightschool.reports.text.wording import counted, percent
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
    problem: str = ""
    """What is damaged: its model card, its report, or what `repair` found."""


_NEWEST = 10


@click.command("models")
@click.option("--all", "all_", is_flag=True, help="Show all models.")
@as_json
def models_command(all_: bool, json_: bool) -> None:
    """List the trained models and the one in use.

    Shows the ten newest ones and the one in use; --json always lists all.
    """
    school = current_school(only_read=True)
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
        if model.problem:
            click.echo(f"run {model.run}: {model.problem}{', in use' * model.in_use}")
            continue
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

    A model with a damaged card or report is listed with its problem.
    """
    in_use, pruned = next(reversed(ledger.promotions()), None), ledger.prunings()
    numbers = [folder.name.removeprefix("run-") for folder in school.models.glob("run-*")]
    runs = sorted(int(number) for number in numbers if number.isdecimal())
    shown = runs if newest is None else runs[-newest:]
    if in_use in runs and in_use not in shown:
        shown = [in_use, *shown]
    models = [
        _read(
            school,
            run,
            in_use=run == in_use,
            pruned=f"models/run-{run}/adapter" in pruned,
            learned_forgotten=ledger.learned_forgotten(run),
            problem=ledger.model_damaged(run),
        )
        for run in shown
    ]
    return models, len(runs) - len(shown)


def _read(
    school: School, run: int, *, in_use: bool, pruned: bool, learned_forgotten: int, problem: str
) -> ListedModel:
    from nightschool.stages.publish import card_file, read_card  # lazy: numpy

    model = ListedModel(run, "", [], None, in_use, pruned, learned_forgotten, problem)
    if problem:
        return model
    try:
        recorded_files(school, run).check(card_file(school, run))
        card = read_card(school, run)
        model = replace(model, base=card.base, kinds=list(card.kinds))
        if has_report(school, run):
            accuracy = read_report(school, run).arm(ArmName.AFTER).accuracy
            model = replace(model, accuracy=accuracy)
    except (LearningError, ReportError, DamagedFile) as error:
        return replace(model, problem=str(error))
    return model
