"""The spans of a report, and the ticks of their chart."""

from dataclasses import asdict
from typing import Any

import pytest

from nightschool.reports.charts.night_chart import night, ticks
from nightschool.reports.charts.palette import LIGHT
from nightschool.reports.report_file import parse
from nightschool.reports.text.captions import time_spent
from nightschool.reports.timeline import spans_of
from nightschool.stats.results import Report

Data = dict[str, Any]


def test_spans_have_times_in_seconds(full_report: Report) -> None:
    found = spans_of(full_report)
    assert [(s.stage, s.state, s.reason) for s in found] == [
        (one.stage, one.state, one.reason or None) for one in full_report.night
    ]
    assert found[4].seconds == pytest.approx(60 * 40 + 55)


def test_working_and_waiting_times_are_summed(full_report: Report) -> None:
    assert time_spent(full_report) == [
        ("prep", "worked 11 s"),
        ("baseline", "worked 4 min 30 s"),
        ("train", "worked 7 h 10 min"),
        ("evaluate", "worked 4 min 30 s"),
        ("compare", "worked 40 s"),
        ("queued", "waited 22 min"),
        ("computer in use", "interrupted 41 min"),
        ("on battery", "interrupted 12 min"),
        ("outside the window", "waited 1 h"),
    ]


@pytest.mark.parametrize("start", ["no time", "9999-99-99T00:00:00"])
def test_times_that_cannot_be_read_give_no_chart(
    data: Data, full_report: Report, start: str
) -> None:
    assert night(parse(data), LIGHT) is None
    data["night"] = [{**asdict(full_report.night[0]), "start": start}]
    assert spans_of(parse(data)) == [] and night(parse(data), LIGHT) is None


@pytest.mark.parametrize("length", [10, 300, 3600, 30_000, 86_400 * 3, 86_400 * 200])
def test_any_time_span_has_one_to_five_ticks(length: float) -> None:
    found = ticks(1_800_000_123.0, 1_800_000_123.0 + length)
    assert 1 <= len(found) <= 5
    assert all(0 <= at - 1_800_000_123.0 <= length for at, _ in found)
    assert len({text for _, text in found}) == len(found)
