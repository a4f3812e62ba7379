"""Label leaks: what in the notes gives their kinds away, as types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nightschool.notes.leak_candidates import LeakForm

LeakRemedy = Literal["kind_from", "remove_lines", "remove_text"]
"""The setting in [notes] that takes a leak out of the texts."""


@dataclass(frozen=True, slots=True)
class LabelLeak:
    """A line or mark that is in most notes of one kind and in hardly any other.

    `found` of the `of` searched notes of the kind have it, and `others_found` of the `others`. `text` is
    how it stands in the example, `source` at `line` (None if unknown), and `entry` what to add to the
    setting `remedy`.
    """

    kind: str
    form: LeakForm
    text: str
    found: int
    of: int
    others_found: int
    others: int
    source: str
    line: int | None
    remedy: LeakRemedy
    entry: str


@dataclass(frozen=True, slots=True)
class LeakAccuracy:
    """The accuracy of word counts on `notes` notes that they were not fitted on, with all leaks in the
    texts and without them."""

    notes: int
    with_leaks: float
    without_leaks: float


@dataclass(frozen=True, slots=True)
class LabelLeaks:
    """What a search for label leaks found; `accuracy` is None without leaks, or with too few notes."""

    searched: int
    leaks: tuple[LabelLeak, ...]
    accuracy: LeakAccuracy | None
