"""`log`."""

from __future__ import annotations

import time
from dataclasses import asdict

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.ledger.ledger import Ledger

_POLL_S = 0.2


@click.command("log")
@click.argument("run", type=int, required=False)
@click.option("--follow", is_flag=True, help="Keep printing new lines until the run ends.")
@as_json
def log_command(run: int | None, follow: bool, json_: bool) -> None:
    """Show the log of a run.

    RUN defaults to the newest run.
    """
    school = current_school()
    with Ledger(school.ledger_file) as ledger:
        shown = ledger.run(run) if run is not None else ledger.newest_run()
        if shown is None:
            click.echo("there are no runs yet: `nightschool run --now` starts one")
            return
        if json_:
            _print_events(ledger, shown.id, follow)
            return
    from rich.console import Console  # lazy: rich

    from nightschool.cli.follow import Follower  # lazy: rich

    with Follower(school, shown.id, Console()) as follower:
        while follower.poll() and follow:
            time.sleep(_POLL_S)


def _print_events(ledger: Ledger, run: int, follow: bool) -> None:
    last_id = 0
    while True:
        is_open = ledger.run(run).open
        for event in ledger.events(run, last_id):
            last_id = event.id
            print_json(asdict(event))
        if not follow or not is_open:
            return
        time.sleep(_POLL_S)
