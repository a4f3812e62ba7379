"""The report that compare makes from recorded stages, without a model."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from nightschool.config.errors import DamagedFile
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.config.settings_file import load
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import Answerer, StageName, Timing
from nightschool.notes.dataset import Dataset, fingerprint_of, write
from nightschool.notes.label_leaks import LabelLeak, LabelLeaks, LeakAccuracy
from nightschool.notes.leak_candidates import LeakForm
from nightschool.notes.note import LoadedNotes
from nightschool.notes.split_assignments import write_split_assignments
from nightschool.notes.splits import Split
from nightschool.reports.report_file import parse
from nightschool.reports.text.verdict import verdict
from nightschool.stages.compare import make_report
from nightschool.stages.context import StageContext, write_json
from nightschool.stages.exposure import record_exposure
from nightschool.stages.freeze_notes import read_and_freeze
from nightschool.stages.publish import ModelCard, card_file, read_card
from nightschool.stats.calibration import scaled
from nightschool.stats.results import Champion, Report
from nightschool.stats.stage_results import TrainResult, write_record
from nightschool.stats.terms import ArmName
from tests.conftest import KINDS, new_school

Answers = Callable[[int, str], str]
"""A test note's answer, from its place among them and its kind."""


def other_than(kind: str) -> str:
    return KINDS[(KINDS.index(kind) + 1) % len(KINDS)]


def right(place: int, kind: str) -> str:
    return kind


def half(place: int, kind: str) -> str:
    return kind if place % 2 else other_than(kind)


@pytest.fixture
def school(tmp_path: Path) -> School:
    return new_school(tmp_path / "my 学校", each=60, split={"test": 0.4})


def stage(dataset: Dataset, answers: Answers, sure: float, **more: object) -> dict[str, Any]:
    """A result of baseline or evaluate: `sure` is the probability of every answer."""
    test = [item for item in dataset.items if item.split == Split.TEST]
    given = {item.id: answers(place, item.kind) for place, item in enumerate(test)}
    rest = (1 - sure) / (len(KINDS) - 1)
    rows = {id_: [sure if k == answer else rest for k in KINDS] for id_, answer in given.items()}
    return {
        "accuracy": 0.0, "prompt": "p", "cut": 0, "warnings": [], "chosen": [], "answers": given,
        "probabilities": rows, **more,
    }  # fmt: skip


def record(
    school: School, before: Answers = half, after: Answers = right, settings: Settings | None = None,
    **results: Mapping[str, Any],
) -> StageContext:  # fmt: skip
    """A run whose stages are done up to compare; `results` replace parts of what they recorded."""
    settings = settings or load(school.settings_file)
    _, dataset = read_and_freeze(school, settings)
    with Ledger(school.ledger_file) as ledger:
        run = ledger.add_run(settings.model_dump(), StageName.COMPARE, Timing.NOW).id
    write_split_assignments(school.split_assignments_file, dataset.items)
    write(dataset, school.datasets / dataset.fingerprint[:16])
    counts = {str(split): sum(item.split == split for item in dataset.items) for split in Split}
    recorded: dict[str, dict[str, Any]] = {
        "prep": {
            "dataset": dataset.fingerprint[:16], "fingerprint": dataset.fingerprint, "warnings": [],
            "base_folder": "base", "base_fingerprint": "b", **counts,
        },
        "baseline": stage(dataset, before, 0.5),
        "train": {
            "steps": 3, "seconds": 9.0, "losses": [[1, 1.0]], "validation": [[3, 0.5]], "cut": 0,
            "adapter_sha256": f"{run:064x}", "chosen": [], "warnings": [],
        },
        "evaluate": stage(dataset, after, 0.8),
    }  # fmt: skip
    for name, result in recorded.items():
        write_json(school.run_folder(run) / f"{name}.json", {**result, **results.get(name, {})})
    card = ModelCard(
        run=run, base="demo", base_fingerprint="b", kinds=KINDS, prompt="p", settings={}
    )
    write_record(card_file(school, run), card)
    parent = SimpleNamespace(say=lambda kind, message: None)
    return StageContext(school, run, settings, cast(Any, parent))


def report_of(context: StageContext) -> Report:
    report = make_report(context)
    stored = json.loads(json.dumps(asdict(report), allow_nan=False))
    assert parse(stored) == report
    return report


def test_a_better_model_is_promoted_and_every_answer_is_recorded(school: School) -> None:
    report = report_of(record(school))
    assert report.decision == "promote"
    assert len(report.answers) == report.items == 72
    assert len(report.changes) == 36 and report.changes[0].text
    assert {a.after_probability for a in report.answers} == {0.8}
    assert report.arms[-2].after_better == pytest.approx(1 - 0.5**36)
    assert report.arms[-1].after_better is None


def test_a_cheap_arm_that_is_as_good_is_named(school: School) -> None:
    """The notes' openings tell their kinds, so word counts are right everywhere."""
    report = report_of(record(school))
    assert report.rivals == (ArmName.TFIDF_LR,)
    assert report.reason.endswith("but tfidf-lr may be as good: 72 notes cannot tell")


def test_label_leaks_that_prep_found_are_in_the_report(school: School) -> None:
    leak = LabelLeak(
        "lesson",
        LeakForm.LINE,
        "Kind: Lesson",
        50,
        60,
        0,
        120,
        "a.md",
        2,
        "remove_lines",
        "Kind: *",
    )
    leaks = LabelLeaks(180, (leak,), LeakAccuracy(180, 0.96, 0.62))
    assert report_of(record(school)).label_leaks is None
    report = report_of(record(school, prep={"label_leaks": asdict(leaks)}))
    assert report.label_leaks == leaks
    assert '"Kind: Lesson"' in verdict(report)


def test_the_rules_are_those_of_the_settings(school: School) -> None:
    settings = load(school.settings_file)
    strict = settings.decide.model_copy(update={"confidence": 0.99999999999})
    context = record(school, settings=settings.model_copy(update={"decide": strict}))
    assert report_of(context).decision == "inconclusive"


# Probabilities


def with_validation(school: School, sure: float) -> dict[str, Any]:
    """Validation probabilities of a model that is right in two of three notes."""
    _, dataset = read_and_freeze(school, load(school.settings_file))
    watched = [item for item in dataset.items if item.split == Split.VALIDATION]
    rest = (1 - sure) / 2
    return {
        item.id: [
            sure if kind == (other_than(item.kind) if place % 3 == 0 else item.kind) else rest
            for kind in KINDS
        ]
        for place, item in enumerate(watched)
    }


def test_temperature_and_threshold_come_from_validation_and_go_to_the_model(
    school: School,
) -> None:
    context = record(school, evaluate={"validation": with_validation(school, 0.97)})
    report = report_of(context)
    after = report.calibration[ArmName.AFTER]
    assert after.validation == 18 and after.temperature is not None
    assert after.temperature > 1.5  # as sure of each as of 97 %, and right in two of three
    assert report.calibration[ArmName.BEFORE].temperature is None
    assert report.abstention is not None
    # As `classify` says it; before has no validation notes here.
    (sure,) = scaled(np.array([[0.8, 0.1, 0.1]]), after.temperature).max(axis=1)
    assert [a.after_probability for a in report.answers] == pytest.approx([sure] * 72)
    assert sure < 0.75 and {a.before_probability for a in report.answers} == {0.5}
    card = read_card(school, context.run)
    assert (card.temperature, card.threshold) == (after.temperature, report.abstention.threshold)


def test_the_threshold_lies_on_the_curve_of_risk_and_coverage(school: School) -> None:
    """Also where none is a kind, and what is surely none is an answer that stands."""
    _, dataset = read_and_freeze(school, load(school.settings_file))

    def rows(split: Split) -> dict[str, list[float]]:
        found = {}
        for place, item in enumerate(item for item in dataset.items if item.split == split):
            sure = 0.5 + 0.045 * (place % 10)
            answer = item.kind if place % 10 > 3 else other_than(item.kind)
            found[item.id] = [sure if kind == answer else (1 - sure) / 2 for kind in KINDS]
        return found

    unsure = {"probabilities": rows(Split.TEST), "validation": rows(Split.VALIDATION)}
    report = report_of(record(school, evaluate=unsure))
    found = report.abstention
    assert found and found.threshold > 0
    curve = report.risk_coverage[ArmName.AFTER].points
    assert any(point == pytest.approx((found.coverage, found.risk)) for point in curve)
    assert 0 < found.thresholded.answered < found.coverage < 1


def test_a_deleted_model_does_not_prevent_the_report(school: School) -> None:
    context = record(school)
    (school.model_folder(context.run) / "model.json").unlink()
    assert report_of(context).abstention is not None
    assert not (school.model_folder(context.run) / "model.json").exists()


def test_results_of_older_versions_without_probabilities_are_reported(school: School) -> None:
    context = record(school)
    for name in ("baseline", "evaluate"):
        file = context.folder / f"{name}.json"
        result = json.loads(file.read_text("utf-8"))
        del result["probabilities"]
        file.write_text(json.dumps(result), encoding="utf-8")
    report = report_of(context)
    assert (report.calibration, report.abstention) == ({}, None)
    assert report.answers[0].after_probability is None


def test_the_kind_none_is_evaluated_as_out_of_scope(school: School) -> None:
    report = report_of(record(school))
    assert report.out_of_scope[ArmName.AFTER].recall == 1.0
    assert report.out_of_scope[ArmName.BEFORE].n == 24
    assert report.abstention and report.abstention.plain.none_recall == 1.0


# The champion


def test_a_challenger_is_compared_with_the_champion(school: School) -> None:
    champion = record(school, after=right)
    with Ledger(school.ledger_file) as ledger:
        ledger.promote(champion.run)
    report = report_of(record(school, after=lambda place, kind: right(place, kind)))
    shown = report.champion
    assert shown and (shown.run, shown.accuracy, shown.why_not) == (1, 1.0, "")
    assert shown.paired and shown.paired.wins == 0
    assert report.decision == "inconclusive"  # much better than before, and just as good as that
    assert {check.reference for check in report.checks} == {"before", "champion"}
    assert "against the model in use" in report.reason


def test_a_better_challenger_replaces_the_champion(school: School) -> None:
    champion = record(school, after=half)
    with Ledger(school.ledger_file) as ledger:
        ledger.promote(champion.run)
    assert report_of(record(school)).decision == "promote"


def test_a_bit_identical_model_does_not_replace_the_champion(school: School) -> None:
    champion = record(school)
    with Ledger(school.ledger_file) as ledger:
        ledger.promote(champion.run)
    same = champion.result(TrainResult).adapter_sha256
    report = report_of(record(school, train={"adapter_sha256": same}))
    assert (report.decision, report.more_notes) == ("keep", None)
    assert report.reason.startswith("it equals run 1's model bit for bit")
    assert "no better than the one in use" in verdict(report)


def champion_with(school: School, change: Callable[[dict[str, str]], object]) -> None:
    """A champion whose recorded answers are changed."""
    champion = record(school, after=half)
    with Ledger(school.ledger_file) as ledger:
        ledger.promote(champion.run)
    file = champion.folder / "evaluate.json"
    result = json.loads(file.read_text("utf-8"))
    change(result["answers"])
    write_json(file, result)


def test_a_champion_that_answered_most_test_notes_is_compared_on_those(
    school: School,
) -> None:
    champion_with(school, lambda answers: [answers.popitem() for _ in range(12)])
    report = report_of(record(school))
    shown = report.champion
    assert shown and shown.paired and shown.accuracy is not None
    assert shown.accuracy == pytest.approx(0.5, abs=0.05)
    assert shown.why_not == "it has answered 60 of these 72 test notes"
    assert shown.paired.wins == round(60 * (1 - shown.accuracy))
    assert {check.reference for check in report.checks} == {"before", "champion"}


def test_a_champion_that_answered_less_than_half_is_not_compared(school: School) -> None:
    champion_with(school, lambda answers: [answers.popitem() for _ in range(37)])
    report = report_of(record(school))
    why = "it has answered 35 of these 72 test notes"
    assert report.champion == Champion(run=1, accuracy=None, paired=None, why_not=why)


def test_a_champion_without_recorded_answers_is_not_compared(school: School) -> None:
    champion_with(school, lambda answers: None)
    (school.run_folder(1) / "evaluate.json").unlink()
    report = report_of(record(school))
    assert report.champion and report.champion.paired is None
    assert report.decision == "promote"


def test_a_champion_with_damaged_answers_ends_the_comparison(school: School) -> None:
    """Compared with the base alone, the model could be promoted wrongly."""
    champion_with(school, lambda answers: None)
    (school.run_folder(1) / "evaluate.json").write_text("{", encoding="utf-8")
    with pytest.raises(DamagedFile, match=r"evaluate\.json"):
        report_of(record(school))


def test_later_answers_of_the_champion_count(school: School) -> None:
    gone: dict[str, str] = {}
    champion_with(school, lambda answers: gone.update([answers.popitem() for _ in range(50)]))
    context = record(school)
    again = {"run": 1, "answers": gone, "why_not": ""}
    write_json(context.folder / "champion.json", again)
    shown = report_of(context).champion
    assert shown and (shown.accuracy, shown.why_not) == (0.5, "")
    # Another model was promoted since.
    write_json(context.folder / "champion.json", again | {"run": 7})
    shown = report_of(context).champion
    assert shown and shown.accuracy is None


def test_a_promoted_run_is_not_its_own_champion(school: School) -> None:
    context = record(school)
    with Ledger(school.ledger_file) as ledger:
        ledger.promote(context.run)
    assert report_of(context).champion is None


# Test exposures


def expose(context: StageContext, *answerers: Answerer) -> None:
    for answerer in answerers:
        record_exposure(context, context.dataset(), answerer)


def test_every_exposure_of_the_same_test_notes_counts(school: School) -> None:
    first = record(school)
    expose(first, Answerer.BASE, Answerer.ADAPTER)
    one = report_of(first).looks
    assert (one.looks, one.models, one.optimism) == (3, 1, 0.0)
    second = record(school, after=half)
    expose(second, Answerer.BASE, Answerer.ADAPTER)
    two = report_of(second).looks
    assert (two.looks, two.models) == (6, 2)
    assert two.by[-1] == "run 2: comparison arms"
    assert 0.02 < two.optimism < 0.06
    assert report_of(second).looks == two  # the same result again is no other exposure


def test_an_exposure_counts_after_notes_were_added(school: School) -> None:
    expose(record(school), Answerer.ADAPTER)
    for kind in KINDS:
        (school.root / f"notes/{kind}/new.md").write_text(f"A new {kind}.", encoding="utf-8")
    second = record(school)
    expose(second, Answerer.ADAPTER)
    assert report_of(second).looks.models == 2


def test_an_exposure_of_other_test_notes_does_not_count(school: School) -> None:
    expose(record(school), Answerer.ADAPTER)
    for file in (school.root / "notes").rglob("*.md"):
        other = hashlib.sha256(file.name.encode()).hexdigest()
        file.write_text(f"Quite another note. {other}", encoding="utf-8")
    second = record(school)
    expose(second, Answerer.ADAPTER)
    assert report_of(second).looks.models == 1


# Groups and seeds


def test_a_group_of_the_dataset_counts_once(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_one_kind(place: int, kind: str) -> str:
        return kind if kind == "none" else other_than(kind)

    alone = report_of(record(school, of_one_kind))

    freeze = read_and_freeze

    def of_three_groups(school: School, settings: Settings) -> tuple[LoadedNotes, Dataset]:
        reading, dataset = freeze(school, settings)
        items = tuple(replace(item, group=item.kind) for item in dataset.items)
        return reading, replace(dataset, items=items, fingerprint=fingerprint_of(items))

    monkeypatch.setattr(sys.modules[__name__], "read_and_freeze", of_three_groups)
    together = report_of(record(school, of_one_kind))
    assert (alone.dataset.groups, together.dataset.groups) == (72, 3)
    low, high = alone.arms[-2].accuracy_ci
    assert together.arms[-2].accuracy_ci[0] < low < high < together.arms[-2].accuracy_ci[1]


def test_every_seed_is_reported_and_the_published_one_decides(school: School) -> None:
    _, dataset = read_and_freeze(school, load(school.settings_file))
    answers = [stage(dataset, given, 0.8)["answers"] for given in (right, half)]
    trained = [
        {"seed": seed, "validation_loss": loss, "adapter_sha256": str(seed) * 64}
        for seed, loss in ((0, 0.5), (1, 0.7))
    ]
    context = record(
        school,
        train={"seed": 0, "seeds": trained},
        evaluate={"seeds": [{"seed": s, "answers": a} for s, a in enumerate(answers)]},
    )
    seeds = report_of(context).seeds
    assert [(s.seed, s.used, s.accuracy) for s in seeds] == [
        (0, True, 1.0),
        (1, False, 0.5),
    ]
    assert [s.validation_loss for s in seeds] == [0.5, 0.7]
    assert np.isclose(seeds[0].macro_f1, 1.0)
