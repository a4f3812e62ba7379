"""`why`: the decision, what speaks against work, and every signal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.config.durations import spoken

if TYPE_CHECKING:
    from nightschool.config.night_settings import NightSettings
    from nightschool.jobs.forecast import NightForecast
    from nightschool.jobs.signals.signal import Signal, Signals


@click.command("why")
@as_json
def why_command(json_: bool) -> None:
    """Say why work goes on, or why it does not, and what would have to change.

    Decides anew, from the signals as the worker has just read them, else as they are now: each is
    shown with its source and its age.
    """
    from nightschool.config.settings_file import load
    from nightschool.jobs.forecast import forecast_night, read_signals
    from nightschool.jobs.note_check import problem_of, read_seen

    school = current_school()
    night = load(school.settings_file).night
    signals = read_signals(school, night)
    outlook = forecast_night(school, night, time.time(), signals)
    if json_:
        print_json(_as_json(outlook, signals, night))
        return
    for line in _lines(outlook, night):
        click.echo(line)
    if problem := problem_of(read_seen(school.seen_file)):
        click.echo(problem)
    click.echo()
    _show(signals)


def _as_json(outlook: NightForecast, signals: Signals, night: NightSettings) -> dict[str, Any]:
    from nightschool.jobs.reasons import MEANINGS, remedy
    from nightschool.ledger.outcomes import Reason

    decision = outlook.decision
    reason, detail = decision.reason, decision.detail
    if decision.run and outlook.worker is None:
        reason, detail = Reason.NO_WORKER, MEANINGS[Reason.NO_WORKER].what
    rows = [
        {"name": name, "value": signal.value, "source": signal.source,
         "age_s": round(signal.age_s, 1), "remark": signal.remark}
        for name, signal in _named(signals)
    ]  # fmt: skip
    return {
        "run": decision.run and outlook.worker is not None,
        "reason": reason,
        "signals": rows,
        "next_window": iso(night, outlook.window.opens if outlook.window else None),
        "detail": detail,
        "remedy": remedy(reason),
        "next_check": iso(night, decision.next_check),
        "against": [{"reason": f.reason, "detail": f.detail} for f in decision.findings],
        "worker": outlook.worker is not None,
    }


def iso(night: NightSettings, at: float | None) -> str | None:
    """A moment in the night's time zone, to the second, with its offset; None stays None."""
    from nightschool.config.night import local

    return local(night, at).isoformat(timespec="seconds") if at is not None else None


def _lines(outlook: NightForecast, night: NightSettings) -> Iterator[str]:
    from nightschool.config.night import local
    from nightschool.jobs.reasons import MEANINGS, remedy
    from nightschool.ledger.outcomes import Reason

    decision, run = outlook.decision, outlook.run
    subject = f"run {run.id}" if run else "nothing"
    verb = "may work" if decision.run else "does not work" if run else "is to be done"
    if run and outlook.worker is None:
        yield f"{subject} does not work: no worker is running"
        yield f"  what would have to change: {MEANINGS[Reason.NO_WORKER].remedy}"
        subject, verb = "with one it", "may work" if decision.run else "waits"
    yield f"{subject} {verb}: {decision.detail}"
    if outlook.failed:
        number = outlook.failed.id
        yield f"  run {number} failed: {outlook.failed.reason}"
        yield f"    what would have to change: mend that, then `nightschool retry {number}`"
    elif not decision.run:
        yield f"  what would have to change: {remedy(decision.reason)}"
    others = [finding for finding in decision.findings if finding.reason is not decision.reason]
    for finding in others:
        yield f"  {'overridden' if decision.run else 'also'}: {finding.detail}"
        if not decision.run:
            yield f"    what would have to change: {remedy(finding.reason)}"
    if decision.next_check is not None:
        can = "goes on until" if decision.run else "that can change by itself at"
        yield f"  {can} {clock(local(night, decision.next_check))}"
    if outlook.window:
        opens, closes = (local(night, at) for at in (outlook.window.opens, outlook.window.closes))
        yield f"next window: {clock(opens)} to {closes:%H:%M}"
    if outlook.schedule:
        yield f"plan: {outlook.schedule.text}"


def clock(at: datetime) -> str:
    """A time of today as "23:00", of another day with it: "Fri 27 Nov 23:00".

    Followed by its time zone where this computer's clock shows another time.
    """
    here = at.astimezone()
    zone = "" if at.utcoffset() == here.utcoffset() else f" {at.tzinfo}"
    today = at.date() == datetime.now(at.tzinfo).date()
    return f"{at:%H:%M}{zone}" if today else f"{at:%a %d %b %H:%M}{zone}"


def _show(signals: Signals) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("signal", "value", "source", "age", "", box=None, pad_edge=False)
    for name, signal in _named(signals):
        age = f"{signal.age_s:.0f} s" if signal.age_s >= 0.5 else "now"
        table.add_row(
            name.replace("_", " "), in_words(name, signal), signal.source, age, signal.remark
        )
    Console(highlight=False).print(table)


def _named(signals: Signals) -> Iterator[tuple[str, Signal[Any]]]:
    for field in fields(signals):
        yield field.name.removesuffix("_s"), getattr(signals, field.name)


_UNITS = {"battery": "%", "gpu_load": "%", "cpu_load": "%", "gpu_temperature": "°C"}


def in_words(name: str, signal: Signal[Any]) -> str:
    """A signal's value for its owner."""
    value = signal.value
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    if name == "idle":
        return spoken(value)
    if name == "disk_free":
        return f"{value / 1e9:.1f} GB"
    if isinstance(value, float):
        return f"{value:.0f} {_UNITS.get(name, '')}".strip()
    return str(value) or "nobody"
