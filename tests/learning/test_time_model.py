from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nightschool.learning.time_model import (
    LEAST_SHARE,
    BaseSize,
    Pace,
    ShorterText,
    StepSize,
    TimedStep,
    Workload,
    fit,
    pace_key,
    quick_plan,
    remedies,
    sample,
    summary,
    token_limits,
)

THREE = ((1, 300), (3, 1500), (4, 2600))  # passes and tokens of a small, a median, a large step


def timed(a: float, b: float, noise: tuple[float, ...] = (1, 1, 1)) -> list[TimedStep]:
    return [TimedStep(p, t, (a * p + b * t) * n) for (p, t), n in zip(THREE, noise, strict=True)]


seconds = st.floats(1e-5, 10)
noises = st.tuples(*[st.floats(0.7, 1.4)] * 3)


# The fit


@given(seconds, st.floats(1e-6, 0.1))
def test_steps_that_follow_the_model_give_it_back(a: float, b: float) -> None:
    pace = fit(timed(a, b))
    step = StepSize(2, 1000)
    assert pace.seconds(step) == pytest.approx(2 * a + 1000 * b, rel=1e-3)
    assert pace.share == pytest.approx(LEAST_SHARE)


@given(seconds, st.floats(1e-6, 0.1), noises)
def test_nothing_takes_less_than_no_time_and_the_steps_lie_in_what_is_said_of_them(
    a: float, b: float, noise: tuple[float, ...]
) -> None:
    steps = timed(a, b, noise)
    pace = fit(steps)
    assert pace.pass_s >= 0 and pace.token_s >= 0 and pace.share >= LEAST_SHARE
    mean = sum(pace.seconds(StepSize(s.passes, s.tokens)) for s in steps)
    estimate = pace.around(mean)
    assert estimate.low <= sum(s.seconds for s in steps) <= estimate.high


@given(noises, noises)
def test_the_fit_is_the_best_there_is(noise: tuple[float, ...], other: tuple[float, ...]) -> None:
    steps = timed(0.05, 2e-4, noise)

    def error(a: float, b: float) -> float:
        return sum((1 - (a * s.passes + b * s.tokens) / s.seconds) ** 2 for s in steps)

    pace = fit(steps)
    best = error(pace.pass_s, pace.token_s)
    for a in (0.0, 0.05 * other[0], pace.pass_s * other[1]):
        for b in (0.0, 2e-4 * other[2], pace.token_s * other[0]):
            assert best <= error(a, b) + 1e-9


def test_equal_steps_are_enough_for_their_own_mean() -> None:
    pace = fit([TimedStep(1, 500, 0.2)] * 3)
    assert pace.seconds(StepSize(1, 500)) == pytest.approx(0.2)


def test_steps_that_scatter_widen_the_interval() -> None:
    assert fit(timed(0.1, 1e-4, (0.8, 1.2, 0.8))).share > 2 * LEAST_SHARE


def test_what_earlier_runs_measured_is_enough_until_something_is_timed() -> None:
    assert fit([], timed(0.1, 1e-4)) == fit(timed(0.1, 1e-4))
    with pytest.raises(ValueError, match="no timed steps"):
        fit([])


@pytest.mark.parametrize("slower", [0.5, 1.3, 2.0])
def test_an_earlier_run_weighs_as_much_as_the_steps_now_and_the_interval_holds_both(
    slower: float,
) -> None:
    now, earlier = timed(0.1, 1e-4), timed(0.1 * slower, 1e-4 * slower)
    pace = fit(now, earlier * 8)
    step = StepSize(2, 1000)
    estimate = pace.around(pace.seconds(step))
    both = sorted((0.3, 0.3 * slower))
    assert both[0] < estimate.seconds < both[1]
    assert estimate.low <= both[0] * 1.001 and both[1] * 0.999 <= estimate.high


@given(st.lists(st.floats(0.1, 9), max_size=60), st.integers(1, 30))
def test_a_sample_keeps_the_order_and_reaches_over_all(took: list[float], most: int) -> None:
    steps = [TimedStep(1, number, s) for number, s in enumerate(took)]
    kept = sample(steps, most)
    assert len(kept) == min(most, len(steps))
    places = [int(step.tokens) for step in kept]
    assert places == sorted(set(places))
    if kept:
        assert places[0] == 0 and len(steps) - places[-1] <= math.ceil(len(steps) / len(kept))


def test_a_pace_is_of_one_device_base_and_plan() -> None:
    names = {
        pace_key("cpu", "b", 256, 0), pace_key("gpu", "b", 256, 0), pace_key("cpu", "c", 256, 0),
        pace_key("cpu", "b", 512, 0), pace_key("cpu", "b", 256, 1),
    }  # fmt: skip
    assert len(names) == 5


# A workload

PACE = Pace(pass_s=0.1, token_s=1e-3, share=0.1)
STEP = StepSize(1, 900)  # 1 s
WORKLOAD = Workload(steps=(STEP,) * 10, epochs=3.0, validation=StepSize(2, 1800))  # 1 s forward


@pytest.mark.parametrize(
    ("epochs", "done", "left"),
    [
        (3.0, 0, 33.0),
        (3.0, 9, 24.0),
        (3.0, 10, 22.0),
        (3.0, 29, 2.0),
        (3.0, 30, 0.0),
        (1.5, 0, 17.0),
        (1.5, 15, 0.0),
        (0.05, 0, 2.0),
    ],
)
def test_what_is_left_are_the_steps_and_the_validations(
    epochs: float, done: int, left: float
) -> None:
    assert replace(WORKLOAD, epochs=epochs).seconds(PACE, done) == pytest.approx(left)


def test_each_chunk_pays_for_its_start() -> None:
    chunks = replace(WORKLOAD, chunk_s=10.0, restart_s=2.0)
    assert chunks.seconds(PACE) == pytest.approx(33 + 3 * 2)
    assert replace(chunks, chunk_s=0.0).seconds(PACE) == pytest.approx(33 + 30 * 2)


def test_the_estimate_is_one_line() -> None:
    assert (
        summary(WORKLOAD, PACE) == "1 s per step (0.91 to 1.1); 30 steps: about 33 s (30 s to 36 s)"
    )
    three = "1 s per step (0.91 to 1.1); 90 steps of 3 seeds: about 1 min 39 s (1 min 30 s to 1 min 49 s)"
    assert summary(WORKLOAD, PACE, 3) == three


# Ways out

BASE_SIZE = BaseSize(layers=36, weights=2.77e9)
SHORTER = [
    ShorterText(512, replace(WORKLOAD, steps=(StepSize(1, 700),) * 10), 0.1, 0.2),
    ShorterText(256, replace(WORKLOAD, steps=(StepSize(1, 400),) * 10), 0.4, 0.6),
]


def test_each_remedy_is_a_setting_with_its_time_and_cost() -> None:
    assert [str(way) for way in remedies(23.0, PACE, WORKLOAD, SHORTER, BASE_SIZE)] == [
        "train.max_tokens = 256: about 18 s, cuts 40 % of the notes and 60 % of their text",
        "train.epochs = 2: about 22 s, 2 epochs instead of 3",
        'base = "Qwen/Qwen2.5-1.5B-Instruct": about 17 s, a base with 1.3 instead of 2.8 billion weights',
    ]


def test_the_mildest_of_each_kind_is_named() -> None:
    first, *_ = remedies(28.0, PACE, WORKLOAD, SHORTER, BASE_SIZE)
    assert first.setting == "train.max_tokens = 512"


def test_there_is_no_remedy_if_no_single_change_is_enough() -> None:
    assert remedies(0.5, PACE, WORKLOAD, SHORTER, BASE_SIZE) == []


@given(st.floats(1, 40))
def test_every_remedy_fits_into_the_window(window: float) -> None:
    for way in remedies(window, PACE, WORKLOAD, SHORTER, BASE_SIZE):
        assert way.seconds <= window


def test_a_base_is_not_replaced_by_a_larger_one() -> None:
    small = BaseSize(layers=24, weights=0.36e9)
    assert not any("base" in way.setting for way in remedies(30.0, PACE, WORKLOAD, [], small))


def test_token_limits_cut_something_and_leave_something() -> None:
    assert token_limits(500) == [384, 256, 192, 128, 96, 64]
    assert token_limits(64) == []


# The quick lap


@pytest.mark.parametrize(
    ("allowed", "epochs", "max_tokens", "steps", "fits"),
    [
        (100, 3.0, None, None, True),
        (36.4, 3.0, None, None, True),
        (36, 2.5, None, None, True),
        (13, 1.0, None, None, True),
        (11, 1.0, 512, None, True),
        (7, 1.0, 256, None, True),
        (3, 1.0, 256, 3, True),
        (1, 1.0, 256, 1, False),
    ],
)
def test_a_quick_plan_keeps_as_much_as_fits(
    allowed: float, epochs: float, max_tokens: int | None, steps: int | None, fits: bool
) -> None:
    found = quick_plan(allowed, PACE, WORKLOAD, SHORTER)
    assert (found.epochs, found.max_tokens, found.steps, found.fits) == (
        epochs, max_tokens, steps, fits,
    )  # fmt: skip


amounts = st.builds(StepSize, st.integers(1, 5), st.integers(1, 4000))
workloads = st.builds(
    Workload,
    steps=st.lists(amounts, min_size=1, max_size=30).map(tuple),
    epochs=st.floats(0.2, 8),
    validation=amounts,
    chunk_s=st.floats(1, 1000),
    restart_s=st.floats(0, 20),
)


@given(workloads, st.floats(0, 500), st.floats(0, 500))
def test_more_time_never_leaves_less(workload: Workload, time: float, more: float) -> None:
    halved = tuple(replace(step, tokens=step.tokens / 2) for step in workload.steps)
    shorter = [ShorterText(128, replace(workload, steps=halved), 0.5, 0.5)]

    def kept(allowed: float) -> tuple[float, ...]:
        found = quick_plan(allowed, PACE, workload, shorter)
        return found.epochs, found.max_tokens or math.inf, found.steps or math.inf, found.fits

    assert all(a <= b for a, b in zip(kept(time), kept(time + more), strict=True))


@given(workloads, st.floats(0, 500))
def test_a_quick_plan_that_fits_ends_in_time(workload: Workload, allowed: float) -> None:
    found = quick_plan(allowed, PACE, workload, [])
    assume(found.fits and found.steps is None)
    assert replace(workload, epochs=found.epochs).estimate(PACE).high <= allowed
    assert found.epochs <= workload.epochs
