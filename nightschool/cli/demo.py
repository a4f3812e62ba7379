"""`demo`: the whole way in minutes."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import click

from nightschool.cli.options import as_json


@click.command("demo")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where to make its school (default: a temporary folder).",
)
@as_json
def demo_command(folder: Path | None, json_: bool) -> int:
    """The whole way in minutes, on a CPU, without a download.

    A school with 200 notes is made, a run is queued and worked on, interrupted by its owner and by
    a kill, and ends with the report. --json prints the report as JSON at the end.
    """
    from rich.console import Console

    from nightschool.cli.follow import Follower
    from nightschool.cli.report import report_path, show_report
    from nightschool.demo.tour import make_school, queue_run, tour
    from nightschool.ledger.ledger import Ledger

    if folder and folder.exists() and any(folder.iterdir()):
        raise click.UsageError(f"{folder} is not empty: name a new folder")
    began = time.monotonic()
    console = Console(stderr=True)
    school = make_school(folder or Path(tempfile.mkdtemp(prefix="nightschool-demo-")) / "school")
    console.print(f"A school with the demo's notes: {school.root}", soft_wrap=True, highlight=False)
    run = queue_run(school)
    with Follower(school, run, console) as follower:
        tour(
            school,
            run,
            follower.poll,
            lambda text: console.print(f"[bold magenta]{text}[/]", highlight=False, soft_wrap=True),
        )
    with Ledger(school.ledger_file) as ledger:
        ended = ledger.run(run)
    if ended.state != "done":
        raise click.ClickException(f"the demo's run {ended.state}: {ended.reason}")
    console.print(f"Done in {time.monotonic() - began:.0f} s.", highlight=False)
    if json_:
        click.echo(
            json.dumps(json.loads(report_path(school, run).read_text("utf-8")), ensure_ascii=False)
        )
    else:
        show_report(school, run)
        click.echo(
            f'Try: nightschool --school {school.root} classify "note to self: test the backup"'
        )
    return 0
