"""`status`, `why`, `log`."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import click

from nightschool.cli.context import as_json, current_school, print_json
from nightschool.jobs.presence import worker_alive
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import Control, Run, Stage


@click.command("status")
@as_json
def status_command(json_: bool) -> None:
    """Show the runs and what happens now."""
    from nightschool.cli.overnight import overnight
    from nightschool.config.settings import load

    school = current_school()
    settings = load(school.settings_file)
    worker = worker_alive(school)
    with Ledger(school.ledger_file) as ledger:
        control = ledger.control()
        if worker is None:  # what a worker decided that has ended counts no more
            control = replace(control, run_allowed=False, decision_reason="no_worker")
        rows = [_row(run, ledger.stages(run.id), control, worker) for run in ledger.runs()]
        promotions = ledger.promotions()
        lines, more = overnight(school, settings, ledger, time.time())
    decision = {"run": control.run_allowed and not control.paused, "reason": _reason(control)}
    if json_:
        print_json({"runs": rows, "decision": decision, **more})
        return
    if not rows:
        click.echo("no runs yet: `nightschool run --now` does the whole way at once")
        return
    click.echo(f"{'run':>4}  {'state':<10} {'stage':<9} {'step':>9}  {'left':>8}  reason")
    for row in rows:
        step = f"{row['step']}/{row['total_steps']}" if row["total_steps"] else ""
        left = "" if row["eta_s"] is None else f"{row['eta_s'] / 60:.0f} min"
        mark = "  (in use)" if promotions and promotions[-1] == row["id"] else ""
        click.echo(
            f"{row['id']:>4}  {row['state']:<10} {row['stage']:<9} {step:>9}  {left:>8}  "
            f"{row['reason']}{mark}"
        )
    click.echo(_worker_line(control, worker))
    for line in lines:
        click.echo(line)


def _worker_line(control: Control, pid: int | None) -> str:
    if control.paused:
        until = control.paused_until
        end = (
            f"until {datetime.fromtimestamp(until):%a %H:%M}"
            if until
            else "until `nightschool resume`"
        )
        return f"paused {end}"
    if pid is None:
        return "no worker is running: `nightschool work` starts one"
    return f"a worker is running (process {pid}); {_reason(control)}"


def _reason(control: Control) -> str:
    return "paused" if control.paused else control.decision_reason


def _row(run: Run, stages: list[Stage], control: Control, worker: int | None) -> dict[str, Any]:
    stage = next((s for s in stages if s.state != "done"), stages[-1])
    state: str = "queued" if run.state == "running" and worker is None else run.state
    if control.paused and state == "queued":
        state = "paused"
    return {
        "id": run.id,
        "state": state,
        "stage": stage.name,
        "step": stage.step,
        "total_steps": stage.total_steps,
        "eta_s": stage.eta_s if state == "running" else None,
        "reason": run.reason,
    }


@click.command("why")
@as_json
def why_command(json_: bool) -> None:
    """Say why work goes on, or why it does not."""
    from nightschool.config.settings import load
    from nightschool.jobs.policy import EXPLANATIONS, decide

    school = current_school()
    settings = load(school.settings_file)
    with Ledger(school.ledger_file) as ledger:
        run = ledger.next_run()
        decision = decide(run, ledger.control(), settings.night, datetime.now())
    check = decision.next_check.isoformat(timespec="minutes") if decision.next_check else None
    if json_:
        print_json(
            {"run": decision.run, "reason": decision.reason, "signals": [], "next_window": check}
        )
        return
    subject = f"run {run.id}" if run else "nothing"
    verb = "may work" if decision.run else "does not work" if run else "is to be done"
    click.echo(f"{subject} {verb}: {EXPLANATIONS[decision.reason]}")
    if check:
        click.echo(f"that can change by itself at {check.replace('T', ' ')}")
    if decision.run and worker_alive(school) is None:
        click.echo(f"but {EXPLANATIONS['no_worker']}")


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
            click.echo("no runs yet: `nightschool run --now` does the whole way at once")
            return
        if json_:
            _print_events(ledger, newest.id, follow)
            return
    from rich.console import Console

    from nightschool.cli.live import Follower

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
