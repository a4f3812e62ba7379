"""The terminal's tables show what the page shows."""

import io
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from nightschool.reports.report_file import parse
from nightschool.reports.text.report_tables import (
    AFTER_STYLE,
    before_after,
    checks,
    per_kind,
    remarks,
    seeds,
)
from nightschool.stats.results import Report

Data = dict[str, Any]


def _shown(table: Table) -> str:
    console = Console(file=io.StringIO(), width=120)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def _row(table: Table, name: str) -> list[str]:
    lines = [line for line in _shown(table).splitlines() if name in line]
    assert len(lines) == 1
    return [cell.strip() for cell in lines[0].strip("│").split("│")]


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("Majority kind", ["29 % (18 to 42)", "0.09 (0.06 to 0.12)", "99.9 %"]),
        ("tfidf-lr", ["61 % (48 to 72)", "0.51 (0.38 to 0.62)", "97.3 %"]),
        ("Before", ["45 % (33 to 58)", "0.39 (0.27 to 0.50)", "99.9 %"]),
        ("After", ["80 % (68 to 89)", "0.76 (0.60 to 0.86)", ""]),
    ],
)
def test_every_arm_has_scores_with_intervals_and_the_probability_that_after_is_better(
    report: Report, name: str, cells: list[str]
) -> None:
    assert _row(before_after(report), name)[1:] == cells


@pytest.mark.parametrize("more", [0.0, 0.1])
def test_after_that_is_not_more_accurate_is_no_better_instead_of_0_percent(
    data: Data, more: float
) -> None:
    words = next(arm for arm in data["arms"] if arm["name"] == "tfidf-lr")
    words["accuracy"] = data["arms"][-1]["accuracy"] + more
    words["after_better"] = 0.0
    assert _row(before_after(parse(data)), "tfidf-lr")[3] == "no better"


def test_only_after_is_highlighted(report: Report) -> None:
    assert [row.style for row in before_after(report).rows] == [None, None, None, AFTER_STYLE]


def test_kind_with_few_notes_shows_counts_and_no_f1(report: Report, thin_kind: str) -> None:
    cells = ["4", "1 of 4", "2 of 4", "n too small", "n too small"]
    assert _row(per_kind(report), thin_kind)[1:] == cells


def test_kind_name_is_not_markup(report: Report, hostile_kind: str) -> None:
    assert hostile_kind in _shown(per_kind(report))


def test_each_check_has_its_state_and_detail(data: Data) -> None:
    data["checks"][1] |= {"passed": False, "settled": False}
    data["checks"][2] |= {"passed": False, "settled": True}
    table = checks(parse(data))
    assert table is not None
    shown = _shown(table)
    assert [cells[2] for cells in (_row(table, name) for name in ("macro-F1", "kinds"))] == [
        "unsettled", "failed",
    ]  # fmt: skip
    assert "Conditions of a promotion" in shown and "the cheap arms" in shown


def test_several_seeds_are_shown_with_their_range(data: Data) -> None:
    assert seeds(parse(data)) is None
    other = {**data["seeds"][0], "seed": 1, "used": False, "accuracy": 0.71}
    data["seeds"].append(other)
    table = seeds(parse(data))
    assert table is not None
    shown = _shown(table)
    assert "used" in shown and "71 %" in shown and "9 points apart" in shown


def test_remarks_on_calibration_threshold_and_exposures(report: Report) -> None:
    lines = list(remarks(report))
    assert lines[0] == (
        "Calibration error 14 %, 8 % with temperature 1.62 (fitted on 55 validation notes); chance alone "
        "gives 6 %."
    )
    assert "below a probability of 44 % count as none: 86 % of the notes, 90 % of these" in lines[1]
    assert lines[2].startswith(
        "These test notes have been evaluated 7 times, for 3 trained models."
    )
    assert "the best of 3 equally good models looks up to 4 points better" in lines[2]


def test_remark_on_none_of_the_above(data: Data) -> None:
    data["out_of_scope"]["after"] = {
        "kind": "none", "n": 12, "recall": 0.75, "recall_ci": [0.47, 0.91], "false_alarms": 0.1,
        "auroc": 0.913, "auroc_ci": [0.8, 0.97],
    }  # fmt: skip
    assert (
        'Notes of kind "none": 75 % of 12 recognized, 10 % of the others mistaken for it; AUROC 0.91.'
        in list(remarks(parse(data)))
    )


def test_first_exposure_carries_no_warning(data: Data) -> None:
    data["looks"] = {"looks": 1, "models": 1, "optimism": 0.0, "by": ["run 1: adapter"]}
    assert not [line for line in remarks(parse(data)) if "chance alone, the best" in line]


def test_remark_says_if_the_threshold_costs_more_on_the_test_notes(data: Data) -> None:
    found = data["abstention"]
    assert found
    found |= {"threshold": 0.8, "in_use": False}
    found["plain"] |= {"answered": 0.81, "right": 0.91, "cost": 0.083}
    found["thresholded"] |= {"answered": 0.62, "right": 1.0, "cost": 0.095}
    line = next(line for line in remarks(parse(data)) if line.startswith("Sorted into a kind"))
    assert line.startswith(
        "Sorted into a kind other than none: 81 % of the notes, 91 % of these correct;"
    )
    assert (
        "below a probability of 80 % count as none: 62 % of the notes, 100 % of these correct"
        in line
    )
    assert line.endswith("on these notes it costs more, 0.10 instead of 0.08 per note).")
    found["thresholded"]["cost"] = 0.05
    assert not any("costs more" in line for line in remarks(parse(data)))
