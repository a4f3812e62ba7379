"""`doctor`."""

from __future__ import annotations

from dataclasses import asdict
from itertools import chain

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.config.settings_file import load
from nightschool.jobs.service.service_check import check_services
from nightschool.tasks.health_checks import HealthVerdict, examine

_MARKS = {
    HealthVerdict.OK: "ok",
    HealthVerdict.WARNING: "warning",
    HealthVerdict.PROBLEM: "PROBLEM",
}


@click.command("doctor")
@as_json
def doctor_command(json_: bool) -> int:
    """Check everything that a run needs.

    Prints each check, its finding, and what to do about it. The exit code is 1 if there is a problem.
    """
    school = current_school(ledger_needed=False)
    findings = []
    settings = load(school.settings_file)
    for finding in chain(examine(school, settings), [check_services(school)]):
        findings.append(finding)
        if not json_:
            click.echo(f"{finding.check:<10} {_MARKS[finding.verdict]:<8}  {finding.finding}")
            if finding.remedy:
                click.echo(f"{'':21}-> {finding.remedy}")
    if json_:
        print_json([asdict(finding) for finding in findings])
    return int(any(finding.verdict is HealthVerdict.PROBLEM for finding in findings))
