"""`demo`."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import click

from nightschool.cli.options import as_json, print_json
from nightschool.config.errors import NightschoolError
from nightschool.demo.tour import make_school, queue_run, tour
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import RunState


@click.command("demo")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Folder for the demo's school (default: a temporary folder).",
)
@as_json
def demo_command(folder: Path | None, json_: bool) -> int:
    """Run all stages in minutes, on a CPU, without a download.

    Creates a school with 200 notes and queues a run. The run is paused once, its worker is killed once,
    and each time it resumes from its checkpoint. At the end the report is shown.
    """
    from nightschool.cli.follow import Follower  # lazy: rich
    from nightschool.cli.report import report_path, show_report
    from nightschool.config.terminal_console import TerminalConsole  # lazy: rich
    from nightschool.reports.report_file import read  # lazy: pydantic

    if folder and folder.exists() and any(folder.iterdir()):
        raise click.UsageError(f"{folder} is not empty: give a new folder")
    started = time.monotonic()
    console = TerminalConsole(stderr=True)
    school = make_school(folder or Path(tempfile.mkdtemp(prefix="nightschool-demo-")) / "school")
    console.print(f"The demo's school: {school.root}", soft_wrap=True)
    run = queue_run(school)

    def announce(text: str) -> None:
        console.print(text, style="bold magenta", soft_wrap=True)

    with Follower(school, run, console) as follower:
        tour(school, run, follower.poll, announce)
    with Ledger(school.ledger_file) as ledger:
        ended = ledger.run(run)
    if ended.state != RunState.DONE:
        raise NightschoolError(f"the demo's run is {ended.state}", ended.reason)
    console.print(f"Done in {time.monotonic() - started:.0f} s.")
    if json_:
        print_json(asdict(read(report_path(school, run))))
    else:
        show_report(school, run)
        click.echo(
            f'Try: nightschool --school "{school.root}" classify "note to self: test the backup"'
        )
    return 0
