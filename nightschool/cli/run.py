"""`run`, and one verb for each stage."""

from __future__ import annotations

import time
from collections.abc import Iterator

import click
from rich.console import Console

from nightschool.cli.options import current_school
from nightschool.config.night_settings import NightSettings
from nightschool.config.paths import School
from nightschool.config.settings import Settings, recorded
from nightschool.config.settings_file import load
from nightschool.jobs.presence import worker_alive
from nightschool.jobs.reasons import remedy
from nightschool.jobs.requests import (
    DEFAULT_QUICK,
    duration_s,
    quick_settings,
    request_run,
    request_stage,
    seeds_settings,
)
from nightschool.jobs.worker import work
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import Run, Timing

_new = click.option("--new", is_flag=True, help="A new run, although the newest one is unfinished.")
_detach = click.option("--detach", is_flag=True, help="Only queue it; a running `work` does it.")


@click.command("run")
@click.option("--now", "timing", flag_value="now", help="Start at once, whatever the hour.")
@click.option(
    "--tonight",
    "timing",
    flag_value="tonight",
    help="Wait for the night (what a new run does without --now, too).",
)
@click.option("--quick", is_flag=True, help="One lap that fits into a time (see --within).")
@click.option(
    "--within", metavar="TIME", help="The time for --quick, such as 45m (its default) or 2h."
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 20),
    help="Train and measure with so many seeds, to see how far luck moves the result.",
)
@_new
@_detach
def run_command(
    timing: Timing | None,
    quick: bool,
    within: str | None,
    seeds: int | None,
    new: bool,
    detach: bool,
) -> int:
    """Queue a whole run: prep, baseline, train, evaluate, compare.

    An unfinished newest run goes on instead. With --now, this waits and shows how far it is; where
    no `nightschool work` is running, it does the work itself, and Ctrl-C stops it with a checkpoint.

    With --quick, the whole run fits into the time of --within: as many epochs as fit, and if one does
    not, shorter text or part of the training notes. What it measures with stays as it is. The time
    counts while it works, not while it waits or is paused.

    With --seeds 3, three models are trained and measured one after another, which takes three times as
    long and three adapters' room. The one that is used has the median validation loss.
    """
    if within is not None and not quick:
        raise click.UsageError("--within needs --quick: `run --quick --within 45m`")
    minutes = duration_s(DEFAULT_QUICK if within is None else within) / 60
    if not minutes:
        raise click.UsageError(f"--within {within}: no run fits into no time")
    school = current_school()
    settings = load(school.settings_file)
    asked = quick_settings(settings, minutes) if quick else settings
    asked = seeds_settings(asked, seeds) if seeds else asked
    with Ledger(school.ledger_file) as ledger:
        run, is_new = request_run(ledger, school, asked, timing, new=new)
    if not is_new:
        click.echo(f"run {run.id} is unfinished and goes on (`run --new` queues a new one)")
        kept = recorded(run.settings).train
        mine = seeds_settings(quick_settings(settings, kept.quick_minutes), kept.seeds)
        if run.settings != mine.model_dump():
            click.echo("it keeps the settings it was queued with; yours have changed since")
        if quick and kept.quick_minutes != minutes:
            click.echo("it keeps its own time too: `run --quick --new` queues a quick one")
        if seeds and kept.seeds != seeds:
            click.echo(
                f"it keeps its own seeds too ({kept.seeds}): `run --seeds {seeds} --new` queues another"
            )
    elif asked.train.seeds > 1:
        click.echo(_of_seeds(asked))
    for line in _outlook(school, settings.night, run):
        click.echo(line)
    if timing == "now" and not detach:
        return drive(school, settings, run.id)
    if worker_alive(school) is None:
        click.echo(
            "no worker is running: start `nightschool work` and leave it open, or `nightschool "
            "service install` starts one at every login"
        )
    return 0


def _outlook(school: School, night: NightSettings, run: Run) -> Iterator[str]:
    """When a run works, and which of the owner's rules it passes over."""
    from nightschool.jobs.forecast import forecast_night, read_signals

    signals = read_signals(school, night) if run.timing == "now" else None
    outlook = forecast_night(school, night, time.time(), signals)
    if outlook.run is None or outlook.run.id != run.id:
        other = f" after run {outlook.run.id}" if outlook.run else ""
        yield f"run {run.id} is queued{other}"
    elif outlook.schedule:
        yield f"run {run.id} is queued: {outlook.schedule.text}"
    elif outlook.decision.run:
        yield f"run {run.id} works at once"
        for finding in outlook.decision.findings:
            yield f"  although {finding.detail}"
    else:
        yield f"run {run.id} waits: {outlook.decision.detail} ({remedy(outlook.decision.reason)})"


def _of_seeds(settings: Settings) -> str:
    """What several seeds cost, said before they do."""
    seeds = settings.train.seeds
    time = "they share the time" if settings.train.quick_minutes else f"{seeds} times as long"
    return (
        f"{seeds} seeds: {seeds} trainings and measurements, one after another ({time}), and {seeds} "
        "adapters on disk; `nightschool log` tells the time once three steps are timed"
    )


def _stage_command(stage: str, summary: str) -> click.Command:
    @click.command(
        stage, help=f"{summary}\n\nStages that it needs and that are not done come first."
    )
    @_new
    @_detach
    def command(new: bool, detach: bool) -> int:
        school = current_school()
        settings = load(school.settings_file)
        with Ledger(school.ledger_file) as ledger:
            run, done = request_stage(ledger, school, settings, stage, new=new)
        if done:
            click.echo(
                f"{stage} of run {run.id} is done; `nightschool {stage} --new` starts a new run"
            )
            return 0
        if detach:
            click.echo(f"{stage} of run {run.id} is queued")
            return 0
        return drive(school, settings, run.id)

    return command


prep_command = _stage_command("prep", "Freeze the notes into a dataset (of the newest run).")
baseline_command = _stage_command("baseline", "Score the untouched base model on the test notes.")
train_command = _stage_command(
    "train", "Train the adapter, from the last checkpoint if there is one."
)
evaluate_command = _stage_command("evaluate", "Score the adapter on the test notes.")
compare_command = _stage_command(
    "compare", "Compare before and after, decide, and write the report."
)


def drive(school: School, settings: Settings, run: int) -> int:
    """Show a run until there is nothing more to do for it, and do its work where no worker does.

    Returns the exit code.
    """
    # rich is imported with it: only commands that watch pay for that.
    from nightschool.cli.follow import Follower

    console = Console(stderr=True)
    stopped = False
    with Ledger(school.ledger_file) as ledger:
        events = ledger.events(run)
        after = events[-1].id if events and len(events) > 1 else 0
    with Follower(school, run, console, after) as follower:
        # A worker that is watched may end before the run does: then this one takes over.
        while follower.poll() and not stopped:
            if worker_alive(school) is None:
                stopped = work(school, settings, until=lambda: not follower.poll())
                continue
            try:
                time.sleep(0.2)
            except KeyboardInterrupt:
                click.echo("no longer watching; the worker goes on")
                return 0
    with Ledger(school.ledger_file) as ledger:
        ended = ledger.run(run)
    if stopped and ended.open:
        click.echo(f"stopped; run {run} goes on with `nightschool run --now` or `nightschool work`")
        return 1
    if ended.state == "done":
        from nightschool.cli.report import show_report

        show_report(school, run)
        return 0
    # Why it failed stands in the last line that was shown.
    return 0 if ended.state == "waiting" else 1
