"""The report of a run, put together from what its stages recorded."""

from __future__ import annotations

import importlib.metadata
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nightschool.learning.errors import LearningError
from nightschool.ledger.ledger import Ledger
from nightschool.reports.contract import Report
from nightschool.scoring.comparison import decide, paired
from nightschool.scoring.metrics import scores
from nightschool.tasks.ladder import ladder

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


def make_report(work: Work) -> Report:
    """Compare before and after on the test notes, beside the other arms of the ladder."""
    dataset = work.dataset()
    prepared, trained = work.result("prep"), work.result("train")
    before_stage, after_stage = work.result("baseline"), work.result("evaluate")
    if before_stage["prompt"] != after_stage["prompt"]:
        raise LearningError("before and after saw different prompts: queue a new run")
    test = [item for item in dataset.items if item.side == "test"]
    true = [item.kind for item in test]
    before = [before_stage["answers"][item.id] for item in test]
    after = [after_stage["answers"][item.id] for item in test]
    others = ladder(work, dataset)
    answers = {**others.answers, "before": before, "after": after}
    pair = paired(true, before, after)
    decision, reason = decide(pair, len(test))
    chosen = {
        choice["name"]: choice for stage in (before_stage, trained) for choice in stage["chosen"]
    }
    report: dict[str, Any] = {
        "run": work.run,
        "items": len(test),
        "arm_notes": others.notes,
        "arms": [scores(name, dataset.kinds, true, given) for name, given in answers.items()],
        "paired": pair,
        "decision": decision,
        "reason": reason,
        "kinds": list(dataset.kinds),
        "base": work.settings.base,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "dataset": {
            "fingerprint": dataset.fingerprint,
            **{side: prepared[side] for side in ("train", "validation", "test")},
            "cut": trained["cut"] + after_stage["cut"],
            "warnings": [
                warning
                for stage in (prepared, trained, after_stage)
                for warning in stage.get("warnings", [])
            ],
        },
        "changes": [
            {"source": item.source, "text": item.text, "kind": item.kind, "before": b, "after": a}
            for item, b, a in zip(test, before, after, strict=True)
            if (b == item.kind) != (a == item.kind)
        ],
        "training": {
            key: trained[key]
            for key in ("steps", "seconds", "losses", "validation", "adapter_sha256")
        },
        "chosen": list(chosen.values()),
        "timeline": _timeline(work),
        "settings": _as_toml(work),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }
    return report  # type: ignore[return-value]


def _timeline(work: Work) -> list[dict[str, str]]:
    with Ledger(work.school.ledger_file) as ledger:
        return [
            {
                "at": datetime.fromtimestamp(event.at, UTC).isoformat(timespec="seconds"),
                "event": event.message,
            }
            for event in ledger.events(work.run)
            if event.kind in ("state", "error")
        ]


def _as_toml(work: Work) -> str:
    from nightschool.config.settings import template

    return template(work.settings.model_dump())
