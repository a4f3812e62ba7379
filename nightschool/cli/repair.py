"""`repair`."""

from __future__ import annotations

from dataclasses import asdict

import click

from nightschool.cli.options import as_json, current_school, dry_run, print_json
from nightschool.jobs.repair.finding import RepairRemedy


@click.command("repair")
@dry_run
@as_json
def repair_command(dry: bool, json_: bool) -> int:
    """Find damaged files, and make them again where that is possible.

    Compares every file that a stage wrote with its record, and makes a lost ledger again from the files of
    the runs. Nothing is deleted: what is replaced is put aside in .nightschool/set-aside. The exit code is
    1 if something is lost.
    """
    from nightschool.jobs.repair.school_repair import repair  # lazy: numpy

    school = current_school(ledger_needed=False)
    findings = []
    for finding in repair(school, dry=dry):
        findings.append(finding)
        if not json_:
            click.echo(finding.line(dry))
    if json_:
        print_json([asdict(finding) for finding in findings])
    elif not findings:
        click.echo("nothing is damaged")
    return int(any(finding.remedy is RepairRemedy.LOST for finding in findings))
