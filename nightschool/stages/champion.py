"""The model in use before a run, and what it answers to the same test notes.

It answered the test notes that there were when it was measured. As notes accumulate, the test notes grow: then
it is asked again, for those that came since, before the night's own model is measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import Answerer
from nightschool.notes.dataset import Item, read_own

if TYPE_CHECKING:
    from nightschool.stages.context import StageContext

_FILE = "champion.json"


@dataclass(frozen=True, slots=True)
class Incumbent:
    """The run whose model is in use, and its answers to those of the test notes (ids) that it can be
    measured with; `why_not` says why not to all of them, "" where it is all."""

    run: int
    answers: Mapping[str, str]
    why_not: str


def incumbent(context: StageContext, test: Sequence[str]) -> Incumbent | None:
    """The model that was in use before this run, with its recorded answers to the test notes (ids)."""
    run = _in_use(context)
    if run is None:
        return None
    known, again = _answers(context, run), _read(context.folder / _FILE)
    why = ""
    if again.get("run") == run:
        known, why = {**known, **again["answers"]}, again["why_not"]
    answers = {id_: str(known[id_]) for id_ in test if id_ in known}
    if len(answers) == len(test):
        return Incumbent(run, answers, "")
    few = f"it has answered {len(answers)} of these {len(test)} test notes"
    return Incumbent(run, answers, f"{few}: {why}" if why else few)


def is_again(context: StageContext, run: int) -> bool:
    """Whether this run has trained an earlier run's model again, to the last bit."""
    other = _read(context.school.run_folder(run) / "train.json").get("adapter_sha256")
    return bool(other == context.result("train")["adapter_sha256"])


def ask_again(context: StageContext, test: Sequence[Item]) -> str:
    """Let the model in use answer the test notes that it has not answered, and keep that with this run.

    That is a look at them, and recorded. Returns what was done, in a line; "" where nothing was to be
    done, or it was done before. Notes that it learnt from are left out. Where it cannot be asked, the
    reason is kept. Raises Stopped, DeviceBusy.
    """
    from nightschool.config.errors import LearningError
    from nightschool.stages.context import write_json
    from nightschool.stages.test_exposure import record_exposure

    run = _in_use(context)
    if run is None or _read(context.folder / _FILE).get("run") == run:
        return ""
    known = _answers(context, run)
    new = [item for item in test if item.id not in known]
    if not new:
        return ""
    answers: dict[str, str] = {}
    why = said = ""
    try:
        new = _not_learnt(context, run, new)
        answers = _ask(context, run, new)
        if answers:
            record_exposure(context, context.dataset(), Answerer.CHAMPION, model_run=run)
        said = f"run {run}, the model in use, has answered {len(new)} new test notes"
        why = "the others are among those that it learnt from"
    except LearningError as error:
        why = str(error)
        said = f"run {run}, the model in use, cannot answer the new test notes: {why}"
    write_json(context.folder / _FILE, {"run": run, "answers": answers, "why_not": why})
    return said


def _in_use(context: StageContext) -> int | None:
    with Ledger(context.school.ledger_file) as ledger:
        earlier = [run for run in ledger.promotions() if run != context.run]
    return earlier[-1] if earlier else None


def _answers(context: StageContext, run: int) -> dict[str, str]:
    """What a run's model answered when it was measured; empty where that is gone."""
    found = _read(context.school.run_folder(run) / "evaluate.json").get("answers")
    return found if isinstance(found, dict) else {}


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _not_learnt(context: StageContext, run: int, items: Sequence[Item]) -> list[Item]:
    """Those that a run did not learn from: all, unless all notes were dealt anew since."""
    from nightschool.config.errors import LearningError

    try:
        name = _read(context.school.run_folder(run) / "prep.json")["dataset"]
        own = read_own(context.school.datasets / name)
    except (OSError, ValueError, TypeError, KeyError):
        raise LearningError(f"what run {run} learnt from is not known any more") from None
    return [item for item in items if own.get(item.id, ("", "test"))[1] == "test"]


def _ask(context: StageContext, run: int, items: Sequence[Item]) -> dict[str, str]:
    from nightschool.scoring.scorer import best, score
    from nightschool.stages.classification import load_model

    used = load_model(context.school, run, context.parent.say)
    encoded = [used.encoder.encode(item.text) for item in items]
    rows = score(
        used.model,
        used.encoder,
        encoded,
        used.device,
        should_stop=context.parent.should_stop,
    )
    return {i.id: best(used.encoder.kinds, row) for i, row in zip(items, rows, strict=True)}
