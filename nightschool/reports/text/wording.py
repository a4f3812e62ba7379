"""How numbers, times and names read in every form of the report."""

import math
from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from nightschool.notes.new_notes import NewNotes
from nightschool.stats.results import KindScores

MINUS = "\N{MINUS SIGN}"
SMALLEST_N = 10
"""Below so many test notes of a kind no F1 is shown: one note would move it by 0.1 or more."""

ARM_TITLES = {
    "majority": "Majority kind",
    "tfidf-lr": "Word counts (tfidf-lr)",
    "features-lr": "Base's features",
    "embeddings-lr": "Sentence embeddings",
    "zero-shot": "Base, zero-shot",
    "few-shot": "Base, few-shot",
    "server": "Large model (server)",
    "before": "Before",
    "after": "After",
}


_IN_WORDS = {
    "majority": "always answering the largest kind",
    "tfidf-lr": "a simple word-count model (tfidf-lr)",
    "features-lr": "a logistic regression on the untrained base's features (features-lr)",
    "embeddings-lr": "a logistic regression on sentence embeddings (embeddings-lr)",
}


def arm_in_words(name: str) -> str:
    """A cheap arm within a sentence."""
    return _IN_WORDS.get(name, name)


def arm_title(name: str) -> str:
    """The arm's name for a reader."""
    return ARM_TITLES.get(name, name)


def _hundredths(fraction: float) -> int:
    # Decimal of the repr, so that 0.145 is 14.5 and rounds half away from zero.
    return int((Decimal(repr(float(fraction))) * 100).quantize(Decimal(1), ROUND_HALF_UP))


def whole_percent(fraction: float) -> int:
    """A fraction as whole percent; 0 and 100 are kept for exactly none and exactly all."""
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
    """A probability with one decimal, rounded down, so that no claim gets bigger: 0.9499 -> '94.9 %'.

    Never more than 99.9 %: notes do not make certain.
    """
    tenths = (Decimal(repr(float(probability))) * 1000).quantize(Decimal(1), ROUND_DOWN)
    return f"{min(Decimal(999), tenths) / 10:.1f} %".replace(".0 %", " %")


def interval(bounds: Sequence[float]) -> str:
    """[0.34, 0.62] -> '34 to 62 %'."""
    low, high = bounds
    return f"{whole_percent(low)} to {percent(high)}"


def recall(scores: KindScores | None) -> str:
    """Percent; of fewer than SMALLEST_N notes the plain count, which claims less."""
    if scores is None or scores.n == 0:
        return "none"
    if scores.n < SMALLEST_N:
        return f"{round(scores.recall * scores.n)} of {scores.n}"
    return percent(scores.recall)


def f1(scores: KindScores | None) -> str:
    """Two decimals; below SMALLEST_N notes only that there are too few."""
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
    """'23 new labelled notes since run 4', and which kinds have grown."""
    said = f"{counted(news.new, 'new labelled note')} since run {news.run}"
    kinds = ", ".join(f'"{kind}"' for kind in news.grown)
    return f"{said}, and enough now of {kinds}" if kinds else said


def finite_losses(pairs: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """The (step, loss) pairs whose loss is a number."""
    return [(step, loss) for step, loss in pairs if math.isfinite(loss)]


def p_value(p: float) -> str:
    """'p < 0.001', or p with three decimals."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def local_moment(iso: str) -> str:
    """An ISO 8601 time as '2026-11-24 03:00' in this computer's time zone; other text unchanged."""
    try:
        return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return iso


def local_zone(iso: str) -> str:
    """This computer's offset at that time, as 'UTC+09:00'; '' where the time is not ISO 8601."""
    try:
        return f"UTC{datetime.fromisoformat(iso).astimezone().isoformat()[-6:]}"
    except (ValueError, OverflowError, OSError):
        return ""
