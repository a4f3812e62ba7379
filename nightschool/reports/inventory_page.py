"""The inventory of the notes in words, and as one self-contained HTML page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from nightschool.config import files
from nightschool.notes.inventory import Auc, Feature, Inventory, StyleShift
from nightschool.notes.kinds import FEW_NOTES
from nightschool.notes.printable import listed
from nightschool.reports.template import fill
from nightschool.reports.text import wording
from nightschool.reports.text.wording import counted

SHOWN_GROUPS = 10
SHOWN_WARNINGS = 10
# AUCs from which on two sides differ somewhat, and look like two sources.
_SOMEWHAT, _CLEARLY = 0.65, 0.8
# Whether more of it is tidy, of what roughening takes away or adds.
_TIDY = {
    "lines that are headings": True,
    "lines that end a sentence": True,
    "lines that begin with a small letter": False,
    "Markdown marks (in 100 characters)": True,
    "capitals (in 100 characters)": True,
}
# The histogram's drawing, in the units of its viewBox.
_BAR, _BARS_HIGH = 60, 150


def findings(inventory: Inventory) -> list[str]:
    """What stands out, and what to do about it: a sentence or two each, the gravest first."""
    said = _on_labels(inventory) if inventory.total else ["There are no notes."]
    said += _on_measuring(inventory) + _on_copies(inventory) + _on_lengths(inventory)
    suspects, texture = inventory.suspects, inventory.style_shift
    if suspects and suspects.judged:
        doubt = f"The cheap model, fitted on the others, doubts the kind of {suspects.disagreed or 'none'}"
        look = ": look at those below" if suspects.worst else ""
        said.append(f"{doubt} of {counted(suspects.judged, 'note')}{look}.")
    if texture and texture.style:
        said.append(texture_in_words(texture))
    if inventory.news and inventory.news.new:
        new = wording.new_notes(inventory.news)
        said.append(f"{new}: `nightschool run --tonight` trains on them, too.")
    return said


def _on_labels(inventory: Inventory) -> list[str]:
    if not inventory.kinds:
        return [
            f"None of {counted(inventory.total, 'note')} has a kind: put notes into sub-folders named after "
            "their kinds, or give `kind:` in the front matter, or a label column."
        ]
    if len(inventory.kinds) == 1:
        return [
            f"There is only one kind, {next(iter(inventory.kinds))}: add a second, for example a folder "
            "`none` with notes that are none of it."
        ]
    if inventory.thin:
        thin = listed([f"{kind} ({inventory.kinds[kind].n})" for kind in inventory.thin])
        return [f"Thin, with under {FEW_NOTES} notes and so hardly measurable: {thin}."]
    return []


def _on_measuring(inventory: Inventory) -> list[str]:
    """What prep would warn of."""
    kept = inventory.to_measure
    if kept is None or len(inventory.kinds) < 2:
        return []
    if kept.problem:
        return [f"No run is possible: {kept.problem}."]
    return [f"{warning[0].upper()}{warning[1:]}." for warning in kept.warnings]


def _on_copies(inventory: Inventory) -> list[str]:
    said = []
    if inventory.contradictions:
        groups = counted(len(inventory.contradictions), "group")
        said.append(
            f"Alike, but under different kinds: {groups} of notes. Decide on one kind for each."
        )
    if inventory.total > 1 and [*map(len, inventory.duplicates)] == [inventory.total]:
        return [
            *said,
            f"All {inventory.total} notes have the same text: there is nothing to learn.",
        ]
    copies = sum(len(group) - 1 for group in inventory.duplicates)
    if copies:
        said.append(
            f"{counted(copies, 'note')} repeat{'s' * (copies == 1)} another word for word: one of each counts."
        )
    if inventory.near_duplicates:
        alike = sum(map(len, inventory.near_duplicates))
        groups = counted(len(inventory.near_duplicates), "group")
        said.append(f"{alike:,} notes are nearly the same as others, in {groups}.")
    return said


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


def texture_in_words(texture: StyleShift) -> str:
    """What the two-sample test of the form found, for a reader who knows no AUC; it must be there."""
    form = texture.style
    assert form
    if form.low <= 0.5:
        if form.high >= _SOMEWHAT:
            return (
                "Too few notes to tell whether notes with a kind and notes without one differ in their "
                f"form (AUC {auc(form)})."
            )
        return f"By their form, notes with a kind and notes without cannot be told apart (AUC {auc(form)})."
    pairs = "nearly all" if form.value > 0.99 else f"{100 * form.value:.0f} of 100"
    told = (
        "By their form alone, notes with a kind are told from notes without one in "
        f"{pairs} pairs, where chance gives 50 (AUC {auc(form)}):"
    )
    if form.value < _SOMEWHAT:
        return f"{told} they look much alike."
    means = (
        "they differ somewhat" if form.value < _CLEARLY else "they look like two different sources"
    )
    roughen = ", or set train.roughen = 0.5" if _tidier(texture) else ""
    return (
        f"{told} {means}. Label some of the latter, so that the model learns from what it will sort"
        f"{roughen}."
    )


def _tidier(texture: StyleShift) -> bool:
    """Whether the labelled notes are the tidier ones, by more of the features that tell them apart."""
    more = {feature.name: feature.labelled > feature.unlabelled for feature in texture.features}
    signs = [more[name] == tidy for name, tidy in _TIDY.items() if name in more]
    return 2 * sum(signs) > len(signs)


def texture_details(texture: StyleShift) -> list[str]:
    """What differs, a line each; the test of the words last."""
    lines = [feature_in_words(feature) for feature in texture.features]
    return [*lines, *([f"by their words: AUC {auc(texture.words)}"] if texture.words else [])]


def auc(found: Auc) -> str:
    """'0.93, 95 % interval 0.90 to 0.95'."""
    return f"{found.value:.2f}, 95 % interval {wording.score_interval((found.low, found.high))}"


def feature_in_words(feature: Feature) -> str:
    """'lines that are headings 12 % against 1 %'."""
    if feature.name.startswith("lines"):
        values = [wording.percent(value) for value in (feature.labelled, feature.unlabelled)]
    else:
        values = [
            f"{value:,.{0 if value >= 10 else 1}f}"
            for value in (feature.labelled, feature.unlabelled)
        ]
    return f"{feature.name} {values[0]} against {values[1]}"


def some(counts: dict[str, int], most: int = 4) -> str:
    """'en 120, ja 40, 3 others'."""
    first = [f"{name} {count:,}" for name, count in list(counts.items())[:most]]
    rest = sum(list(counts.values())[most:])
    return ", ".join([*first, *([f"others {rest:,}"] if rest else [])])


def loss(share: float) -> str:
    """A share of text as percent, with a decimal where it is small: '0.4 %'."""
    return f"{100 * share:.1f} %" if 0 < share < 0.0995 else wording.percent(share)


def write(inventory: Inventory, file: Path) -> None:
    """Write the page, whole or not at all."""
    files.write(file, render(inventory).encode("utf-8", "replace"))


def render(inventory: Inventory) -> str:
    """The page's HTML; nothing in it is loaded from elsewhere, and every text is escaped."""
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
        warnings=[[warning] for warning in inventory.warnings],
        shown=SHOWN_GROUPS,
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
    """Where in the histogram train.max_tokens stands; None outside of it, or without tokens."""
    lengths = inventory.lengths
    if lengths.unit != "tokens" or not lengths.histogram:
        return None
    # A bar ends at its own length, and each is twice the one before.
    place = _BAR * (1 + math.log2(lengths.limit / lengths.histogram[0][0]))
    return place if 0 <= place <= _BAR * len(lengths.histogram) else None
