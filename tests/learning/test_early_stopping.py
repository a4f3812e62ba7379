from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.learning.early_stopping import best_step, should_end


def measured(*losses: float) -> list[list[float]]:
    return [[10 * epoch, loss] for epoch, loss in enumerate(losses, start=1)]


@pytest.mark.parametrize(
    ("losses", "patience", "ends"),
    [
        ((), 1, False),
        ((1.0,), 1, False),
        ((1.0, 0.9), 1, False),
        ((1.0, 1.1), 1, True),
        ((1.0, 1.0), 1, True),
        ((1.0, 1.1), 2, False),
        ((1.0, 1.1, 1.05), 2, True),
        ((1.0, 1.1, 0.9), 2, False),
        ((0.5, 1.0, 0.9, 0.8), 3, True),
        ((0.5, 1.0, 1.0, 1.0, 1.0), 0, False),
    ],
)
def test_training_ends_after_so_many_epochs_that_were_no_better(
    losses: tuple[float, ...], patience: int, ends: bool
) -> None:
    assert should_end(measured(*losses), patience) is ends


def test_the_first_of_equally_good_steps_is_the_best() -> None:
    assert best_step(measured(1.0, 0.5, 0.7, 0.5)) == 20
    assert best_step([]) is None


losses = st.lists(st.floats(0, 10), max_size=12)


@given(losses, st.integers(1, 5))
def test_a_better_epoch_never_ends_training_and_the_best_lies_patience_epochs_back(
    seen: list[float], patience: int
) -> None:
    history = measured(*seen)
    ends = should_end(history, patience)
    if seen and all(seen[-1] < loss for loss in seen[:-1]):
        assert not ends
    best = best_step(history)
    assert ends == (best is not None and best <= 10 * (len(seen) - patience))


@given(losses, st.integers(1, 5))
def test_more_patience_never_ends_sooner(seen: list[float], patience: int) -> None:
    if should_end(measured(*seen), patience + 1):
        assert should_end(measured(*seen), patience)
