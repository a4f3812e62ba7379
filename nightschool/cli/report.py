"""`report`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from nightschool.cli.options import RUN_NUMBER, as_json, current_school, print_json
from nightschool.config.errors import NightschoolError
from nightschool.config.paths import School
from nightschool.ledger.ledger import Ledger
from nightschool.reports.report_file import read


@click.command("report")
@click.argument("run", type=RUN_NUMBER, required=False)
@as_json
def report_command(run: int | None, json_: bool) -> None:
    """Show the before/after report of a run.

    RUN defaults to the newest run that has a report.
    """
    school = current_school()
    reported = _run_with_report(school, run)
    if json_:
        print_json(asdict(read(report_path(school, reported))))
    else:
        show_report(school, reported)
        with Ledger(school.ledger_file, writes=False) as ledger:
            if ledger.model_pruned(reported):
                click.echo(f"the model of run {reported} was pruned; its results stay")


def show_report(school: School, run: int) -> None:
    """Print the verdict, the tables, and the path of the page."""
    from rich.console import Console  # lazy: rich
    from rich.text import Text  # lazy: rich

    from nightschool.reports.text import report_tables  # lazy: rich
    from nightschool.reports.text.verdict import verdict  # lazy: rich

    report = read(report_path(school, run))
    console = Console()
    console.print(Text(verdict(report)))
    console.print(report_tables.before_after(report))
    for name, note in report.arm_notes.items():
        console.print(f"{name}: {note}", style="dim", highlight=False, markup=False)
    console.print(report_tables.per_kind(report))
    for table in (report_tables.checks(report), report_tables.seeds(report)):
        if table:
            console.print(table)
    for line in report_tables.remarks(report):
        console.print(Text(line))
    console.print(Text(f"decision: {report.decision} ({report.reason})"))
    page = report_path(school, run).with_name("report.html")
    console.print(f"report: {page}", highlight=False, soft_wrap=True)


def report_path(school: School, run: int) -> Path:
    """The report file of a run, whether or not it exists."""
    return school.run_folder(run) / "report" / "report.json"


def _run_with_report(school: School, run: int | None) -> int:
    with Ledger(school.ledger_file, writes=False) as ledger:
        runs = [ledger.run(run).id] if run is not None else ledger.run_numbers()
    for candidate in runs:
        if report_path(school, candidate).exists():
            return candidate
    message = "no run has a report yet" if run is None else f"run {run} has no report yet"
    raise NightschoolError(message, "`nightschool status` shows the progress")
