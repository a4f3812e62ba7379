"""`work`: the worker in the foreground."""

from __future__ import annotations

import click

from nightschool.cli.context import current_school


@click.command("work")
def work_command() -> None:
    """Work on what is queued, in the foreground, until stopped with Ctrl-C.

    Stopping it leaves a checkpoint; started again it goes on by itself.
    """
    from nightschool.config.settings import load
    from nightschool.jobs.worker import work

    school = current_school()
    settings = load(school.settings_file)
    click.echo(
        f"working in {school.root}; Ctrl-C stops (`nightschool status` elsewhere shows what it does)"
    )
    work(school, settings)
    click.echo("stopped; `nightschool work` goes on")
