"""What a report's numbers come from: the data, the training, the night, all that reproduces it."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nightschool.config.settings import template
from nightschool.ledger.ledger import Ledger
from nightschool.notes.dataset import Dataset
from nightschool.tasks.night import spans

if TYPE_CHECKING:
    from nightschool.tasks.work import Work

_PACKAGES = (
    "nightschool",
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "scikit-learn",
    "scipy",
)


def provenance(work: Work, dataset: Dataset, groups: Sequence[str]) -> dict[str, Any]:
    """The report's keys `base` to `versions`; `groups` are those of the test notes."""
    prepared, trained = work.result("prep"), work.result("train")
    before, after = work.result("baseline"), work.result("evaluate")
    now = time.time()
    chosen = {choice["name"]: choice for stage in (before, trained) for choice in stage["chosen"]}
    return {
        "kinds": list(dataset.kinds),
        "base": work.settings.base,
        "created": _iso(now),
        "dataset": {
            "fingerprint": dataset.fingerprint,
            **{side: prepared[side] for side in ("train", "validation", "test")},
            "made": prepared.get("made", 0),
            "groups": len(set(groups)),
            "cut": trained["cut"] + after["cut"],
            "warnings": _warnings(prepared, trained, after),
        },
        "training": {
            key: trained[key]
            for key in ("steps", "seconds", "losses", "validation", "adapter_sha256")
        },
        "chosen": list(chosen.values()),
        **_night(work, now),
        "settings": template(work.settings.model_dump()),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _warnings(*stages: Mapping[str, Any]) -> list[str]:
    return [warning for stage in stages for warning in stage.get("warnings", [])]


def _night(work: Work, now: float) -> dict[str, Any]:
    with Ledger(work.school.ledger_file) as ledger:
        run, attempts = ledger.run(work.run), ledger.attempts_of(work.run)
        events, decisions = ledger.events(work.run), ledger.decisions_between(run.created, now)
    return {
        "night": [
            {**asdict(span), "start": _iso(span.start), "end": _iso(span.end)}
            for span in spans(attempts, run.created, now, decisions)
        ],
        "timeline": [
            {"at": _iso(event.at), "event": event.message}
            for event in events
            if event.kind in ("state", "error")
        ],
    }


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
