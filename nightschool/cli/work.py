"""`work`: the worker in the foreground."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from nightschool.cli.options import current_school


@click.command("work")
@click.option(
    "--log",
    type=click.Path(path_type=Path),
    help="Append what is printed to this file: for a service without a console.",
)
def work_command(log: Path | None) -> None:
    """Work on what is queued, in the foreground, until stopped with Ctrl-C.

    Stopping it leaves a checkpoint; started again it goes on by itself.
    """
    from nightschool.config.settings_file import load
    from nightschool.jobs.worker import work

    school = current_school()
    if log:
        _print_to(log)
    settings = load(school.settings_file)
    click.echo(
        f"working in {school.root}; Ctrl-C stops (`nightschool status` elsewhere shows what it does)"
    )
    work(school, settings)
    click.echo("stopped; `nightschool work` goes on")


def _print_to(log: Path) -> None:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        sys.stdout = sys.stderr = log.open("a", encoding="utf-8", buffering=1)
    except OSError as error:
        raise click.ClickException(f"{log} cannot be written ({error.strerror})") from None
