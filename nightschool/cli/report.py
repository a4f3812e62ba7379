"""`report`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import click

from nightschool.cli.options import RUN_NUMBER, as_json, current_school, print_json
from nightschool.config.errors import DamagedFile, LedgerError, NightschoolError, first_line
from nightschool.config.paths import School
from nightschool.ledger.artifacts import artifact_of
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.recorded_files import recorded_files
from nightschool.ledger.records import StageName
from nightschool.reports.report_file import read
from nightschool.stats.results import Report


@click.command("report")
@click.argument("run", type=RUN_NUMBER, required=False)
@as_json
def report_command(run: int | None, json_: bool) -> None:
    """Show the before/after report of a run.

    RUN defaults to the newest run that has a report.
    """
    school = current_school(only_read=True)
    reported = _run_with_report(school, run)
    if json_:
        print_json(asdict(read_report(school, reported)))
    else:
        show_report(school, reported)
        with Ledger(school.ledger_file, writes=False) as ledger:
            if ledger.model_pruned(reported):
                click.echo(f"the model of run {reported} was pruned; its results stay")


def show_report(school: School, run: int) -> None:
    """Print the verdict, the tables, and the path of the page."""
    from rich.text import Text  # lazy: rich

    from nightschool.config.terminal_console import TerminalConsole  # lazy: rich
    from nightschool.reports.text import report_tables  # lazy: rich
    from nightschool.reports.text.verdict import verdict  # lazy: rich

    report = read_report(school, run)
    console = TerminalConsole()
    console.print(Text(verdict(report)))
    console.print(report_tables.before_after(report))
    for name, note in report.arm_notes.items():
        console.print(f"{name}: {note}", style="dim")
    console.print(report_tables.per_kind(report))
    for table in (report_tables.checks(report), report_tables.seeds(report)):
        if table:
            console.print(table)
    for line in report_tables.remarks(report):
        console.print(Text(line))
    console.print(Text(f"decision: {report.decision} ({report.reason})"))
    page = _whole_page(school, run, report)
    console.print(f"report: {page}", soft_wrap=True)


def read_report(school: School, run: int) -> Report:
    """The verified report of a run. Raises ReportError, DamagedFile."""
    file = report_path(school, run)
    recorded_files(school, run).check(file)
    return read(file)


def _whole_page(school: School, run: int, report: Report) -> Path:
    """The path of the report's page; a page that is missing or damaged is made again from the report."""
    page = report_path(school, run).with_name("report.html")
    try:
        recorded_files(school, run).check(page)
        if page.is_file() and page.stat().st_size:
            return page
    except DamagedFile:
        pass
    from nightschool.reports.writer import write_page  # lazy: matplotlib

    try:
        write_page(report, page.parent)
        with Ledger(school.ledger_file) as ledger:
            ledger.record_artifacts(run, StageName.COMPARE, [artifact_of(school, page)])
    except (OSError, LedgerError) as error:
        click.echo(f"{page} is damaged and cannot be made again ({first_line(error)})", err=True)
    return page


def has_report(school: School, run: int) -> bool:
    """Whether a run made a report, even if it is missing now."""
    file = report_path(school, run)
    return os.path.lexists(file) or file in recorded_files(school, run)


def report_path(school: School, run: int) -> Path:
    """The report file of a run, whether or not it exists."""
    return school.run_folder(run) / "report" / "report.json"


def _run_with_report(school: School, run: int | None) -> int:
    with Ledger(school.ledger_file, writes=False) as ledger:
        runs = [ledger.run(run).id] if run is not None else ledger.run_numbers()
    for candidate in runs:
        if has_report(school, candidate):
            return candidate
    message = "no run has a report yet" if run is None else f"run {run} has no report yet"
    raise NightschoolError(message, "`nightschool status` shows the progress")
