"""The champion, the model in use before a run, and its answers to the same test notes.

A champion answered the test notes of its own run. As notes accumulate, the test notes grow; then it also
answers the new ones, before the run's own model is evaluated.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from nightschool.config.errors import LearningError
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.recorded_files import recorded_files
from nightschool.ledger.records import Answerer
from nightschool.notes.dataset import Item
from nightschool.stages.exposure import record_exposure
from nightschool.stages.known_notes import read_used
from nightschool.stats.stage_results import (
    EvaluateResult,
    PrepResult,
    Record,
    RecordT,
    TrainResult,
    read_record,
    read_whole,
    write_record,
)

if TYPE_CHECKING:
    from nightschool.stages.context import StageContext


class ChampionAnswers(Record):
    """`runs/N/champion.json`: what the champion, the model of `run`, answered during run N."""

    run: int
    answers: Mapping[str, str] = Field(default_factory=dict)
    why_not: str = ""
    """Why it did not answer all new test notes."""


@dataclass(frozen=True, slots=True)
class Incumbent:
    """A champion's run and its answers to those of the test notes (ids) that it can be compared on."""

    run: int
    answers: Mapping[str, str]
    why_not: str
    """Why it did not answer all test notes; "" if it did."""


def incumbent(context: StageContext, test: Sequence[str]) -> Incumbent | None:
    """The champion before this run, with its recorded answers to the test notes (ids); None if there
    was none."""
    run = _champion_run(context)
    if run is None:
        return None
    recorded, reason = _answers_of(context, run), ""
    later = _result_of(context, context.run, "champion.json", ChampionAnswers)
    if later and later.run == run:
        recorded, reason = {**recorded, **later.answers}, later.why_not
    answers = {id_: recorded[id_] for id_ in test if id_ in recorded}
    if len(answers) == len(test):
        return Incumbent(run, answers, "")
    few = f"it has answered {len(answers)} of these {len(test)} test notes"
    return Incumbent(run, answers, f"{few}: {reason}" if reason else few)


def is_same_adapter(context: StageContext, run: int) -> bool:
    """Whether this run's adapter equals that of an earlier run, bit for bit."""
    earlier = _result_of(context, run, "train.json", TrainResult)
    adapter = context.result(TrainResult).adapter_sha256
    return earlier is not None and earlier.adapter_sha256 == adapter


def answer_new_test_notes(context: StageContext, test: Sequence[Item]) -> str:
    """Let the champion answer the test notes that it has not answered, and record the answers.

    They count as a test exposure. Notes that the champion was trained on are left out. If it cannot
    answer, the reason is recorded. Returns a line for the log; "" if there is nothing left to do.
    Raises Stopped, DeviceBusy, DamagedFile.
    """
    file = context.folder / "champion.json"
    run = _champion_run(context)
    done = read_whole(file, ChampionAnswers, context.parent.say)
    if run is None or (done and done.run == run):
        return ""
    recorded = _answers_of(context, run)
    new = [item for item in test if item.id not in recorded]
    if not new:
        return ""
    answers: Mapping[str, str] = {}
    try:
        new = _not_trained_on(context, run, new)
        answers = _ask(context, run, new)
        if answers:
            record_exposure(context, context.dataset(), Answerer.CHAMPION, model_run=run)
        message = f"the champion, run {run}, answered {len(new)} new test notes"
        why_not = "the others are among its training or validation notes"
    except LearningError as error:
        why_not = str(error)
        message = f"the champion, run {run}, cannot answer the new test notes: {why_not}"
    write_record(file, ChampionAnswers(run=run, answers=answers, why_not=why_not))
    return message


def _champion_run(context: StageContext) -> int | None:
    with Ledger(context.school.ledger_file) as ledger:
        earlier = [run for run in ledger.promotions() if run != context.run]
    return earlier[-1] if earlier else None


def _answers_of(context: StageContext, run: int) -> Mapping[str, str]:
    """What a run's model answered when it was evaluated; empty if it was not. Raises DamagedFile."""
    result = _result_of(context, run, "evaluate.json", EvaluateResult)
    return result.answers if result else {}


def _result_of(context: StageContext, run: int, name: str, kind: type[RecordT]) -> RecordT | None:
    """What a run recorded in a file; None if it recorded none. Raises DamagedFile."""
    file = context.school.run_folder(run) / name
    recorded_files(context.school, run).check(file)
    return read_record(file, kind) if os.path.lexists(file) else None


def _not_trained_on(context: StageContext, run: int, items: Sequence[Item]) -> list[Item]:
    """The items without those that the run trained or validated on.

    Raises DamagedFile, LearningError if `repair` found nothing that makes its dataset again.
    """
    prepared = _result_of(context, run, "prep.json", PrepResult)
    if prepared and not (context.school.datasets / prepared.dataset).exists():
        recorded = recorded_files(context.school, run)
        if not any(path.startswith("datasets/") for path in recorded.artifacts):
            raise LearningError("its dataset is lost, so that what it learned from is not known")
    originals = read_used(context.school, run)
    return [item for item in items if originals.get(item.id, ("", "test"))[1] == "test"]


def _ask(context: StageContext, run: int, items: Sequence[Item]) -> dict[str, str]:
    from nightschool.scoring.scorer import best, score  # lazy: torch
    from nightschool.stages.classification import load_model  # lazy: torch

    model = load_model(context.school, run, context.parent.say)
    rows = score(
        model.model,
        model.encoder,
        [model.encoder.encode(item.text) for item in items],
        model.device,
        should_stop=context.parent.should_stop,
    )
    return {i.id: best(model.encoder.kinds, row) for i, row in zip(items, rows, strict=True)}
