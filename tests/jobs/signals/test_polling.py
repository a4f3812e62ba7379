"""A reading is cached with its age, and isolates its caller from sources that hang or fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from nightschool.jobs.signals import polling as reading_module
from nightschool.jobs.signals.polling import NamedSignals, Reading
from nightschool.jobs.signals.signal import Signal

Clock = Callable[[float], None]


@pytest.fixture
def forward(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Advance the clock of the readings."""
    passed = [0.0]
    real = reading_module.uptime_s
    monkeypatch.setattr(reading_module, "uptime_s", lambda: real() + passed[0])

    def forward(seconds: float) -> None:
        passed[0] += seconds

    return forward


def counting() -> tuple[list[int], Callable[[], NamedSignals]]:
    reads: list[int] = []

    def read() -> NamedSignals:
        reads.append(1)
        return {"x": Signal(len(reads), "test")}

    return reads, read


def test_value_is_reused_with_its_age(forward: Clock) -> None:
    reads, read = counting()
    reading = Reading(("x",), read, every_s=5)
    reading.begin()
    assert reading.signals()["x"].value == 1
    forward(4)
    reading.begin()
    kept = reading.signals()["x"]
    assert (kept.value, reads) == (1, [1])
    assert 4 <= kept.age_s < 5
    forward(1)
    reading.begin()
    assert reading.signals()["x"].value == 2


def test_age_of_the_source_is_added(forward: Clock) -> None:
    reading = Reading(("x",), lambda: {"x": Signal(1, "test", age_s=10)}, every_s=5)
    reading.begin()
    reading.signals()
    forward(3)
    assert 13 <= reading.signals()["x"].age_s < 14


def test_exception_is_the_remark_and_the_source_is_read_again(forward: Clock) -> None:
    failing = [True]

    def read() -> NamedSignals:
        if failing.pop():
            raise RuntimeError("two\nlines")
        return {"x": Signal(1, "test")}

    reading = Reading(("x",), read, every_s=0)
    reading.begin()
    signal = reading.signals()["x"]
    assert (signal.value, signal.remark) == (None, "RuntimeError: two lines")
    failing.append(False)
    forward(0.01)
    reading.begin()
    assert reading.signals()["x"].value == 1


def test_hanging_source_costs_the_limit_once_and_is_not_started_twice(
    forward: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_module, "LIMIT_S", 0.05)
    released, starts = threading.Event(), []

    def read() -> NamedSignals:
        starts.append(1)
        released.wait(20)
        return {"x": Signal(1, "test")}

    reading = Reading(("x",), read, every_s=0)
    reading.begin()
    assert reading.signals()["x"].value is None
    begun = time.monotonic()
    for _ in range(100):
        forward(1)
        reading.begin()
        signal = reading.signals()["x"]
        assert signal.value is None
        assert "no answer for" in signal.remark
    assert time.monotonic() - begun < 5
    assert starts == [1]
    released.set()


def test_slow_source_is_left_alone_for_a_while(
    forward: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_module, "LIMIT_S", 1.0)

    def read() -> NamedSignals:
        starts.append(1)
        if len(starts) == 1:
            forward(2)
        return {"x": Signal(len(starts), "test")}

    starts: list[int] = []
    reading = Reading(("x",), read, every_s=0)
    for passed, value in ((0, 1), (20, 1), (9, 2)):
        forward(passed)
        reading.begin()
        assert reading.signals()["x"].value == value


def test_urgent_source_is_read_at_once_after_a_slow_answer(forward: Clock) -> None:
    reads: list[int] = []

    def read() -> NamedSignals:
        reads.append(1)
        forward(2 * reading_module.LIMIT_S)
        return {"x": Signal(len(reads), "test")}

    reading = Reading(("x",), read, every_s=0, rest_s=0)
    for _ in range(3):
        reading.begin()
        reading.signals()
        forward(1)
    assert len(reads) == 3


def test_recent_value_ages_without_waiting_until_it_is_unknown(
    forward: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_module, "PATIENCE_S", 0.0)
    released = threading.Event()
    released.set()
    _, count = counting()

    def read() -> NamedSignals:
        released.wait(20)
        return count()

    reading = Reading(("x",), read, every_s=2)
    reading.begin()
    assert reading.signals()["x"].value == 1
    released.clear()
    for passed, value in ((2.5, 1), (reading_module.LIMIT_S, None)):
        forward(passed)
        reading.begin()
        assert reading.signals()["x"].value == value
    released.set()
