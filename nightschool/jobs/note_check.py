"""The result of the newest retraining check: stored in `seen.json`, which may be deleted."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from nightschool.config import bounded_json
from nightschool.config.checksums import verify_checksum, with_checksum
from nightschool.config.files import read, write
from nightschool.config.paths import School
from nightschool.config.settings import RetrainSettings
from nightschool.ledger.ledger import Ledger
from nightschool.notes.new_notes import NewNotes
from nightschool.reports.text.wording import new_notes

_MIN_HINTED = 10
"""Fewer new notes than this are not worth a hint."""


@dataclass(frozen=True, slots=True)
class RequestedRun:
    """A run that a check requested, and the changes that were its reason."""

    newest: int
    """The newest run before it. Unless a newer one exists, the worker died before it queued the run."""
    since: int
    """The run whose notes the check compared with."""
    new: int
    grown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NoteCheck:
    """When the notes were checked, what is new, and what went wrong ("": nothing)."""

    at: float = 0.0
    fingerprint: str = ""
    news: NewNotes | None = None
    requested: RequestedRun | None = None
    problem: str = ""


def read_note_check(file: Path) -> NoteCheck:
    """The newest check; an empty one if the file is absent or this version cannot read it."""
    try:
        content = read(file)
        verify_checksum(content)
        stored = bounded_json.loads(content)
        stored["requested"] = stored.pop("asked")
        return TypeAdapter(NoteCheck).validate_python(stored)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return NoteCheck()


def write_note_check(file: Path, check: NoteCheck) -> None:
    """Replace the stored check. Raises OSError."""
    stored = asdict(check)
    stored["asked"] = stored.pop("requested")  # the key of version 0.1.0
    write(file, with_checksum(json.dumps(stored, ensure_ascii=False)), durable=False)


def current_note_check(school: School, ledger: Ledger) -> NoteCheck:
    """The newest check, without news that a later run has read or an open run is about to read."""
    check = read_note_check(school.seen_file)
    if ledger.next_run() or (check.news and check.news.run != ledger.newest_run_with_notes()):
        return replace(check, news=None)
    return check


def problem_line(check: NoteCheck) -> str:
    """The check's problem with its time; "" if there is none."""
    at = datetime.fromtimestamp(check.at)
    return f"retraining check of {at:%a %d %b %H:%M}: {check.problem}" if check.problem else ""


def hint(check: NoteCheck, retrain: RetrainSettings) -> str:
    """A line about the new notes and the next run; "" if there is nothing to report."""
    if check.problem:
        return problem_line(check)
    news = check.news
    if news is None or not news.new:
        return ""
    if retrain.on:
        triggers = [f"at {retrain.min_new} (retrain.min_new)"] if retrain.min_new else []
        triggers += [f"{retrain.every} (retrain.every)"] if retrain.every else []
        return f"{new_notes(news)}; a run is queued automatically {' or '.join(triggers)}"
    if news.new < _MIN_HINTED and not news.grown:
        return ""
    return f"{new_notes(news)}: `nightschool run --tonight`, or set retrain.min_new"


def note_check_json(check: NoteCheck, retrain: RetrainSettings) -> dict[str, Any]:
    """The check for `status --json`; `looked` is its time in ISO 8601, with an offset."""
    at = datetime.fromtimestamp(check.at).astimezone()
    return {
        "on": retrain.on,
        "looked": at.isoformat(timespec="seconds") if check.at else None,
        "news": asdict(check.news) if check.news else None,
        "problem": check.problem,
    }
