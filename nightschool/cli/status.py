"""`status`."""

from __future__ import annotations

from collections.abc import Iterator

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.config.settings_file import load
from nightschool.jobs.school_status import RunStatus, SchoolStatus, read_status

_NEWEST = 10


@click.command("status")
@click.option("--all", "all_", is_flag=True, help="Show all runs.")
@as_json
def status_command(all_: bool, json_: bool) -> None:
    """Show the runs, the worker and the plan for tonight.

    Shows the ten newest runs, and older ones that are open or in use. Also shows what the last night did,
    and how many new notes wait for the next run.
    """
    school = current_school(only_read=True)
    settings = load(school.settings_file)
    status = read_status(school, settings, None if all_ else _NEWEST)
    if json_:
        print_json(status.as_json(settings.night))
        return
    for line in _lines(status):
        click.echo(line)


def _lines(status: SchoolStatus) -> Iterator[str]:
    if status.runs:
        yield f"{'run':>4}  {'state':<10} {'stage':<9} {'step':>9}  {'left':>8}  reason"
    else:
        yield "there are no runs yet: `nightschool run --now` starts one"
    if status.earlier:
        runs = "1 earlier run" if status.earlier == 1 else f"{status.earlier} earlier runs"
        yield f"      {runs}: `nightschool status --all`"
    for run in status.runs:
        yield _row(run, in_use=run.id == status.in_use)
    if status.pause:
        yield status.pause
    yield _worker_line(status)
    if status.disk_full:
        yield "the disk is full, so newer events are not recorded: free some space"
    if status.outlook.run and status.outlook.schedule:
        yield f"run {status.outlook.run.id}: {status.outlook.schedule.text}"
    yield from status.news


def _row(run: RunStatus, in_use: bool) -> str:
    step = f"{run.step}/{run.total_steps}" if run.total_steps else ""
    left = "" if run.eta_s is None else f"{run.eta_s / 60:.0f} min"
    remark = f"{run.reason}{'  (in use)' * in_use}"
    return f"{run.id:>4}  {run.state:<10} {run.stage:<9} {step:>9}  {left:>8}  {remark}"


def _worker_line(status: SchoolStatus) -> str:
    worker = status.outlook.worker
    if worker is None and status.elsewhere:
        return status.elsewhere
    if worker is None:
        return (
            "no worker is running: `nightschool work` starts one, `nightschool service install` starts "
            "one at every login"
        )
    detail = "" if status.pause else f": {status.detail}"
    return f"a worker is running (process {worker or 'unknown'}){detail}"
