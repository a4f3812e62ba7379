"""The inventory of the notes in words, and as one self-contained HTML page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from nightschool.config import files
from nightschool.config.printable import listed
from nightschool.notes.inventory import Auc, Feature, Inventory, StyleShift
from nightschool.notes.kinds import FEW_NOTES
from nightschool.notes.style_features import SHARES, StyleFeature
from nightschool.reports.template import fill
from nightschool.reports.text import wording
from nightschool.reports.text.leak_wording import leak_details, leaks_in_words
from nightschool.reports.text.wording import counted

SHOWN_GROUPS = 10
SHOWN_WARNINGS = 10
SHOWN_SKIPPED = 20
# From these AUCs on, two sets of notes differ somewhat, and look like two sources.
_SOMEWHAT, _CLEARLY = 0.65, 0.8
# Of the features that roughening changes: those of tidy notes, and those of hasty ones.
TIDY_FEATURES = frozenset({
    StyleFeature.HEADINGS, StyleFeature.SENTENCE_ENDS, StyleFeature.MARKS, StyleFeature.CAPITALS,
})  # fmt: skip
HASTY_FEATURES = frozenset({StyleFeature.SMALL_STARTS})
# The histogram's geometry, in the units of its viewBox.
_BAR, _BARS_HIGH = 60, 150


def findings(inventory: Inventory) -> list[str]:
    """What stands out, and what to do about it: one or two sentences each, the most serious first."""
    sentences = [" ".join(leaks)] if (leaks := leaks_in_words(inventory.label_leaks)) else []
    sentences += _on_labels(inventory) if inventory.total else ["There are no notes."]
    sentences += _on_test_split(inventory) + _on_copies(inventory) + _on_lengths(inventory)
    errors, shift = inventory.suspects, inventory.style_shift
    if errors and errors.judged:
        disagrees = (
            f"A word-count model fitted on the other notes disagrees with the label of "
            f"{errors.disagreed or 'none'} of {counted(errors.judged, 'note')}"
        )
        check = ": check those below" if errors.worst else ""
        sentences.append(f"{disagrees}{check}.")
    if shift and shift.style:
        sentences.append(style_shift_in_words(shift, shift.style))
    if inventory.news and inventory.news.new:
        new = wording.new_notes(inventory.news)
        sentences.append(f"{new}: `nightschool run --tonight` trains on them, too.")
    return sentences


def _on_labels(inventory: Inventory) -> list[str]:
    if not inventory.kinds:
        return [
            f"None of {counted(inventory.total, 'note')} has a kind: put notes into sub-folders named after "
            "their kinds, or add `kind:` to the front matter, or a label column."
        ]
    if len(inventory.kinds) == 1:
        return [
            f"There is only one kind, {next(iter(inventory.kinds))}: add a second, for example a folder "
            "`none` with notes of no kind."
        ]
    if inventory.thin:
        thin = listed([f"{kind} ({inventory.kinds[kind].n})" for kind in inventory.thin])
        return [f"Kinds with fewer than {FEW_NOTES} notes, which can hardly be measured: {thin}."]
    return []


def _on_test_split(inventory: Inventory) -> list[str]:
    """The warnings that prep would give."""
    expected = inventory.to_measure
    if expected is None or len(inventory.kinds) < 2:
        return []
    if expected.problem:
        return [f"No run is possible: {expected.problem}."]
    return [f"{warning[0].upper()}{warning[1:]}." for warning in expected.warnings]


def _on_copies(inventory: Inventory) -> list[str]:
    sentences = []
    if inventory.contradictions:
        groups = counted(len(inventory.contradictions), "group")
        sentences.append(
            f"The same or nearly the same text has different kinds in {groups} of notes. Choose one kind for "
            "each group."
        )
    if inventory.total > 1 and [*map(len, inventory.duplicates)] == [inventory.total]:
        return [
            *sentences,
            f"All {inventory.total} notes have the same text: there is nothing to learn.",
        ]
    copies = sum(len(group) - 1 for group in inventory.duplicates)
    if copies:
        are = "is an exact copy of another" if copies == 1 else "are exact copies of others"
        sentences.append(f"{counted(copies, 'note')} {are}; each text counts once.")
    if inventory.near_duplicates:
        alike = sum(map(len, inventory.near_duplicates))
        groups = counted(len(inventory.near_duplicates), "group")
        sentences.append(f"{alike:,} notes are near-duplicates of one another, in {groups}.")
    return sentences


def _on_lengths(inventory: Inventory) -> list[str]:
    lengths = inventory.lengths
    if lengths.unit == "characters":
        return (
            [f"Lengths are in characters, because {lengths.fallback_reason}."]
            if lengths.fallback_reason
            else []
        )
    cut = next(cut for cut in lengths.cuts if cut.limit == lengths.limit)
    if not cut.notes:
        return []
    return [
        f"train.max_tokens = {cut.limit} cuts {wording.percent(cut.notes)} of the notes and loses "
        f"{loss(cut.text)} of all text."
    ]


def style_shift_in_words(shift: StyleShift, style: Auc) -> str:
    """What the two-sample test of the style found, for readers who do not know the AUC."""
    if style.low <= 0.5:
        if style.high >= _SOMEWHAT:
            return (
                "There are too few notes to tell whether labelled and unlabelled notes differ in style "
                f"(AUC {auc(style)})."
            )
        return f"Labelled and unlabelled notes cannot be distinguished by style (AUC {auc(style)})."
    pairs = "nearly all" if style.value > 0.99 else f"{100 * style.value:.0f} of 100"
    distinguished = (
        f"Style alone distinguishes labelled from unlabelled notes in {pairs} pairs; chance gives 50 "
        f"(AUC {auc(style)})"
    )
    if style.value < _SOMEWHAT:
        return f"{distinguished}: they look much alike."
    means = (
        "they differ somewhat" if style.value < _CLEARLY else "they look like two different sources"
    )
    roughen = ", or set train.roughen = 0.5" if _labelled_are_tidier(shift) else ""
    return (
        f"{distinguished}: {means}. Label some of the unlabelled ones, so that the model learns from what it "
        f"will sort{roughen}."
    )


def _labelled_are_tidier(shift: StyleShift) -> bool:
    """Whether most of the features that roughening changes say that the labelled notes are tidier."""
    signs = [
        (feature.labelled > feature.unlabelled) == (feature.name in TIDY_FEATURES)
        for feature in shift.features
        if feature.name in TIDY_FEATURES | HASTY_FEATURES
    ]
    return 2 * sum(signs) > len(signs)


def style_shift_details(shift: StyleShift) -> list[str]:
    """The features that differ, a line each, then the test of the words."""
    lines = [feature_in_words(feature) for feature in shift.features]
    return [*lines, *([f"by words: AUC {auc(shift.words)}"] if shift.words else [])]


def auc(area: Auc) -> str:
    """'0.93, 95 % interval 0.90 to 0.95'."""
    return f"{area.value:.2f}, 95 % interval {wording.score_interval((area.low, area.high))}"


def feature_in_words(feature: Feature) -> str:
    """'lines that are headings 12 % against 1 %'."""
    if feature.name in SHARES:
        values = [wording.percent(value) for value in (feature.labelled, feature.unlabelled)]
    else:
        values = [
            f"{value:,.{0 if value >= 10 else 1}f}"
            for value in (feature.labelled, feature.unlabelled)
        ]
    return f"{feature.name} {values[0]} against {values[1]}"


def some(counts: dict[str, int], most: int = 4) -> str:
    """'en 120, ja 40, others 3'."""
    first = [f"{name} {count:,}" for name, count in list(counts.items())[:most]]
    rest = sum(list(counts.values())[most:])
    return ", ".join([*first, *([f"others {rest:,}"] if rest else [])])


def loss(share: float) -> str:
    """A share of text as percent, with one decimal below 10 %: '0.4 %'."""
    return f"{100 * share:.1f} %" if 0 < share < 0.0995 else wording.percent(share)


def write(inventory: Inventory, file: Path) -> None:
    """Write the page atomically."""
    files.write(file, render(inventory).encode("utf-8", "replace"))


def render(inventory: Inventory) -> str:
    """The page's HTML; it loads nothing, and every text is escaped."""
    return fill(
        "inventory.html.j2",
        {"loss": loss, "some": some, "auc": auc, "group": listed},
        feature_in_words=feature_in_words,
        inventory=inventory,
        findings=findings(inventory),
        most=max((count.n for count in inventory.kinds.values()), default=1),
        bars=_bars(inventory.lengths.histogram),
        marked=_marked(inventory),
        bar=_BAR,
        high=_BARS_HIGH,
        leaks=[[line] for line in leak_details(inventory.label_leaks)],
        warnings=[[warning] for warning in inventory.warnings],
        shown=SHOWN_GROUPS,
        shown_skipped=SHOWN_SKIPPED,
        thin=FEW_NOTES,
    )


def _bars(histogram: Sequence[tuple[int, int, int]]) -> list[dict[str, float]]:
    """The histogram's bars, unlabelled notes on top of labelled ones: positions and heights."""
    most = max((labelled + unlabelled for _, labelled, unlabelled in histogram), default=1)
    scale = _BARS_HIGH / max(1, most)
    return [
        {"x": _BAR * n, "upto": upto, "n": labelled + unlabelled,
         "labelled": labelled * scale, "unlabelled": unlabelled * scale}
        for n, (upto, labelled, unlabelled) in enumerate(histogram)
    ]  # fmt: skip


def _marked(inventory: Inventory) -> float | None:
    """The position of train.max_tokens in the histogram; None outside it, or without tokens."""
    lengths = inventory.lengths
    if lengths.unit != "tokens" or not lengths.histogram:
        return None
    # A bar ends at its own length, which is twice that of the bar before.
    place = _BAR * (1 + math.log2(lengths.limit / lengths.histogram[0][0]))
    return place if 0 <= place <= _BAR * len(lengths.histogram) else None
