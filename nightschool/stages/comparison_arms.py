"""The ladder: what else answers the test notes, from the largest kind to a large model's server."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nightschool.config.settings import Settings
from nightschool.notes.dataset import Dataset
from nightschool.notes.splits import Split
from nightschool.scoring.cheap_baselines import majority, tfidf_lr
from nightschool.stages.server_arm import ask_server
from nightschool.stats.terms import ArmName

if TYPE_CHECKING:
    from nightschool.stages.context import StageContext

# What `run --quick` leaves out: it costs about as long as the rest of the measuring.
_SLOW = ("features-lr", "embeddings-lr", "few-shot", "server")


class Ladder(NamedTuple):
    """The other arms on the test notes."""

    answers: dict[ArmName, list[str]]
    """In the order of the test notes, by arm, in the order of `ladder.arms`; "" where an arm has no
    answer, which is wrong."""
    notes: dict[str, str]
    """How an arm was made, what went wrong with it, or why it is absent."""


def wanted(settings: Settings) -> tuple[list[ArmName], dict[str, str]]:
    """The arms that a run measures, and of those that its owner wants, why some are not."""
    why_not: dict[str, str] = {}
    if not settings.ladder.embeddings:
        why_not["embeddings-lr"] = "ladder.embeddings names no model"
    if not settings.server.url:
        why_not["server"] = "server.url names no server"
    if settings.train.quick_minutes:
        why_not = dict.fromkeys(_SLOW, "left out by --quick") | why_not
    arms: list[ArmName] = [ArmName(arm) for arm in dict.fromkeys(settings.ladder.arms)]
    absent: dict[str, str] = {
        name: f"absent: {why}" for name, why in why_not.items() if name in arms
    }
    return [name for name in arms if name not in why_not], absent


def ladder(context: StageContext, dataset: Dataset) -> Ladder:
    """Every other arm's answers to the test notes, in their order; see `Ladder`.

    Those that need a model were measured in the baseline stage; the rest is done now, and a server is
    asked last of all, when training is over and the GPU free. Raises Stopped between two questions.
    """
    test = dataset.of(Split.TEST)
    known = dataset.of(Split.TRAIN)  # what the adapter saw too
    kinds, texts = [item.kind for item in known], [item.text for item in known]
    measured = context.result("baseline")
    names, absent = wanted(context.settings)
    answers: dict[ArmName, list[str]] = {}
    notes: dict[str, str] = {}
    for name in names:
        if name == ArmName.MAJORITY:
            own = [item.kind for item in known if not item.origin]
            answers[name] = majority(own, len(test))
        elif name == ArmName.TFIDF_LR:
            answers[name] = tfidf_lr(texts, kinds, [item.text for item in test])
        elif name == ArmName.SERVER:
            answers[name], notes[name] = ask_server(context, dataset.kinds, test)
        elif arm := measured.get("arms", {}).get(name):
            answers[name] = [arm["answers"][item.id] for item in test]
            notes[name] = arm["note"]
        else:
            absent[name] = f"absent: {measured.get('absent', {}).get(name, 'not measured')}"
    return Ladder(answers, notes | absent)
