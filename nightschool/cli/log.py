"""`log`."""

from __future__ import annotations

import time
from dataclasses import asdict

import click

from nightschool.cli.options import RUN_NUMBER, as_json, current_school, print_json
from nightschool.ledger.ledger import Ledger

_POLL_S = 0.2
_NEWEST = 200


@click.command("log")
@click.argument("run", type=RUN_NUMBER, required=False)
@click.option("--follow", is_flag=True, help="Keep printing new lines until the run ends.")
@click.option("--all", "all_", is_flag=True, help="Show all lines.")
@as_json
def log_command(run: int | None, follow: bool, all_: bool, json_: bool) -> None:
    """Show the log of a run.

    RUN defaults to the newest run. Shows the 200 newest lines.
    """
    school = current_school(only_read=True)
    with Ledger(school.ledger_file, writes=False) as ledger:
        shown = ledger.run(run) if run is not None else ledger.newest_run()
        if shown is None:
            click.echo("there are no runs yet: `nightschool run --now` starts one")
            return
        after = 0 if all_ else _before_newest(ledger, shown.id)
        if json_:
            _print_events(ledger, shown.id, follow, after)
            return
        left_out = ledger.count_events(shown.id) - _NEWEST if after else 0
    if left_out > 0:
        click.echo(f"{left_out} earlier lines: `nightschool log {shown.id} --all`")
    from nightschool.cli.follow import Follower  # lazy: rich
    from nightschool.config.terminal_console import TerminalConsole  # lazy: rich

    with Follower(school, shown.id, TerminalConsole(), after) as follower:
        while follower.poll() and follow:
            time.sleep(_POLL_S)


def _before_newest(ledger: Ledger, run: int) -> int:
    """The id before those of the newest events of a run."""
    shown = ledger.events(run, newest=_NEWEST)
    return shown[0].id - 1 if shown else 0


def _print_events(ledger: Ledger, run: int, follow: bool, last_id: int) -> None:
    while True:
        ledger.refresh()
        is_open = ledger.run(run).open
        for event in ledger.events(run, last_id):
            last_id = event.id
            print_json(asdict(event))
        if not follow or not is_open:
            return
        time.sleep(_POLL_S)
