"""The comparison arms: what else answers the test notes, from the largest kind to a server's model."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nightschool.config.settings import Settings
from nightschool.notes.dataset import Dataset
from nightschool.notes.splits import Split
from nightschool.scoring.cheap_baselines import majority, tfidf_lr
from nightschool.stages.server_arm import ask_server
from nightschool.stats.stage_results import BaselineResult
from nightschool.stats.terms import ArmName

if TYPE_CHECKING:
    from nightschool.stages.context import StageContext

# `run --quick` leaves them out: they take about as long as all other scoring.
_SLOW = (ArmName.FEATURES_LR, ArmName.EMBEDDINGS_LR, ArmName.FEW_SHOT, ArmName.SERVER)


class ArmsAnswers(NamedTuple):
    """The answers of the comparison arms to the test notes."""

    answers: dict[ArmName, list[str]]
    """In the order of the test notes, by arm, in the order of `ladder.arms`; "" if an arm has no
    answer, which counts as wrong."""
    notes: dict[str, str]
    """How an arm was made, what went wrong with it, or why it is absent."""


def arms_to_measure(settings: Settings) -> tuple[list[ArmName], dict[str, str]]:
    """The arms that a run measures, and the reason for each requested arm that it does not."""
    reasons: dict[ArmName, str] = {}
    if not settings.ladder.embeddings:
        reasons[ArmName.EMBEDDINGS_LR] = "ladder.embeddings names no model"
    if not settings.server.url:
        reasons[ArmName.SERVER] = "server.url names no server"
    if settings.train.quick_minutes:
        reasons = dict.fromkeys(_SLOW, "left out by --quick") | reasons
    requested: list[ArmName] = [ArmName(arm) for arm in dict.fromkeys(settings.ladder.arms)]
    absent: dict[str, str] = {
        name: f"absent: {reason}" for name, reason in reasons.items() if name in requested
    }
    return [name for name in requested if name not in reasons], absent


def answer_with_arms(context: StageContext, dataset: Dataset) -> ArmsAnswers:
    """The answers of every comparison arm to the test notes, in their order.

    The baseline stage has measured the arms that need a model. The others answer now, a server last,
    when training is over and the GPU is free. Raises Stopped between two questions.
    """
    test = dataset.of(Split.TEST)
    training = dataset.of(Split.TRAIN)  # the same notes as for the adapter
    kinds, texts = [item.kind for item in training], [item.text for item in training]
    measured = context.result(BaselineResult)
    names, absent = arms_to_measure(context.settings)
    answers: dict[ArmName, list[str]] = {}
    notes: dict[str, str] = {}
    for name in names:
        if name is ArmName.MAJORITY:
            originals = [item.kind for item in training if not item.origin]
            answers[name] = majority(originals, len(test))
        elif name is ArmName.TFIDF_LR:
            answers[name] = tfidf_lr(texts, kinds, [item.text for item in test])
        elif name is ArmName.SERVER:
            answers[name], notes[name] = ask_server(context, dataset.kinds, test)
        elif arm := measured.arms.get(name):
            answers[name] = [arm.answers[item.id] for item in test]
            notes[name] = arm.note
        else:
            absent[name] = f"absent: {measured.absent.get(name, 'not measured')}"
    return ArmsAnswers(answers, notes | absent)
