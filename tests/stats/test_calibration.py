from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from nightschool.stats.calibration import calibration, reliability, scaled, temperature


def said(notes: int, heat: float = 1.0, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Notes' probabilities over four kinds, `heat` times too sure, and kinds drawn from the true ones."""
    random = np.random.default_rng(seed)
    logits = 2 * random.standard_normal((notes, 4))
    true = [int(random.choice(4, p=row)) for row in softmax(logits, axis=1)]
    return softmax(heat * logits, axis=1), true


@pytest.mark.parametrize("heat", [0.5, 1.0, 3.0])
def test_the_temperature_is_by_how_much_a_model_is_too_sure(heat: float) -> None:
    assert temperature(*said(4000, heat)) == pytest.approx(heat, rel=0.06)


def test_the_temperature_is_that_of_scikit_learn() -> None:
    """A prior apart, which so many notes outweigh."""
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    class Says(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        """A classifier that passes logits on."""

        classes_ = np.arange(4)

        def fit(self, x: object, y: object) -> Says:
            self.fitted_ = True
            return self

        def predict(self, x: np.ndarray) -> np.ndarray:
            answers: np.ndarray = x.argmax(axis=1)
            return answers

        def decision_function(self, x: np.ndarray) -> np.ndarray:
            return x

    rows, true = said(2000, 2.5)
    theirs = CalibratedClassifierCV(
        FrozenEstimator(Says().fit(rows, true)), method="temperature", ensemble=False
    )
    logits = np.log(np.maximum(rows, 5e-7))  # six decimals are kept
    theirs.fit(logits, true)
    ours = temperature(rows, true)
    assert ours is not None
    expected = theirs.predict_proba(logits)
    assert scaled(rows, ours) == pytest.approx(expected, abs=1e-3)


def test_a_few_notes_that_are_all_right_do_not_make_a_model_certain() -> None:
    rows = np.tile([0.7, 0.2, 0.1], (6, 1))
    found = temperature(rows, [0] * 6)
    assert found is not None and 0.2 < found < 1
    assert scaled(rows, found).max() < 0.995


def test_no_validation_notes_give_no_temperature() -> None:
    assert temperature(np.empty((0, 4)), []) is None
    test = said(30)
    found = calibration((np.empty((0, 4)), []), test, np.arange(30))
    assert (found.temperature, found.validation, found.scaled) == (None, 0, None)


@given(st.integers(0, 50), st.floats(0.05, 20))
def test_a_temperature_changes_no_answer(seed: int, heat: float) -> None:
    rows, _ = said(20, seed=seed)
    after = scaled(rows, heat)
    assert after.sum(axis=1) == pytest.approx(1)
    assert (after.argmax(axis=1) == rows.argmax(axis=1)).all()


def test_bins_are_those_of_scikit_learn() -> None:
    rows, true = said(300, 2.0)
    found = reliability(rows, true, np.arange(300))
    right = rows.argmax(axis=1) == true
    share, confidence = calibration_curve(right, rows.max(axis=1), n_bins=10)
    assert [b.accuracy for b in found.bins] == pytest.approx(share.tolist())
    assert [b.confidence for b in found.bins] == pytest.approx(confidence.tolist())
    assert sum(b.n for b in found.bins) == 300
    assert found.log_loss == pytest.approx(log_loss(true, rows))
    apart = sum(b.n * abs(b.accuracy - b.confidence) for b in found.bins) / 300
    assert found.ece == pytest.approx(apart)


def test_a_model_that_is_too_sure_shows_more_error_than_chance_and_less_with_a_temperature() -> (
    None
):
    found = calibration(said(400, 3.0, seed=1), said(200, 3.0), np.arange(200))
    assert found.scaled is not None
    assert found.plain.ece > 2 * found.plain.ece_by_chance
    assert found.scaled.ece < found.plain.ece / 2
    assert found.scaled.log_loss < found.plain.log_loss


def test_probabilities_that_are_believable_show_what_chance_shows() -> None:
    errors = [reliability(*said(60, seed=seed), np.arange(60)) for seed in range(40)]
    found = np.mean([error.ece for error in errors])
    assert found == pytest.approx(np.mean([e.ece_by_chance for e in errors]), rel=0.15)
    assert found > 0.05  # which is why the two stand side by side


@pytest.mark.parametrize("p", [[1.0, 0.0], [0.5, 0.5]])
def test_one_note_and_probabilities_at_the_ends(p: list[float]) -> None:
    found = reliability(np.array([p]), [1], np.array([0]))
    assert len(found.bins) == 1 and np.isfinite(found.log_loss)
    assert found.ece == pytest.approx(max(p))
