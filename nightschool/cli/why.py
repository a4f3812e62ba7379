"""`why`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.config.durations import format_duration
from nightschool.config.local_time import clock_text, iso_text
from nightschool.config.night import local
from nightschool.config.night_settings import NightSettings
from nightschool.config.settings_file import load
from nightschool.jobs import forecast
from nightschool.jobs.forecast import NightForecast
from nightschool.jobs.note_check import problem_line, read_note_check
from nightschool.jobs.presence import worker_trouble
from nightschool.jobs.reasons import MEANINGS, remedy
from nightschool.jobs.signals.signal import Signal, Signals
from nightschool.ledger.outcomes import Reason
from nightschool.ledger.records import PastDecision

_UNITS = {"battery": "%", "gpu_load": "%", "cpu_load": "%", "gpu_temperature": "°C"}


@click.command("why")
@as_json
def why_command(json_: bool) -> None:
    """Explain why a run works or waits.

    Evaluates the policy on the signals that a running worker has just read, or else on the signals now.
    Shows the decision, what would change it, and each signal with its source and age.
    """
    school = current_school(only_read=True)
    night = load(school.settings_file).night
    trouble = worker_trouble(school)
    if trouble and not json_:  # before anything that a bug may stop
        click.echo(f"{MEANINGS[trouble.reason].what}: {trouble.detail}")
        click.echo(f"  what to do: {MEANINGS[trouble.reason].remedy}")
    signals = forecast.read_signals(school, night)
    outlook = forecast.forecast_night(school, night, time.time(), signals)
    if json_:
        print_json(_as_json(outlook, signals, night, trouble))
        return
    for line in _lines(outlook, night):
        click.echo(line)
    if problem := problem_line(read_note_check(school.seen_file)):
        click.echo(problem)
    click.echo()
    _show_signals(signals)


def _as_json(
    outlook: NightForecast,
    signals: Signals,
    night: NightSettings,
    trouble: PastDecision | None,
) -> dict[str, Any]:
    decision, has_worker = outlook.decision, outlook.worker is not None
    reason, detail = decision.reason, decision.detail
    if decision.run and not has_worker:
        reason, detail = Reason.NO_WORKER, MEANINGS[Reason.NO_WORKER].what
    elif trouble:
        reason, detail = trouble.reason, trouble.detail
    return {
        "run": decision.run and has_worker and not trouble,
        "reason": reason,
        "signals": [
            {
                "name": name,
                "value": signal.value,
                "source": signal.source,
                "age_s": round(signal.age_s, 1),
                "remark": signal.remark,
            }
            for name, signal in _by_name(signals)
        ],
        "next_window": iso_text(night, outlook.window.opens if outlook.window else None),
        "detail": detail,
        "remedy": remedy(reason),
        "next_check": iso_text(night, decision.next_check),
        "against": [{"reason": f.reason, "detail": f.detail} for f in decision.findings],
        "worker": has_worker,
    }


def _lines(outlook: NightForecast, night: NightSettings) -> Iterator[str]:
    yield from _decision_lines(outlook)
    decision = outlook.decision
    for finding in decision.findings:
        if finding.reason is decision.reason:
            continue
        yield f"  {'overridden' if decision.run else 'also'}: {finding.detail}"
        if not decision.run:
            yield f"    what to do: {remedy(finding.reason)}"
    if decision.next_check is not None:
        at = clock_text(night, decision.next_check)
        yield f"  allowed until {at}" if decision.run else f"  this may change at {at}"
    if window := outlook.window:
        yield f"next window: {clock_text(night, window.opens)} to {local(night, window.closes):%H:%M}"
    if outlook.schedule:
        yield f"plan: {outlook.schedule.text}"


def _decision_lines(outlook: NightForecast) -> Iterator[str]:
    """The decision and what would change it."""
    decision, run = outlook.decision, outlook.run
    if run is None:
        yield f"nothing to do: {decision.detail}"
    elif outlook.worker is None:
        yield f"run {run.id} waits: no worker is running"
        yield f"  what to do: {MEANINGS[Reason.NO_WORKER].remedy}"
        verb = "works" if decision.run else "waits"
        yield f"with a worker, it {verb}: {decision.detail}"
    else:
        yield f"run {run.id} {'works' if decision.run else 'waits'}: {decision.detail}"
    if failed := outlook.failed:
        yield f"  run {failed.id} failed: {failed.reason}"
        yield (
            f"    what to do: fix that, then `nightschool retry {failed.id}`, or `nightschool run --new` if "
            "you changed the settings"
        )
    elif not decision.run:
        yield f"  what to do: {remedy(decision.reason)}"


def _show_signals(signals: Signals) -> None:
    from rich.table import Table  # lazy: rich

    from nightschool.config.terminal_console import TerminalConsole  # lazy: rich

    table = Table("signal", "value", "source", "age", "", box=None, pad_edge=False)
    for name, signal in _by_name(signals):
        age = f"{signal.age_s:.0f} s" if signal.age_s >= 0.5 else "now"
        value = signal_text(name, signal)
        table.add_row(name.replace("_", " "), value, signal.source, age, signal.remark)
    TerminalConsole().print(table)


def _by_name(signals: Signals) -> Iterator[tuple[str, Signal[Any]]]:
    for field in fields(signals):
        yield field.name.removesuffix("_s"), getattr(signals, field.name)


def signal_text(name: str, signal: Signal[Any]) -> str:
    """A signal's value with its unit."""
    value = signal.value
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    if name == "idle":
        return format_duration(value)
    if name == "disk_free":
        return f"{value / 1e9:.1f} GB"
    if isinstance(value, float):
        return f"{value:.0f} {_UNITS.get(name, '')}".strip()
    return str(value) or "none"
