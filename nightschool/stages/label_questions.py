"""Which notes the owner is asked about: unclear copies, notes near no kind, likely mislabelled ones."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from nightschool.config.errors import NotesError
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.notes.decoding import content_id
from nightschool.notes.duplicates import near_duplicates
from nightschool.notes.kinds import check_names
from nightschool.notes.labels import Label, read_labels, with_labels, write_labels
from nightschool.notes.none_of_the_above import none_kind
from nightschool.notes.readers import Note, read_school
from nightschool.notes.splits import number_groups
from nightschool.scoring.label_errors import find_suspects
from nightschool.scoring.none_proposals import far_from_every_kind

Why = Literal["copies", "none", "suspects"]
WHYS: tuple[Why, ...] = get_args(Why)

# Enough to ask about, and compared in seconds: so many labelled notes, and so many without a kind.
_MOST_NOTES = 2000
_MOST_CHARACTERS = 2000
_BEGINS = 60


@dataclass(frozen=True, slots=True)
class Question:
    """A note to decide on."""

    id: str
    text: str
    source: str
    given: tuple[str, ...]
    """The kinds that it has: several where its copies disagree."""
    why: Why
    guess: str = ""
    """The kind that the cheap model holds for the likeliest."""
    probability: float = 0.0


@dataclass(frozen=True, slots=True)
class Tour:
    """All that is asked, and what can be answered."""

    kinds: tuple[str, ...]
    none: str
    """The one of the kinds that means none of the above."""
    questions: tuple[Question, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def counts(self) -> Counter[str]:
        """How many questions there are of each sort."""
        return Counter(question.why for question in self.questions)


def make_tour(school: School, settings: Settings, wanted: Iterable[Why], most: int) -> Tour:
    """At most `most` questions of each wanted sort, the clearest cases first; answered ones are not asked.

    Raises NotesError where the notes or the answers cannot be read, no kind is known, or two of notes and
    settings differ in case or width alone.
    """
    labels = read_labels(school.labels_file)
    reading = read_school(school.root, settings)
    copies: dict[str, list[Note]] = defaultdict(list)
    for read in with_labels(reading, labels).notes:
        copies[content_id(read.text)].append(read)
    notes = [_one_of(id_, same) for id_, same in copies.items()]
    places = {kind: note.source for note in notes for kind in note.given}
    places |= dict.fromkeys(settings.kinds, "under [kinds] in nightschool.toml")
    check_names(places)
    kinds = sorted(places)
    none = none_kind(kinds, settings.notes.none) or "none"
    if not set(kinds) - {none}:
        raise NotesError(
            "no kind is known yet: put some notes into sub-folders named after their kinds, or name "
            "the kinds under [kinds] in nightschool.toml"
        )
    labelled = _drawn(note for note in notes if len(note.given) == 1)
    found: dict[Why, list[Question]] = {
        "copies": [note for note in notes if len(note.given) > 1],
        "none": _near_no_kind(labelled, notes, none) if "none" in wanted else [],
        "suspects": _suspects(labelled, copies, settings) if "suspects" in wanted else [],
    }
    asked = [
        question
        for why in WHYS
        if why in wanted
        for question in [note for note in found[why] if note.id not in labels][:most]
    ]
    return Tour(tuple(sorted({*kinds, none})), none, tuple(asked))


def _one_of(id_: str, same: list[Note]) -> Question:
    """One question for all copies of a note."""
    first = same[0]
    given = tuple(sorted({note.kind for note in same if note.kind is not None}))
    source = ", ".join(note.source for note in same) if len(given) > 1 else first.source
    return Question(id_, first.text, source, given, "copies")


def _near_no_kind(labelled: list[Question], notes: list[Question], none: str) -> list[Question]:
    pool = _drawn(note for note in notes if not note.given)
    found = far_from_every_kind(
        [_read(note) for note in labelled], [note.given[0] for note in labelled],
        [_read(note) for note in pool], none,
    )  # fmt: skip
    return [
        replace(pool[index], why="none", guess=guess, probability=chance)
        for index, guess, chance in found
    ]


def _suspects(
    labelled: list[Question], copies: dict[str, list[Note]], settings: Settings
) -> list[Question]:
    """All of them, for some may be answered already."""
    notes = [Note(_read(note), note.given[0], note.id) for note in labelled]
    groups = number_groups(
        [copies[note.id] for note in labelled],
        near_duplicates([note.text for note in notes]),
        settings.split.same_source,
    )
    of = {note.id: note for note in labelled}
    return [
        replace(of[one.source], why="suspects", guess=one.suggested, probability=one.p_suggested)
        for one in find_suspects(notes, groups, most=len(notes)).worst
    ]


def _read(note: Question) -> str:
    return note.text[:_MOST_CHARACTERS]


def _drawn(notes: Iterable[Question]) -> list[Question]:
    """All notes, or as many as can be compared: the same ones each time."""
    order = sorted(notes, key=lambda note: hashlib.sha256(note.id.encode()).digest())
    return order[:_MOST_NOTES]


def answer(school: School, question: Question, kind: str | None) -> None:
    """Keep an answer (None: the note is left out): it is on the disk when this returns."""
    begins = " ".join(question.text[: 4 * _BEGINS].split())[:_BEGINS]
    at = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
    labels = read_labels(school.labels_file)
    labels[question.id] = Label(question.id, kind, question.source, begins, at)
    write_labels(school.labels_file, labels.values())


def withdraw(school: School, question: Question) -> None:
    """Take an answer back, if there is one."""
    labels = read_labels(school.labels_file)
    if labels.pop(question.id, None):
        write_labels(school.labels_file, labels.values())
