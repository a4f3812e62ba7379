"""`plan`."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import invoke, nightschool
from tests.conftest import MakeSchool


def test_a_plan_needs_no_run(make_school: MakeSchool) -> None:
    school = make_school()
    plan = json.loads(invoke(school, "plan", "--json").output)
    assert plan["notes"]["train"] + plan["notes"]["validation"] < plan["notes"]["read"] == 36
    assert {"device", "precision"} <= {choice["name"] for choice in plan["chosen"]}
    memory = plan["memory"]
    assert {"weights", "adapter", "activations", "logits"} <= set(memory["items"])
    assert memory["total"] == sum(memory["items"].values()) > 0 and not memory["limited"]
    assert plan["time"] is None
    shown = invoke(school, "plan").output
    for part in ("precision = fp32 (", "36 read", "weights", "not measured yet"):
        assert part in shown
    assert not school.split_assignments_file.exists()  # no split is assigned yet


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"base": "nobody/no-such-model"}, "is not on disk: `nightschool prep` fetches it once"),
        ({"notes": {"folder": "gone"}}, "gone"),
        ({"train": {"device": "cuda"}}, 'train.device = "cuda"'),
        ({"train": {"max_tokens": 5000}}, "set it to"),
    ],
)
def test_an_impossible_plan_is_explained_in_one_line(
    make_school: MakeSchool, tables: dict[str, object], message: str
) -> None:
    done = nightschool("plan", school=make_school(**tables))
    assert (done.returncode, message in done.stderr) == (1, True), done.stderr
    assert len(done.stderr.splitlines()) == 1
