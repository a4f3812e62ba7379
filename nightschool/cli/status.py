"""`status`, `log`."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Reason
from nightschool.ledger.records import Control, PastDecision, Run, Stage

if TYPE_CHECKING:
    from nightschool.config.night_settings import NightSettings
    from nightschool.jobs.policy import Decision

_FULL_BYTES = 1e6
_NO_RUNS = "no runs yet: `nightschool run --now` does the whole way at once"


@click.command("status")
@as_json
def status_command(json_: bool) -> None:
    """Show the runs, what happens now, and the plan for the night."""
    from nightschool.cli.overnight import overnight
    from nightschool.cli.why import iso
    from nightschool.config.settings_file import load
    from nightschool.jobs.forecast import forecast_night

    school = current_school()
    settings, now = load(school.settings_file), time.time()
    night = settings.night
    outlook = forecast_night(school, night, now)
    with Ledger(school.ledger_file) as ledger:
        control = ledger.control()
        if outlook.worker is None:  # what a worker decided that has ended counts no more
            control = replace(control, run_allowed=False, decision_reason=Reason.NO_WORKER)
        newest = ledger.decisions(1)
        pause = pause_in_words(control.paused_until, night) if control.paused else ""
        rows = [_row(run, ledger.stages(run.id), pause, outlook.worker) for run in ledger.runs()]
        promotions = ledger.promotions()
        lines, more = overnight(school, settings, ledger, now)
    decision = {"run": control.run_allowed and not control.paused, "reason": _reason(control)}
    if json_:
        plan = outlook.schedule and {
            "run": outlook.run.id if outlook.run else None,
            "starts": iso(night, outlook.schedule.starts),
            "done": iso(night, outlook.schedule.done),
            "nights": outlook.schedule.nights if outlook.schedule.done else None,
            "text": outlook.schedule.text,
        }
        print_json({"runs": rows, "decision": decision, "plan": plan, **more})
        return
    if rows:
        click.echo(f"{'run':>4}  {'state':<10} {'stage':<9} {'step':>9}  {'left':>8}  reason")
    else:
        click.echo(_NO_RUNS)
    for row in rows:
        step = f"{row['step']}/{row['total_steps']}" if row["total_steps"] else ""
        left = "" if row["eta_s"] is None else f"{row['eta_s'] / 60:.0f} min"
        mark = "  (in use)" if promotions and promotions[-1] == row["id"] else ""
        click.echo(
            f"{row['id']:>4}  {row['state']:<10} {row['stage']:<9} {step:>9}  {left:>8}  "
            f"{row['reason']}{mark}"
        )
    detail = _detail(outlook.decision, newest[0] if newest else None, night)
    if pause:
        click.echo(pause)
    click.echo(_worker_line(control, outlook.worker, detail))
    if shutil.disk_usage(school.root).free < _FULL_BYTES:
        click.echo("the disk is full: this is as it was when there was still room to record it")
    if outlook.run and outlook.schedule:
        click.echo(f"run {outlook.run.id}: {outlook.schedule.text}")
    for line in lines:
        click.echo(line)


def _detail(decision: Decision, newest: PastDecision | None, night: NightSettings) -> str:
    """Why nothing works, or that something does, in words.

    What the clock says is said as it is now; the values of a signal are those of when it was recorded.
    """
    from nightschool.cli.why import clock
    from nightschool.config.night import local

    if not decision.run:
        return decision.detail
    if newest is None or newest.allowed or not newest.detail:
        return newest.detail if newest else ""
    return f"{newest.detail} (since {clock(local(night, newest.at))})"


def _worker_line(control: Control, pid: int | None, detail: str) -> str:
    if pid is None:
        return (
            "no worker is running: `nightschool work` starts one, `nightschool service install` at "
            "every login"
        )
    does = "" if control.paused else f": {detail or _reason(control)}"
    return f"a worker is running (process {pid}){does}"


def pause_in_words(until: float | None, night: NightSettings) -> str:
    """ "paused until 16:00", of another day with it, or until what."""
    from nightschool.cli.why import clock
    from nightschool.config.night import local

    end = clock(local(night, until)) if until else "`nightschool resume`"
    return f"paused until {end}"


def _reason(control: Control) -> str:
    return "paused" if control.paused else control.decision_reason


def _row(run: Run, stages: list[Stage], pause: str, worker: int | None) -> dict[str, Any]:
    stage = next((s for s in stages if s.state != "done"), stages[-1])
    state: str = "queued" if run.state == "running" and worker is None else run.state
    if pause and state == "queued":
        state = "paused"
    return {
        "id": run.id,
        "state": state,
        "stage": stage.name,
        "step": stage.step,
        "total_steps": stage.total_steps,
        "eta_s": stage.eta_s if state == "running" else None,
        "reason": pause if state == "paused" else run.reason,
    }


@click.command("log")
@click.argument("run", type=int, required=False)
@click.option("--follow", is_flag=True, help="Go on showing what comes, until the run has ended.")
@as_json
def log_command(run: int | None, follow: bool, json_: bool) -> None:
    """Show what a run did (the newest where none is named)."""
    school = current_school()
    with Ledger(school.ledger_file) as ledger:
        newest = ledger.run(run) if run else ledger.newest_run()
        if newest is None:
            click.echo(_NO_RUNS)
            return
        if json_:
            _print_events(ledger, newest.id, follow)
            return
    from rich.console import Console

    from nightschool.cli.follow import Follower

    with Follower(school, newest.id, Console()) as follower:
        while follower.poll() and follow:
            time.sleep(0.2)


def _print_events(ledger: Ledger, run: int, follow: bool) -> None:
    seen = 0
    while True:
        open_ = ledger.run(run).open
        for event in ledger.events(run, seen):
            seen = event.id
            print_json(asdict(event))
        if not follow or not open_:
            return
        time.sleep(0.2)
