"""The compare stage: decides about the run's model and writes the report, from what the stages recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from nightschool.config.errors import LearningError
from nightschool.ledger.records import Answerer
from nightschool.notes.dataset import Dataset, Item
from nightschool.notes.none_of_the_above import none_kind
from nightschool.notes.splits import Split
from nightschool.scoring.decision import (
    Judgement,
    Questions,
    Rival,
    Rules,
    Verdict,
    against_cheap,
    decide,
    judge,
)
from nightschool.stages.champion import Incumbent, incumbent, is_same_adapter
from nightschool.stages.comparison_arms import answer_with_arms
from nightschool.stages.confidence import Certainty, certainty
from nightschool.stages.exposure import exposures_of_test, record_exposure
from nightschool.stages.provenance import provenance
from nightschool.stages.publish import add_to_card, check_model
from nightschool.stages.seeds import validation_loss
from nightschool.stats.calibration import scaled
from nightschool.stats.intervals import design_effect
from nightschool.stats.metrics import scores
from nightschool.stats.paired import paired
from nightschool.stats.results import FORMAT, Answer, Arm, Champion, Change, Paired, Report, Seed
from nightschool.stats.stage_results import (
    BaselineResult,
    CompareResult,
    EvaluateResult,
    PrepResult,
    ScoringResult,
    SeedTraining,
    TrainResult,
)
from nightschool.stats.terms import CHEAP_ARMS, ArmName, Decision, Reference

if TYPE_CHECKING:
    from nightschool.stages.context import StageContext


@dataclass(frozen=True, slots=True)
class _Measured:
    """The test notes, and the answers of the base (before) and of the adapter (after)."""

    dataset: Dataset
    test: Sequence[Item]
    questions: Questions
    results: Mapping[ArmName, ScoringResult]
    answers: Mapping[ArmName, list[str]]


def compare(context: StageContext) -> CompareResult:
    """Compare the answers, decide, and write the report."""
    from nightschool.reports.writer import write  # lazy: matplotlib

    check_model(context.school, context.run)
    report = make_report(context)
    page = write(report, context.folder / "report")
    return CompareResult(
        decision=report.decision,
        reason=f"{report.decision}: {report.reason}",
        page=str(page.relative_to(context.school.root)),
    )


def make_report(context: StageContext) -> Report:
    """Compare before and after on the test notes, with the other arms and with the champion.

    Also adds temperature and threshold, found on the validation notes, to the model card for `classify`.
    """
    measured = _gather(context)
    dataset, questions = measured.dataset, measured.questions
    others = answer_with_arms(context, dataset)
    record_exposure(context, dataset, Answerer.ARMS)
    arms, pairs = _arms(measured, others.answers)
    correct = np.array(
        [a == t for a, t in zip(measured.answers[ArmName.AFTER], questions.true, strict=True)]
    )
    certainties = _certainties(context, measured)
    answers = _answers(measured, certainties)
    independent_notes = len(correct) / design_effect(correct - correct.mean(), questions.codes)
    verdict, rivals, champion = _decision(context, measured, arms, pairs)
    origin = provenance(context, dataset, questions.groups)
    return Report(
        format=FORMAT,
        run=context.run,
        items=len(measured.test),
        arms=tuple(arms.values()),
        arm_notes=others.notes,
        paired=pairs[ArmName.BEFORE],
        decision=verdict.decision,
        reason=verdict.reason,
        checks=verdict.checks,
        more_notes=verdict.more_notes,
        rivals=tuple(rival.name for rival in rivals),
        champion=champion,
        calibration={name: c.calibration for name, c in certainties.items()},
        risk_coverage={name: c.risk_coverage for name, c in certainties.items()},
        out_of_scope={name: c.out_of_scope for name, c in certainties.items() if c.out_of_scope},
        abstention=certainties[ArmName.AFTER].abstention if ArmName.AFTER in certainties else None,
        looks=exposures_of_test(context, dataset, float(correct.mean()), independent_notes),
        seeds=_seeds(context, measured),
        kinds=tuple(dataset.kinds),
        base=context.settings.base,
        created=origin.created,
        dataset=origin.dataset,
        label_leaks=context.result(PrepResult).label_leaks,
        answers=answers,
        changes=_changes(answers, measured.test),
        training=origin.training,
        chosen=origin.chosen,
        night=origin.night,
        timeline=origin.timeline,
        settings=origin.settings,
        versions=origin.versions,
    )


def _gather(context: StageContext) -> _Measured:
    dataset = context.dataset()
    before, after = context.result(BaselineResult), context.result(EvaluateResult)
    if before.prompt != after.prompt:
        raise LearningError(
            "baseline and evaluate used different prompts",
            "queue a new run with `nightschool run --new`",
        )
    test = dataset.of(Split.TEST)
    questions = Questions(
        dataset.kinds,
        [item.kind for item in test],
        [item.group for item in test],
        none_kind(dataset.kinds, context.settings.notes.none),
    )
    results = {ArmName.BEFORE: before, ArmName.AFTER: after}
    answers = {name: [result.answers[i.id] for i in test] for name, result in results.items()}
    return _Measured(dataset, test, questions, results, answers)


def _arms(
    measured: _Measured, others: Mapping[ArmName, list[str]]
) -> tuple[dict[ArmName, Arm], dict[ArmName, Paired]]:
    """Every arm's scores, and the challenger against each of the others."""
    questions, after = measured.questions, measured.answers[ArmName.AFTER]
    answers: dict[ArmName, list[str]] = {
        **others, ArmName.BEFORE: measured.answers[ArmName.BEFORE], ArmName.AFTER: after,
    }  # fmt: skip
    arms: dict[ArmName, Arm] = {}
    pairs: dict[ArmName, Paired] = {}
    for name, given in answers.items():
        better = None
        if name != ArmName.AFTER:
            pairs[name] = paired(questions.kinds, questions.true, given, after, questions.groups)
            better = pairs[name].p_better
        arms[name] = scores(name, questions.kinds, questions.true, given, questions.groups, better)
    return arms, pairs


def _decision(
    context: StageContext,
    measured: _Measured,
    arms: Mapping[ArmName, Arm],
    pairs: Mapping[ArmName, Paired],
) -> tuple[Verdict, list[Rival], Champion | None]:
    """The verdict, the cheap arms that the challenger does not beat, and the model in use."""
    questions, after = measured.questions, measured.answers[ArmName.AFTER]
    rules = Rules(context.settings.decide.confidence, context.settings.decide.margin)
    judgements = [
        judge(Reference.BEFORE, questions, measured.answers[ArmName.BEFORE], after, rules)
    ]
    champion, comparison = incumbent(context, [item.id for item in measured.test]), None
    if champion:
        judgement, comparison = _against(champion, measured, rules)
        judgements += [judgement] if judgement else []
    cheap = {name: pairs[name] for name in CHEAP_ARMS if name in pairs}
    accuracy = {name: arms[name].accuracy for name in cheap}
    check, rivals = against_cheap(questions, cheap, accuracy, rules)
    verdict = decide(judgements, check)
    if champion and comparison and comparison.paired and is_same_adapter(context, champion.run):
        same = (
            f"it equals run {champion.run}'s model bit for bit: nothing it learns from has changed"
        )
        reason = f"{same}; {verdict.reason}"
        verdict = replace(verdict, decision=Decision.KEEP, reason=reason, more_notes=None)
    return verdict, rivals, comparison


def _against(
    champion: Incumbent, measured: _Measured, rules: Rules
) -> tuple[Judgement | None, Champion]:
    """The challenger against the champion, on the test notes that the champion has answered.

    They are not compared if it has answered fewer than half.
    """
    comparison = Champion(run=champion.run, accuracy=None, paired=None, why_not=champion.why_not)
    answered = [n for n, item in enumerate(measured.test) if item.id in champion.answers]
    if 2 * len(answered) < len(measured.test):
        return None, comparison
    questions = measured.questions
    same = replace(
        questions,
        true=[questions.true[n] for n in answered],
        groups=[questions.groups[n] for n in answered],
    )
    old = [champion.answers[measured.test[n].id] for n in answered]
    new = [measured.answers[ArmName.AFTER][n] for n in answered]
    judgement = judge(Reference.CHAMPION, same, old, new, rules)
    correct = sum(a == t for a, t in zip(old, same.true, strict=True))
    return judgement, replace(comparison, accuracy=correct / len(answered), paired=judgement.paired)


def _certainties(context: StageContext, measured: _Measured) -> dict[ArmName, Certainty]:
    """What each model's probabilities show, for the models whose probabilities were recorded."""
    certainties = {
        name: certainty(result, measured.dataset, measured.questions.codes, context.settings)
        for name, result in measured.results.items()
        if result.probabilities
    }
    if after := certainties.get(ArmName.AFTER):
        add_to_card(context, after.calibration.temperature, after.abstention.threshold)
    return certainties


def _seeds(context: StageContext, measured: _Measured) -> tuple[Seed, ...]:
    """The scores of each seed's model, in the order of their training."""
    trained, evaluated = context.result(TrainResult), context.result(EvaluateResult)
    settings, questions = context.settings.train, measured.questions
    published = settings.seed if trained.seed is None else trained.seed
    only = SeedTraining(
        seed=published,
        validation_loss=validation_loss(trained.validation, settings),
        adapter_sha256=trained.adapter_sha256,
    )
    answers_by_seed = {seed.seed: seed.answers for seed in evaluated.seeds}
    rows = []
    for training in trained.seeds or (only,):
        answers = answers_by_seed.get(training.seed, evaluated.answers)
        given = [answers[item.id] for item in measured.test]
        arm = scores(ArmName.AFTER, questions.kinds, questions.true, given, questions.groups)
        rows.append(
            Seed(
                seed=training.seed,
                used=training.seed == published,
                accuracy=arm.accuracy,
                macro_f1=arm.macro_f1,
                validation_loss=training.validation_loss,
                adapter_sha256=training.adapter_sha256,
            )
        )
    return tuple(rows)


def _answers(measured: _Measured, certainties: Mapping[ArmName, Certainty]) -> tuple[Answer, ...]:
    rows = {n: _probabilities(measured, n, certainties.get(n)) for n in measured.results}
    return tuple(
        Answer(
            source=item.source,
            kind=item.kind,
            before=measured.answers[ArmName.BEFORE][number],
            after=measured.answers[ArmName.AFTER][number],
            before_probability=rows[ArmName.BEFORE][number],
            after_probability=rows[ArmName.AFTER][number],
        )
        for number, item in enumerate(measured.test)
    )


def _changes(answers: Sequence[Answer], test: Sequence[Item]) -> tuple[Change, ...]:
    return tuple(
        Change(**asdict(answer), text=item.text)
        for answer, item in zip(answers, test, strict=True)
        if (answer.before == item.kind) != (answer.after == item.kind)
    )


def _probabilities(
    measured: _Measured, name: ArmName, certainty: Certainty | None
) -> Sequence[float | None]:
    """The probability of each test note's answer, with the temperature that `classify` uses."""
    if certainty is None:
        return [None] * len(measured.test)
    recorded = measured.results[name].probabilities
    rows = np.array([recorded[item.id] for item in measured.test])
    temperature = certainty.calibration.temperature
    corrected = rows if temperature is None else scaled(rows, temperature)
    return cast(list[float], corrected.max(axis=1).tolist())
