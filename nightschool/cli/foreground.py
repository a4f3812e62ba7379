"""Showing a run until it ends, and doing its work if no worker is running."""

from __future__ import annotations

import time

import click

from nightschool.cli.follow import Follower
from nightschool.cli.report import show_report
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.config.terminal_console import TerminalConsole
from nightschool.jobs.presence import worker_alive
from nightschool.jobs.worker import work
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import RunState

_POLL_S = 0.2


def work_or_watch(school: School, settings: Settings, run: int) -> int:
    """Show a run until it reaches its goal, fails or is interrupted; returns the exit code.

    This process does the work if no worker is running, also when a watched worker ends early.
    """
    stopped = False
    with Ledger(school.ledger_file, writes=False) as ledger:
        events = ledger.events(run)
    shown_before = events[-1].id if len(events) > 1 else 0
    with Follower(school, run, TerminalConsole(stderr=True), shown_before) as follower:
        while follower.poll() and not stopped:
            if worker_alive(school) is None:
                stopped = work(school, settings, until=lambda: not follower.poll())
                continue
            try:
                time.sleep(_POLL_S)
            except KeyboardInterrupt:
                click.echo("stopped watching; the worker continues")
                return 0
    with Ledger(school.ledger_file, writes=False) as ledger:
        ended = ledger.run(run)
    if stopped and ended.open:
        click.echo(
            f"stopped; `nightschool run --now` or `nightschool work` continues run {run} from its checkpoint"
        )
        return 1
    if ended.state == RunState.DONE:
        show_report(school, run)
        return 0
    # The follower has already shown the error of a failed run.
    return 0 if ended.state == RunState.WAITING else 1
