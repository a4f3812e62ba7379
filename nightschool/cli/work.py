"""`work`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO, cast

import click

from nightschool.cli.options import current_school
from nightschool.config.errors import NightschoolError
from nightschool.config.logs import BoundedLog
from nightschool.config.printable_stream import print_printable
from nightschool.config.settings_file import load


@click.command("work")
@click.option(
    "--log",
    type=click.Path(path_type=Path),
    help="Append the output to this file, for a service without a console.",
)
def work_command(log: Path | None) -> None:
    """Run the worker in the foreground until Ctrl-C.

    It works on the queued runs when the night's settings allow it. Stopping it leaves a checkpoint, and
    the next worker continues from there.
    """
    from nightschool.jobs.worker import work  # lazy: huey, apscheduler

    school = current_school()
    if log:
        _redirect_output(log)
    settings = load(school.settings_file)
    note = "Ctrl-C stops (`nightschool status` in another terminal shows progress)"
    work(school, settings, on_start=lambda: click.echo(f"working in {school.root}; {note}"))
    click.echo("stopped; `nightschool work` continues")


def _redirect_output(log: Path) -> None:
    try:
        sys.stdout = sys.stderr = cast(TextIO, BoundedLog(log.resolve()))
        print_printable()
    except OSError as error:
        raise NightschoolError(f"{log} cannot be written: {error.strerror}") from None
