"""`forget`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from nightschool.cli.options import as_json, confirm, current_school, dry_run, print_json, yes
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.ledger.forgettings import Forgetting
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import Stage, StageName
from nightschool.reports.text.wording import counted

_SHOWN = 10


@click.command("forget")
@click.argument("notes", nargs=-1, metavar="[NOTE]...")
@click.option(
    "--gone", is_flag=True, help="Forget every note that is no longer in the notes folder."
)
@click.option("--no-retrain", is_flag=True, help="Do not queue a run without them.")
@dry_run
@yes
@as_json
def forget_command(
    notes: tuple[str, ...], gone: bool, no_retrain: bool, dry: bool, yes_: bool, json_: bool
) -> None:
    """Erase what the school holds of deleted notes.

    NOTE is a file, a folder, a row (FILE:ROW) or the id of a note that you have deleted or changed: its former
    text is removed from datasets, results, reports, labels, logs and the ledger. Numbers stay as they were.
    The models that learned from it are marked, and a run without it is queued for the night. Without
    arguments, shows what was forgotten.
    """
    school = current_school()
    settings = load(school.settings_file)
    from nightschool.jobs.forgetting.performing import (  # lazy: numpy
        complete_forgettings,
        forget,
    )
    from nightschool.jobs.forgetting.selection import select_gone, select_named  # lazy: numpy

    complete_forgettings(school)
    if not notes and not gone:
        _show_record(school, json_)
        return
    if notes and gone:
        raise click.UsageError("give notes or --gone, not both")
    with Ledger(school.ledger_file) as ledger:
        if gone:
            selection = select_gone(school, settings, ledger)
        else:
            selection = select_named(school, settings, ledger, notes)
        described: dict[str, Any] = {
            "notes": selection.notes,
            "sources": list(selection.sources),
            "similar": list(selection.similar),
            "runs": [asdict(run) for run in selection.runs],
        }
        if not json_:
            for line in _lines(ledger, described):
                click.echo(line)
        if dry or not selection.traces.ids or not confirm("forget them?", yes_, json_):
            if json_:
                print_json(described | {"forgotten": False})
            return
        done = forget(school, settings, ledger, selection, retrain=not no_retrain)
    if json_:
        print_json(described | {"forgotten": True, **asdict(done)})
        return
    click.echo(f"forgotten: {counted(selection.notes, 'note')}")
    if done.retraining:
        click.echo(f"run {done.retraining} is queued: it trains without them")
    for name in done.left:
        click.echo(f"{name} may still hold a part of them: see whether it can be deleted", err=True)


def _lines(ledger: Ledger, described: dict[str, Any]) -> Iterator[str]:
    if not described["notes"]:
        yield "no note of a dataset, report or label is gone"
        return
    runs = described["runs"]
    yield f"{counted(described['notes'], 'note')} to forget, in the datasets of {counted(len(runs), 'run')}:"
    yield from _listed(described["sources"])
    if described["similar"]:
        yield "similar notes stay, because they are still in the notes folder:"
        yield from _listed(described["similar"])
    in_use = next(reversed(ledger.promotions()), None)
    for run in runs:
        if run["learned"]:
            use = ", which is in use," if run["run"] == in_use else ""
            yield f"the model of run {run['run']}{use} learned from {run['learned']} of them"


def _listed(names: Sequence[str]) -> Iterator[str]:
    yield from (f"  {name}" for name in names[:_SHOWN])
    if len(names) > _SHOWN:
        yield f"  ... and {len(names) - _SHOWN} others"


def _show_record(school: School, json_: bool) -> None:
    """What was forgotten, with the proof that the later run trained without it."""
    with Ledger(school.ledger_file) as ledger:
        records = [_record(ledger, one) for one in ledger.forgettings()]
    if json_:
        print_json(records)
        return
    if not records:
        click.echo("nothing was forgotten yet")
    for record in records:
        click.echo(f"{record['at']}: {counted(record['notes'], 'note')} forgotten")
        for run in record["runs"]:
            click.echo(
                f"  run {run['run']}: dataset {run['dataset_before'][:16]} with them, "
                f"{run['dataset_after'][:16]} without; its model learned from {run['learned']}"
            )
        if proof := record["retraining"]:
            adapter = proof["adapter_sha256"] or "not trained yet"
            dataset = (proof["dataset"] or "not read yet")[:16]
            click.echo(f"  run {proof['run']}: dataset {dataset}, adapter {adapter[:16]}")


def _record(ledger: Ledger, one: Forgetting) -> dict[str, Any]:
    retraining = None
    if one.retraining:
        stages = {stage.name: stage for stage in ledger.stages(one.retraining)}
        retraining = {
            "run": one.retraining,
            "dataset": _recorded(stages[StageName.PREP], "fingerprint"),
            "adapter_sha256": _recorded(stages[StageName.TRAIN], "adapter_sha256"),
        }
    return {
        "at": datetime.fromtimestamp(one.at).isoformat(timespec="seconds"),
        "notes": one.notes,
        "runs": [asdict(run) for run in one.runs],
        "retraining": retraining,
    }


def _recorded(stage: Stage, key: str) -> str | None:
    value = (stage.result or {}).get(key)
    return None if value is None else str(value)
