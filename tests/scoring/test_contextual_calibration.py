from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.scoring.contextual_calibration import calibrated


def test_what_is_said_of_nothing_is_taken_out() -> None:
    """Zhao et al.'s example in numbers: a model that leans to the first kind whatever it reads."""
    rows = calibrated([[0.7, 0.3], [0.9, 0.1]], [[0.8, 0.2], [0.8, 0.2]])
    odds = 0.7 / 0.8, 0.3 / 0.2
    assert rows[0] == pytest.approx([odds[0] / sum(odds), odds[1] / sum(odds)])
    assert rows.argmax(axis=1).tolist() == [1, 0]


def test_the_bias_is_the_mean_over_the_notes_without_content() -> None:
    one = calibrated([[0.5, 0.5]], [[0.9, 0.1], [0.5, 0.5]])
    assert one == pytest.approx(calibrated([[0.5, 0.5]], [[0.7, 0.3]]))


def test_a_kind_that_nothing_speaks_for_is_no_division_by_nothing() -> None:
    rows = calibrated([[0.9, 0.1], [1.0, 0.0]], [[1.0, 0.0]])
    assert np.isfinite(rows).all()
    assert rows[1] == pytest.approx([1, 0])


shares = st.lists(st.floats(0.01, 1), min_size=3, max_size=3).map(lambda x: [p / sum(x) for p in x])


@given(st.lists(shares, min_size=1, max_size=4), st.lists(shares, min_size=1, max_size=3))
def test_probabilities_stay_probabilities_and_no_bias_changes_nothing(
    rows: list[list[float]], blanks: list[list[float]]
) -> None:
    assert calibrated(rows, blanks).sum(axis=1) == pytest.approx(1)
    assert calibrated(rows, [[1 / 3] * 3]) == pytest.approx(np.array(rows))
