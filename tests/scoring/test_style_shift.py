"""Whether labelled and unlabelled notes can be told apart."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from nightschool.notes.style_features import StyleFeature
from nightschool.scoring.style_shift import LEAST, auc_interval, compare_styles, placements

WORDS = [
    "bread",
    "butter",
    "salt",
    "flour",
    "oven",
    "soup",
    "kitchen",
    "chain",
    "wheel",
    "brake",
    "gear",
    "pedal",
    "saddle",
    "tyre",
]


def _side(count: int, seed: int, rough: bool = False) -> list[tuple[str, int]]:
    rng = random.Random(seed)
    texts = []
    for _ in range(count):
        lines = [" ".join(rng.choices(WORDS, k=6)).capitalize() + "." for _ in range(4)]
        texts.append(
            "\n".join(f"- {line.lower().rstrip('.')}" for line in lines)
            if rough
            else "\n".join(lines)
        )
    return [(text, 1000 * seed + n) for n, text in enumerate(texts)]


def test_notes_of_one_source_are_not_told_apart() -> None:
    found = compare_styles(_side(60, 1), _side(60, 2))
    assert found.style and found.words
    assert found.style.low < 0.5 < found.style.high
    assert found.words.low < 0.5 < found.words.high


def test_tidy_and_rough_notes_are_told_apart_and_what_differs_is_named() -> None:
    found = compare_styles(_side(60, 1), _side(40, 2, rough=True))
    assert (found.labelled, found.unlabelled) == (60, 40)
    assert found.style and found.style.value == 1 and 0.8 < found.style.low < 1
    telling = {feature.name: (feature.labelled, feature.unlabelled) for feature in found.features}
    assert telling[StyleFeature.LIST_ITEMS] == (0, 1)
    assert telling[StyleFeature.SENTENCE_ENDS] == (1, 0)


def test_the_same_words_in_another_form_are_told_apart_by_form_alone() -> None:
    tidy = _side(60, 1)
    found = compare_styles(
        tidy, [(text.replace("\n", "\n\n"), n + 100) for text, n in _side(60, 2)]
    )
    assert found.style and found.words
    assert found.style.low > 0.5 > found.words.low


@pytest.mark.parametrize(("ours", "theirs"), [(0, 0), (0, 50), (LEAST - 1, 50), (50, LEAST - 1)])
def test_too_few_notes_are_not_compared(ours: int, theirs: int) -> None:
    found = compare_styles(_side(ours, 1), _side(theirs, 2))
    assert (found.labelled, found.unlabelled, found.style) == (ours, theirs, None)
    assert (
        found.remark
        == "not compared: needs 20 labelled and 20 unlabelled notes of different texts and sources"
    )


def test_copies_are_no_further_notes() -> None:
    assert compare_styles(_side(50, 1), [("the same", 7)] * 50).style is None


@given(
    st.lists(st.integers(0, 6), min_size=2, max_size=15),
    st.lists(st.integers(0, 6), min_size=2, max_size=15),
)
def test_the_auc_is_scikit_learns_and_lies_in_its_interval(
    ours: list[int], theirs: list[int]
) -> None:
    found = auc_interval(placements(np.array(ours, dtype=float), np.array(theirs, dtype=float)))
    truth = [1] * len(ours) + [0] * len(theirs)
    assert found.value == pytest.approx(roc_auc_score(truth, ours + theirs))
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_the_interval_holds_the_true_auc_95_times_of_100() -> None:
    """Normal scores one standard deviation apart: the AUC is Phi(1 / sqrt 2)."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        found = auc_interval(placements(rng.normal(1, 1, 40), rng.normal(0, 1, 60)))
        held += found.low <= 0.7602 <= found.high
    assert 930 <= held <= 970
