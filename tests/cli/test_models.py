"""`models`, `promote`, `rollback`."""

from __future__ import annotations

import json

from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName, Timing
from nightschool.stages.publish import ModelCard, card_file
from nightschool.stats.stage_results import write_record
from tests.cli.conftest import invoke
from tests.conftest import MakeSchool


def add_model(school: School) -> int:
    """Add a run with a trained model and no report; returns its number."""
    settings = load(school.settings_file).model_dump()
    with Ledger(school.ledger_file) as ledger:
        run = ledger.add_run(settings, StageName.COMPARE, Timing.NOW).id
    card = ModelCard(
        run=run,
        base="demo",
        base_fingerprint="b",
        kinds=("a", "none"),
        prompt="p",
        settings=settings,
    )
    write_record(card_file(school, run), card)
    return run


def test_trained_models_are_listed_and_the_one_in_use_is_marked(make_school: MakeSchool) -> None:
    school = make_school()
    assert "no model is trained yet" in invoke(school, "models").output
    for _ in range(2):
        add_model(school)
    assert invoke(school, "promote", "2").output == "the model of run 2 is in use\n"
    assert invoke(school, "models").output.splitlines() == [
        "run 1: demo, not evaluated",
        "run 2: demo, not evaluated, in use",
    ]
    [first, second] = json.loads(invoke(school, "models", "--json").output)
    assert first == {
        "run": 1, "base": "demo", "kinds": ["a", "none"], "accuracy": None, "in_use": False,
        "pruned": False, "learned_forgotten": 0, "problem": "",
    }  # fmt: skip
    assert second["in_use"]


def test_rollback_returns_to_the_model_before(make_school: MakeSchool) -> None:
    school = make_school()
    for _ in range(2):
        invoke(school, "promote", str(add_model(school)))
    assert invoke(school, "rollback").output == "the model of run 1 is in use\n"
    assert invoke(school, "rollback").output == "no model is in use now\n"
    assert invoke(school, "rollback").exit_code == 2


def test_a_damaged_model_card_is_reported_in_one_line(make_school: MakeSchool) -> None:
    school = make_school()
    card_file(school, add_model(school)).write_text("{", encoding="utf-8")
    add_model(school)
    first, second = invoke(school, "models").output.splitlines()
    assert first.startswith("run 1: ") and "model.json cannot be used" in first
    assert second == "run 2: demo, not evaluated"
    listed = json.loads(invoke(school, "models", "--json").output)
    assert [bool(model["problem"]) for model in listed] == [True, False]


def test_of_many_models_the_newest_are_shown_and_the_one_in_use(make_school: MakeSchool) -> None:
    school = make_school()
    for _ in range(13):
        add_model(school)
    invoke(school, "promote", "2")
    lines = invoke(school, "models").output.splitlines()
    assert lines[0] == "2 earlier models: `nightschool models --all`"
    assert lines[1] == "run 2: demo, not evaluated, in use" and len(lines) == 12
    assert len(invoke(school, "models", "--all").output.splitlines()) == 13
    assert len(json.loads(invoke(school, "models", "--json").output)) == 13
