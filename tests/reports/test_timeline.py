"""The night's stretches as the report has them, and the moments beneath its picture."""

import pytest

from nightschool.reports.charts.night_chart import night, ticks
from nightschool.reports.charts.palette import LIGHT
from nightschool.reports.text.captions import stretches
from nightschool.reports.timeline import in_words, spans
from nightschool.stats.results import Report
from tests.reports.page_examples import NIGHT, everything


def test_the_report_tells_its_stretches_in_seconds() -> None:
    found = spans(everything())
    assert [(s.stage, s.state, s.reason) for s in found] == [(n[0], *n[3:]) for n in NIGHT]
    assert found[4].seconds == pytest.approx(60 * 40 + 55)


def test_work_and_what_stopped_it_are_summed_in_words() -> None:
    assert stretches(everything()) == [
        ("prep", "worked 11 s"),
        ("baseline", "worked 4 min 30 s"),
        ("train", "worked 7 h 10 min"),
        ("evaluate", "worked 4 min 30 s"),
        ("compare", "worked 40 s"),
        ("queued", "waited 22 min"),
        ("owner there", "stepped aside 41 min"),
        ("on battery", "stepped aside 12 min"),
        ("outside the window", "waited 1 h"),
    ]


def test_a_reason_that_has_no_words_yet_is_read_as_it_is() -> None:
    assert in_words("owner_active") == "owner there"
    assert in_words("a_new_reason") == "a new reason"


@pytest.mark.parametrize("start", ["no time", "9999-99-99T00:00:00"])
def test_times_that_are_none_give_no_picture(report: Report, start: str) -> None:
    assert night(report, LIGHT) is None
    report["night"] = [{**everything()["night"][0], "start": start}]
    assert spans(report) == [] and night(report, LIGHT) is None


@pytest.mark.parametrize("length", [10, 300, 3600, 30_000, 86_400 * 3, 86_400 * 200])
def test_any_length_has_two_to_five_ticks_inside(length: float) -> None:
    found = ticks(1_800_000_123.0, 1_800_000_123.0 + length)
    assert 1 <= len(found) <= 5
    assert all(0 <= at - 1_800_000_123.0 <= length for at, _ in found)
    assert len({text for _, text in found}) == len(found)
