"""The origin of a report's numbers: data, training, night, settings and versions."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nightschool.config.settings_template import template
from nightschool.ledger.ledger import Ledger
from nightschool.notes.dataset import Dataset
from nightschool.reports.night_summary import spans
from nightschool.stats.results import (
    Choice,
    DatasetSummary,
    RecordedSpan,
    TimelineEntry,
    Training,
)
from nightschool.stats.stage_results import (
    BaselineResult,
    EvaluateResult,
    PrepResult,
    TrainResult,
)

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


@dataclass(frozen=True, slots=True)
class Provenance:
    """The fields of `Report` that record where its numbers come from."""

    created: str
    dataset: DatasetSummary
    training: Training
    chosen: tuple[Choice, ...]
    night: tuple[RecordedSpan, ...]
    timeline: tuple[TimelineEntry, ...]
    settings: str
    versions: Mapping[str, str]


def provenance(context: StageContext, dataset: Dataset, groups: Sequence[str]) -> Provenance:
    """The records of the stages, the ledger and the installed packages; `groups` are those of the
    test notes."""
    prepared, trained = context.result(PrepResult), context.result(TrainResult)
    before, after = context.result(BaselineResult), context.result(EvaluateResult)
    now = time.time()
    chosen = {choice.name: choice for choice in (*before.chosen, *trained.chosen)}
    night, timeline = _night(context, now)
    return Provenance(
        created=_iso(now),
        dataset=DatasetSummary(
            fingerprint=dataset.fingerprint,
            train=prepared.train,
            made=prepared.made,
            validation=prepared.validation,
            test=prepared.test,
            groups=len(set(groups)),
            cut=trained.cut + after.cut,
            warnings=(*prepared.warnings, *trained.warnings, *after.warnings),
        ),
        training=Training(
            steps=trained.steps,
            seconds=trained.seconds,
            losses=trained.losses,
            validation=trained.validation,
            adapter_sha256=trained.adapter_sha256,
        ),
        chosen=tuple(chosen.values()),
        night=night,
        timeline=timeline,
        settings=template(context.settings.model_dump()),
        versions={name: importlib.metadata.version(name) for name in _PACKAGES},
    )


def _night(
    context: StageContext, now: float
) -> tuple[tuple[RecordedSpan, ...], tuple[TimelineEntry, ...]]:
    with Ledger(context.school.ledger_file) as ledger:
        run, attempts = ledger.run(context.run), ledger.attempts_of(context.run)
        events, decisions = ledger.events(context.run), ledger.decisions_between(run.created, now)
    night = (
        RecordedSpan(span.stage, _iso(span.start), _iso(span.end), span.state, span.reason or "")
        for span in spans(attempts, run.created, now, decisions)
    )
    timeline = (
        TimelineEntry(_iso(event.at), event.message)
        for event in events
        if event.kind in ("state", "error")
    )
    return tuple(night), tuple(timeline)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
