"""`report`, `models`, `promote`, `rollback`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.config.paths import School
from nightschool.ledger.ledger import Ledger


@click.command("report")
@click.argument("run", type=int, required=False)
@as_json
def report_command(run: int | None, json_: bool) -> None:
    """Show the before/after report of a run (the newest that has one)."""
    from nightschool.reports.report_file import read

    school = current_school()
    number = _reported(school, run)
    if json_:
        print_json(asdict(read(report_path(school, number))))
    else:
        show_report(school, number)


def show_report(school: School, run: int) -> None:
    """Print the verdict, the tables, and where the page is."""
    from rich.console import Console
    from rich.text import Text

    from nightschool.reports.report_file import read
    from nightschool.reports.text.report_tables import (
        before_after,
        checks,
        per_kind,
        remarks,
        seeds,
    )
    from nightschool.reports.text.verdict import verdict

    report = read(report_path(school, run))
    console = Console()
    console.print(Text(verdict(report)))
    console.print(before_after(report))
    for name, note in report.arm_notes.items():
        console.print(f"{name}: {note}", style="dim", highlight=False, markup=False)
    console.print(per_kind(report))
    for table in (checks(report), seeds(report)):
        if table:
            console.print(table)
    for line in remarks(report):
        console.print(Text(line))
    console.print(Text(f"decision: {report.decision} ({report.reason})"))
    console.print(
        f"report: {report_path(school, run).with_name('report.html')}",
        highlight=False,
        soft_wrap=True,
    )


def report_path(school: School, run: int) -> Path:
    """Where the report of a run is, if it has one."""
    return school.run_folder(run) / "report" / "report.json"


def _reported(school: School, run: int | None) -> int:
    with Ledger(school.ledger_file) as ledger:
        runs = [ledger.run(run)] if run else ledger.runs()[::-1]
    for candidate in runs:
        if report_path(school, candidate.id).exists():
            return candidate.id
    which = f"run {run} has no report yet" if run else "no run has a report yet"
    raise click.ClickException(f"{which}: `nightschool status` shows how far it is")


@click.command("models")
@as_json
def models_command(json_: bool) -> None:
    """List the trained models and which one is in use."""
    from nightschool.reports.report_file import read
    from nightschool.reports.text.wording import percent
    from nightschool.stats.terms import ArmName

    school = current_school()
    with Ledger(school.ledger_file) as ledger:
        promotions = ledger.promotions()
    rows = []
    for card in sorted(school.models.glob("run-*/model.json")):
        model = json.loads(card.read_text("utf-8"))
        report = report_path(school, model["run"])
        after = None
        if report.exists():
            after = read(report).arm(ArmName.AFTER).accuracy
        rows.append(
            {
                "run": model["run"],
                "base": model["base"],
                "kinds": model["kinds"],
                "accuracy": after,
                "in_use": bool(promotions) and promotions[-1] == model["run"],
            }
        )
    rows.sort(key=lambda row: row["run"])
    if json_:
        print_json(rows)
        return
    for row in rows:
        accuracy = (
            "not measured"
            if row["accuracy"] is None
            else f"{percent(row['accuracy'])} on its test notes"
        )
        click.echo(
            f"run {row['run']}: {row['base']}, {accuracy}{', in use' if row['in_use'] else ''}"
        )
    if not rows:
        click.echo("no model was trained yet: `nightschool run --now`")


@click.command("promote")
@click.argument("run", type=int)
def promote_command(run: int) -> None:
    """Use the model of a run for `classify`, whatever its comparison said."""
    school = current_school()
    with Ledger(school.ledger_file) as ledger:
        ledger.run(run)
        if not (school.model_folder(run) / "model.json").exists():
            raise click.ClickException(
                f"run {run} has no trained model: `nightschool models` lists them"
            )
        ledger.promote(run)
    click.echo(f"the model of run {run} is in use")


@click.command("rollback")
def rollback_command() -> None:
    """Use the model that was in use before the last promotion."""
    with Ledger(current_school().ledger_file) as ledger:
        run = ledger.rollback()
    click.echo("no model is in use now" if run is None else f"the model of run {run} is in use")
