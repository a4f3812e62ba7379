"""`run`."""

from __future__ import annotations

import time
from collections.abc import Iterator

import click

from nightschool.cli.options import current_school
from nightschool.cli.progress import progress_bar
from nightschool.config.night_settings import NightSettings
from nightschool.config.paths import School
from nightschool.config.settings import Settings, recorded
from nightschool.config.settings_file import load
from nightschool.jobs import forecast
from nightschool.jobs.presence import worker_alive
from nightschool.jobs.reasons import remedy
from nightschool.jobs.requests import (
    DEFAULT_QUICK,
    duration_s,
    keeps_other_settings,
    quick_settings,
    request_run,
    seeds_settings,
)
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import Run, RunState, Timing

new_option = click.option(
    "--new", is_flag=True, help="Queue a new run even if the newest one is unfinished."
)
detach_option = click.option(
    "--detach", is_flag=True, help="Return at once and leave the work to a running worker."
)


@click.command("run")
@click.option(
    "--now", "timing", flag_value=Timing.NOW, help="Start now, regardless of the night's windows."
)
@click.option(
    "--tonight",
    "timing",
    flag_value=Timing.TONIGHT,
    help="Wait for the night's window (the default for a new run).",
)
@click.option("--quick", is_flag=True, help="Fit the whole run into a time limit (see --within).")
@click.option(
    "--within",
    metavar="TIME",
    help=f"Time limit for --quick, such as 2h (default: {DEFAULT_QUICK}).",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 20),
    help="Number of seeds to train and evaluate, to show the variance.",
)
@new_option
@detach_option
def run_command(
    timing: Timing | None,
    quick: bool,
    within: str | None,
    seeds: int | None,
    new: bool,
    detach: bool,
) -> int:
    """Queue a whole run: prep, baseline, train, evaluate, compare.

    If the newest run is unfinished, it continues instead. With --now, the command shows the progress
    until the run ends. If no worker is running, it also does the work, and Ctrl-C stops it with a
    checkpoint.

    With --quick, the run fits into the time limit: it trains as many epochs as fit. If not even one
    fits, it shortens the text or trains on part of the notes. The evaluation stays the same. Waiting
    and paused time does not count.

    With --seeds 3, the run trains and evaluates three models one after another, which takes three times
    as long and the disk space of three adapters. The model with the median validation loss is the result.
    """
    if within is not None and not quick:
        raise click.UsageError("--within needs --quick: `nightschool run --quick --within 45m`")
    minutes = duration_s(DEFAULT_QUICK if within is None else within) / 60
    if not minutes:
        raise click.UsageError(f"--within {within} is too short: give a time such as 45m")
    school = current_school()
    settings = load(school.settings_file)
    requested = quick_settings(settings, minutes) if quick else settings
    requested = seeds_settings(requested, seeds) if seeds else requested
    with Ledger(school.ledger_file) as ledger, progress_bar() as on_progress:
        before = ledger.newest_run()
        run, is_new = request_run(
            ledger, school, requested, timing, new=new, on_progress=on_progress
        )
    if is_new:
        lines = [_cost_of_seeds(requested)] if requested.train.seeds > 1 else []
    else:
        lines = list(_kept_settings(run, settings, minutes if quick else None, seeds))
        if before and before.timing != run.timing:
            lines.append(_changed_timing(before, run))
    for line in [*lines, *_outlook(school, settings.night, run)]:
        click.echo(line)
    if timing == Timing.NOW and not detach:
        from nightschool.cli.foreground import work_or_watch  # lazy: rich

        return work_or_watch(school, settings, run.id)
    if worker_alive(school) is None:
        click.echo(
            "no worker is running: start `nightschool work` and leave it open, or let "
            "`nightschool service install` start one at every login"
        )
    return 0


def _kept_settings(
    run: Run, settings: Settings, minutes: float | None, seeds: int | None
) -> Iterator[str]:
    """What an unfinished run keeps although it was requested differently now."""
    yield f"run {run.id} is unfinished and continues (`nightschool run --new` queues a new one)"
    kept = recorded(run.settings).train
    if keeps_other_settings(run, settings):
        yield "it keeps the settings from when it was queued; yours have changed since"
    if minutes is not None and kept.quick_minutes != minutes:
        limit = f"{kept.quick_minutes:g} min" if kept.quick_minutes else "none"
        yield f"it keeps its time limit ({limit}): `nightschool run --quick --new` queues a quick run"
    if seeds and kept.seeds != seeds:
        new_run = f"`nightschool run --seeds {seeds} --new` queues a new run"
        yield f"it keeps its number of seeds ({kept.seeds}): {new_run}"


def _changed_timing(before: Run, run: Run) -> str:
    if run.timing == Timing.NOW:
        return "it no longer waits for the night"
    stops = "stops and " if before.state == RunState.RUNNING else ""
    return (
        f"it was to work now; it {stops}waits for the night (`nightschool run --now` undoes that)"
    )


def _outlook(school: School, night: NightSettings, run: Run) -> Iterator[str]:
    """When the run will work, and which of the night's rules it overrides."""
    signals = forecast.read_signals(school, night) if run.timing == Timing.NOW else None
    outlook = forecast.forecast_night(school, night, time.time(), signals)
    if outlook.run is None or outlook.run.id != run.id:
        other = f" after run {outlook.run.id}" if outlook.run else ""
        yield f"run {run.id} is queued{other}"
    elif outlook.schedule:
        yield f"run {run.id} is queued: {outlook.schedule.text}"
    elif outlook.decision.run:
        yield f"run {run.id} {'is running' if run.state == RunState.RUNNING else 'starts now'}"
        for finding in outlook.decision.findings:
            yield f"  overridden: {finding.detail}"
    else:
        yield f"run {run.id} waits: {outlook.decision.detail}: {remedy(outlook.decision.reason)}"


def _cost_of_seeds(settings: Settings) -> str:
    seeds = settings.train.seeds
    if settings.train.quick_minutes:
        time_needed = "they share the time limit"
    else:
        time_needed = f"this takes {seeds} times as long"
    return (
        f"{seeds} seeds: {seeds} trainings and evaluations, one after another ({time_needed}), and "
        f"{seeds} adapters on disk; `nightschool log` shows the estimate after the first three steps"
    )
