"""A stored report is read back, whichever version wrote it."""

import copy
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest

from nightschool.config.errors import ReportError
from nightschool.reports.charts.draw import draw
from nightschool.reports.page import render
from nightschool.reports.report_file import read
from nightschool.reports.text.report_tables import before_after, checks, per_kind, remarks, seeds
from nightschool.reports.text.verdict import verdict
from nightschool.stats.results import Report

Data = dict[str, Any]

# The keys of format 1.
FIRST = (
    "run", "items", "arms", "paired", "decision", "reason", "kinds", "base", "created", "dataset",
    "changes", "training", "chosen", "timeline", "settings", "versions",
)  # fmt: skip


def first_of(data: Data) -> Data:
    """The report in format 1."""
    old = copy.deepcopy({key: data[key] for key in FIRST})
    for arm in old["arms"]:
        del arm["macro_f1_ci"], arm["after_better"]
        for scores in arm["per_kind"].values():
            del scores["recall_ci"]
    for key in ("p_better", "p_worse", "design_effect", "delta_macro_f1", "delta_macro_f1_ci"):
        del old["paired"][key]
    del old["dataset"]["groups"]
    for change in old["changes"]:
        del change["before_probability"], change["after_probability"]
    return old


@pytest.fixture
def old(data: Data, tmp_path: Path) -> Path:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(first_of(data)), encoding="utf-8")
    return file


def test_a_written_report_reads_back_equal(written: Path, report: Report) -> None:
    assert read(written / "report.json") == report


def test_report_of_format_1_gets_every_field(old: Path, data: Data, report: Report) -> None:
    found = read(old)
    assert asdict(found).keys() == data.keys()
    for mine, theirs in zip(report.arms, found.arms, strict=True):
        assert (mine.name, mine.accuracy) == (theirs.name, theirs.accuracy)
        assert (theirs.macro_f1_ci, theirs.after_better) == ((), None)
    assert (found.paired.wins, found.dataset.groups, found.looks.looks) == (21, 56, 0)
    exact = binomtest(21, 22, alternative="greater").pvalue
    assert found.paired.p_better == pytest.approx(1 - exact)


def test_report_of_format_1_is_shown(old: Path, tmp_path: Path) -> None:
    found = read(old)
    assert verdict(found).startswith(
        "After training, the model sorts 80 % of 56 test notes correctly"
    )
    assert before_after(found).row_count == 4 and per_kind(found).row_count == 5
    assert (checks(found), seeds(found), list(remarks(found))) == (None, None, [])
    assert "Per kind" in render(found, draw(found, tmp_path / "charts"))


def test_verdict_on_format_1_names_a_word_count_model_that_does_as_well(
    data: Data, tmp_path: Path
) -> None:
    data["arms"][1]["accuracy"] = 0.9
    file = tmp_path / "report.json"
    file.write_text(json.dumps(first_of(data)), encoding="utf-8")
    assert "(tfidf-lr) does at least as well: 90 %" in verdict(read(file))


def test_fields_that_early_reports_of_format_2_lack_are_filled_in(
    data: Data, tmp_path: Path
) -> None:
    earlier = data
    for name in ("coverage", "risk"):
        del earlier["abstention"][name]
    del earlier["dataset"]["made"]
    file = tmp_path / "report.json"
    file.write_text(json.dumps(earlier), encoding="utf-8")
    found = read(file).abstention
    assert read(file).dataset.made == 0
    assert found and found.coverage == 0.86 and found.risk == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": 3}', "newer nightschool"),
        ("{", "is damaged"),
        ("{}", "is damaged"),
        ("[1]", "is damaged"),
        ('{"arms": []}', "is damaged"),
        ('{"format": 2, "run": 1}', "lacks abstention, answers, .*: another version made it"),
    ],
)
def test_error_of_an_unreadable_report_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "report.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ReportError, match=message) as error:
        read(file)
    assert "\n" not in str(error.value)


def test_report_with_an_unknown_value_names_its_place(data: Data, tmp_path: Path) -> None:
    data["decision"] = "perhaps"
    file = tmp_path / "report.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ReportError, match=r"\(decision: .*promote.*\)") as error:
        read(file)
    assert "\n" not in str(error.value)
