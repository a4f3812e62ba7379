"""The arms that need no model, put together in the compare stage."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from nightschool.config.settings import Settings
from nightschool.notes.dataset import Dataset, Item
from nightschool.notes.splits import Split
from nightschool.stages.comparison_arms import answer_with_arms
from nightschool.stats.stage_results import BaselineResult

EMPTY = BaselineResult(accuracy=0.0, prompt="p", answers={})


def test_the_majority_kind_ignores_roughened_copies() -> None:
    """Augmented notes may outnumber every kind, and no test note is one."""
    items = [Item(f"a{n}", f"a {n}", "a", Split.TRAIN, "a.md") for n in range(3)]
    items += [Item("b", "b", "b", Split.TRAIN, "b.md"), Item("t", "t", "a", Split.TEST, "t.md")]
    items += [Item(f"m{n}", f"m {n}", "b", Split.TRAIN, "a.md", origin="cut") for n in range(9)]
    settings = Settings.model_validate({"base": "demo", "ladder": {"arms": ["majority"]}})
    context = cast(Any, SimpleNamespace(settings=settings, result=lambda kind: EMPTY))
    found = answer_with_arms(context, Dataset(tuple(items), ("a", "b"), "", ()))
    assert found.answers == {"majority": ["a"]}
