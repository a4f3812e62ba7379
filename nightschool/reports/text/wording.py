"""How numbers, times and names read in every form of the report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from nightschool.notes.new_notes import NewNotes
from nightschool.stats.terms import ArmName

if TYPE_CHECKING:
    from nightschool.stats.results import KindScores

MINUS = "\N{MINUS SIGN}"
SMALLEST_N = 10
"""With fewer test notes of a kind no F1 is shown: a single note would move it by 0.1 or more."""

ARM_TITLES: Mapping[ArmName, str] = {
    ArmName.MAJORITY: "Majority kind",
    ArmName.TFIDF_LR: "Word counts (tfidf-lr)",
    ArmName.FEATURES_LR: "Base model's features",
    ArmName.EMBEDDINGS_LR: "Sentence embeddings",
    ArmName.ZERO_SHOT: "Base model, zero-shot",
    ArmName.FEW_SHOT: "Base model, few-shot",
    ArmName.SERVER: "Large model (server)",
    ArmName.BEFORE: "Before",
    ArmName.AFTER: "After",
}

_IN_WORDS: Mapping[ArmName, str] = {
    ArmName.MAJORITY: "always answering with the largest kind",
    ArmName.TFIDF_LR: "a simple word-count model (tfidf-lr)",
    ArmName.FEATURES_LR: "a logistic regression on the untrained base model's features (features-lr)",
    ArmName.EMBEDDINGS_LR: "a logistic regression on sentence embeddings (embeddings-lr)",
}


def arm_in_words(name: ArmName) -> str:
    """A cheap arm as part of a sentence."""
    return _IN_WORDS.get(name, name)


def arm_title(name: ArmName) -> str:
    """The arm's name for a reader."""
    return ARM_TITLES[name]


def _hundredths(fraction: float) -> int:
    # Decimal of the repr, so that 0.145 is 14.5 and rounds half away from zero.
    return int((Decimal(repr(float(fraction))) * 100).quantize(Decimal(1), ROUND_HALF_UP))


def whole_percent(fraction: float) -> int:
    """A fraction as whole percent; 0 and 100 stand for exactly none and exactly all."""
    rounded = _hundredths(fraction)
    return min(99, max(1, rounded)) if 0 < fraction < 1 else rounded


def percent(fraction: float) -> str:
    """0.784 -> '78 %'."""
    return f"{whole_percent(fraction)} %"


def score_interval(bounds: Sequence[float]) -> str:
    """[0.571, 0.789] -> '0.57 to 0.79'."""
    low, high = bounds
    return f"{low:.2f} to {high:.2f}"


def fine_percent(probability: float) -> str:
    """A probability with one decimal, rounded down so as not to claim more: 0.9499 -> '94.9 %'.

    At most 99.9 %: a finite number of notes proves nothing for certain.
    """
    tenths = (Decimal(repr(float(probability))) * 1000).quantize(Decimal(1), ROUND_DOWN)
    return f"{min(Decimal(999), tenths) / 10:.1f} %".replace(".0 %", " %")


def interval(bounds: Sequence[float]) -> str:
    """[0.34, 0.62] -> '34 to 62 %'."""
    low, high = bounds
    return f"{whole_percent(low)} to {percent(high)}"


def recall(scores: KindScores | None) -> str:
    """Percent; for fewer than SMALLEST_N notes the count, which claims less."""
    if scores is None or scores.n == 0:
        return "none"
    if scores.n < SMALLEST_N:
        return f"{round(scores.recall * scores.n)} of {scores.n}"
    return percent(scores.recall)


def f1(scores: KindScores | None) -> str:
    """Two decimals, or 'n too small' for fewer than SMALLEST_N notes."""
    if scores is None or scores.n < SMALLEST_N:
        return "n too small"
    return f"{scores.f1:.2f}"


def points(difference: float) -> int:
    """A difference of fractions as whole percentage points."""
    return _hundredths(difference)


def signed(number: int) -> str:
    """34 -> '+34', -4 -> '−4' with a true minus sign, 0 -> '0'."""
    if number == 0:
        return "0"
    return f"{'+' if number > 0 else MINUS}{abs(number)}"


def hundredths(difference: float) -> str:
    """A difference of scores: 0.312 -> '+0.31', -0.04 -> '−0.04' with a true minus sign."""
    rounded = _hundredths(difference)
    return f"{'+' if rounded > 0 else MINUS if rounded < 0 else ''}{abs(rounded) / 100:.2f}"


def counted(number: int, noun: str) -> str:
    """1 -> '1 point', 2 -> '2 points', 1200 -> '1,200 points'."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def new_notes(news: NewNotes) -> str:
    """'23 new labelled notes since run 4', and the kinds that now have enough notes."""
    text = f"{counted(news.new, 'new labelled note')} since run {news.run}"
    kinds = ", ".join(f'"{kind}"' for kind in news.grown)
    have = "has" if len(news.grown) == 1 else "have"
    return f"{text}; {kinds} now {have} enough notes" if kinds else text


def finite_losses(pairs: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """The (step, loss) pairs whose loss is a number."""
    return [(step, loss) for step, loss in pairs if math.isfinite(loss)]


def p_value(p: float) -> str:
    """'p < 0.001', or p with three decimals."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def local_moment(iso: str) -> str:
    """An ISO 8601 time as '2026-11-24 03:00' in the local time zone; other text unchanged."""
    try:
        return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return iso


def local_zone(iso: str) -> str:
    """The local UTC offset at that time, as 'UTC+09:00'; '' if the time is not ISO 8601."""
    try:
        return f"UTC{datetime.fromisoformat(iso).astimezone().isoformat()[-6:]}"
    except (ValueError, OverflowError, OSError):
        return ""
