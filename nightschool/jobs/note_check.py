"""What the last look at the notes found: kept beside the ledger, told by `status`, may be deleted."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from nightschool.config.files import write
from nightschool.config.paths import School
from nightschool.config.settings import RetrainSettings
from nightschool.ledger.ledger import Ledger
from nightschool.notes.new_notes import News
from nightschool.reports.text.wording import new_notes

# A hint for fewer notes would be a nuisance.
_WORTH_A_HINT = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """A run was asked for: `new` and `grown` as they were, since run `since`; `newest` run before it.

    It counts only once there is a run above `newest`: before that, the worker died in between.
    """

    newest: int
    since: int
    new: int
    grown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """The last look: when, what was found, and what stood in its way ("": nothing)."""

    at: float = 0.0
    fingerprint: str = ""
    news: News | None = None
    asked: Asked | None = None
    problem: str = ""


def read_seen(file: Path) -> Seen:
    """What was kept; nothing where there is no such file, or none that this version can read."""
    try:
        kept = json.loads(file.read_text("utf-8"))
        news, asked = kept.pop("news"), kept.pop("asked")
        return Seen(
            **kept,
            news=News(**news | {"grown": tuple(news["grown"])}) if news else None,
            asked=Asked(**asked | {"grown": tuple(asked["grown"])}) if asked else None,
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Seen()


def still_news(school: School, ledger: Ledger) -> Seen:
    """What was kept, without news that a later run has read or an open one is about to read."""
    seen = read_seen(school.seen_file)
    if ledger.next_run() or (seen.news and seen.news.run != ledger.newest_reader()):
        return replace(seen, news=None)
    return seen


def write_seen(file: Path, seen: Seen) -> None:
    """Keep it: whole, or as it was."""
    write(file, json.dumps(asdict(seen), ensure_ascii=False), durable=False)


def problem_of(seen: Seen) -> str:
    """A line on what stood in the way of the last look at the notes, and when; "" where nothing did."""
    looked = datetime.fromtimestamp(seen.at)
    return f"looking at the notes ({looked:%a %d %b %H:%M}): {seen.problem}" if seen.problem else ""


def hint(seen: Seen, retrain: RetrainSettings) -> str:
    """A line for the owner about their notes and the next run; "" where there is nothing to say."""
    if seen.problem:
        return problem_of(seen)
    news = seen.news
    if news is None or not news.new:
        return ""
    if retrain.on:
        after = [f"{retrain.min_new} (retrain.min_new)"] if retrain.min_new else []
        after += [f"{retrain.every} (retrain.every)"] if retrain.every else []
        return f"{new_notes(news)}; a run is queued by itself: {' or '.join(after)}"
    if news.new < _WORTH_A_HINT and not news.grown:
        return ""
    return f"{new_notes(news)}: `nightschool run --tonight`, or set retrain.min_new"


def as_dict(seen: Seen, retrain: RetrainSettings) -> dict[str, Any]:
    """For `status --json`; `looked` is ISO 8601 with an offset."""
    looked = datetime.fromtimestamp(seen.at).astimezone()
    return {
        "on": retrain.on,
        "looked": looked.isoformat(timespec="seconds") if seen.at else None,
        "news": asdict(seen.news) if seen.news else None,
        "problem": seen.problem,
    }
