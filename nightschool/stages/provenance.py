"""What a report's numbers come from: the data, the training, the night, all that reproduces it."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nightschool.config.settings_template import template
from nightschool.ledger.ledger import Ledger
from nightschool.notes.dataset import Dataset
from nightschool.reports.night_summary import spans

if TYPE_CHECKING:
    from nightschool.stages.context import StageContext

_PACKAGES = (
    "nightschool",
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "scikit-learn",
    "scipy",
)


def provenance(context: StageContext, dataset: Dataset, groups: Sequence[str]) -> dict[str, Any]:
    """The report's keys `base` to `versions`; `groups` are those of the test notes."""
    prepared, trained = context.result("prep"), context.result("train")
    before, after = context.result("baseline"), context.result("evaluate")
    now = time.time()
    chosen = {choice["name"]: choice for stage in (before, trained) for choice in stage["chosen"]}
    return {
        "kinds": list(dataset.kinds),
        "base": context.settings.base,
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
        **_night(context, now),
        "settings": template(context.settings.model_dump()),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _warnings(*stages: Mapping[str, Any]) -> list[str]:
    return [warning for stage in stages for warning in stage.get("warnings", [])]


def _night(context: StageContext, now: float) -> dict[str, Any]:
    with Ledger(context.school.ledger_file) as ledger:
        run, attempts = ledger.run(context.run), ledger.attempts_of(context.run)
        events, decisions = ledger.events(context.run), ledger.decisions_between(run.created, now)
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
