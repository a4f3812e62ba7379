"""Which notes to ask about: copies of different kinds, notes unlike every kind, likely wrong labels."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from nightschool.config import files
from nightschool.config.errors import NotesError
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.notes.duplicates import near_duplicates
from nightschool.notes.identity import content_id
from nightschool.notes.kinds import check_names
from nightschool.notes.labels import Label, read_labels, with_labels, write_labels
from nightschool.notes.none_of_the_above import none_kind
from nightschool.notes.note import Note
from nightschool.notes.readers import read_school
from nightschool.notes.splits import MIN_NOTES_TO_MEASURE, number_groups
from nightschool.scoring.label_errors import find_label_errors
from nightschool.scoring.none_proposals import far_from_every_kind


class QuestionType(StrEnum):
    """Why a note is asked about, in the order in which questions are asked."""

    COPIES = "copies"
    """Its copies have different kinds."""
    NONE = "none"
    """It is unlabelled and unlike every kind."""
    SUSPECTS = "suspects"
    """It looks mislabelled."""
    FIRST = "first"
    """It is unlabelled, and a kind has too few notes to be measured."""


# Of the labelled and of the unlabelled notes; this many are compared in seconds.
_MAX_NOTES = 2000
_MAX_CHARACTERS = 2000
_EXCERPT = 60  # characters


@dataclass(frozen=True, slots=True)
class Question:
    """A note to be labelled."""

    id: str
    text: str
    source: str
    given: tuple[str, ...]
    """Its kinds; several if its copies differ."""
    type: QuestionType
    guess: str = ""
    """The kind that a simple model finds most likely."""
    probability: float = 0.0


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """The questions, and the kinds to choose from."""

    kinds: tuple[str, ...]
    none: str
    """The kind that means none of the above."""
    questions: tuple[Question, ...]

    def as_dict(self) -> dict[str, Any]:
        """For `label --json`; the type of a question has the key "why"."""
        questions = [asdict(question) for question in self.questions]
        return {
            "kinds": list(self.kinds),
            "none": self.none,
            "questions": [
                {"why" if k == "type" else k: v for k, v in q.items()} for q in questions
            ],
        }

    def counts(self) -> Counter[QuestionType]:
        """The number of questions of each type."""
        return Counter(question.type for question in self.questions)


def find_questions(
    school: School, settings: Settings, types: Collection[QuestionType], limit: int
) -> Questionnaire:
    """At most `limit` questions of each type, the clearest cases first, without notes that have a label.

    Raises NotesError if the notes or the labels cannot be read, if no kind is known, or if two kinds
    differ only in case or width.
    """
    labels = read_labels(school.labels_file)
    loaded = read_school(school.root, settings)
    copies: dict[str, list[Note]] = defaultdict(list)
    for note in with_labels(loaded, labels, settings.kinds).notes:
        copies[content_id(note.text)].append(note)
    candidates = [_question(id_, same) for id_, same in copies.items()]
    places = {kind: each.source for each in candidates for kind in each.given}
    places |= dict.fromkeys(settings.kinds, "under [kinds] in nightschool.toml")
    check_names(places)
    kinds = sorted(places)
    none = none_kind(kinds, settings.notes.none) or "none"
    if not set(kinds) - {none}:
        raise NotesError(
            "no kind is known yet",
            "put some notes into sub-folders named after their kinds, or name the kinds under [kinds] in "
            "nightschool.toml",
        )
    labelled = _sample(each for each in candidates if len(each.given) == 1)
    questions: list[Question] = []
    for type_ in QuestionType:
        if type_ not in types:
            continue
        match type_:
            case QuestionType.COPIES:
                found = [each for each in candidates if len(each.given) > 1]
            case QuestionType.NONE:
                found = _unlike_every_kind(labelled, candidates, none)
            case QuestionType.SUSPECTS:
                found = _suspects(labelled, copies, settings)
            case QuestionType.FIRST:
                found = _first(labelled, candidates, settings)
        asked = {question.id for question in questions} | labels.keys()
        questions += [question for question in found if question.id not in asked][:limit]
    return Questionnaire(tuple(sorted({*kinds, none})), none, tuple(questions))


def _question(id_: str, same: list[Note]) -> Question:
    """One question for all copies of a note."""
    first = same[0]
    given = tuple(sorted({note.kind for note in same if note.kind is not None}))
    source = ", ".join(note.source for note in same) if len(given) > 1 else first.source
    return Question(id_, first.text, source, given, QuestionType.COPIES)


def _unlike_every_kind(
    labelled: list[Question], candidates: list[Question], none: str
) -> list[Question]:
    pool = _sample(each for each in candidates if not each.given)
    proposals = far_from_every_kind(
        [_start(each) for each in labelled], [each.given[0] for each in labelled],
        [_start(each) for each in pool], none,
    )  # fmt: skip
    return [
        replace(pool[index], type=QuestionType.NONE, guess=guess, probability=probability)
        for index, guess, probability in proposals
    ]


def _suspects(
    labelled: list[Question], copies: dict[str, list[Note]], settings: Settings
) -> list[Question]:
    """All suspects, because some may have a label already."""
    notes = [Note(_start(each), each.given[0], each.id) for each in labelled]
    groups = number_groups(
        [copies[each.id] for each in labelled],
        near_duplicates([note.text for note in notes]),
        settings.split.same_source,
    )
    by_id = {each.id: each for each in labelled}
    return [
        replace(
            by_id[suspect.source],
            type=QuestionType.SUSPECTS,
            guess=suspect.suggested,
            probability=suspect.p_suggested,
        )
        for suspect in find_label_errors(notes, groups, most=len(notes)).worst
    ]


def _first(
    labelled: list[Question], candidates: list[Question], settings: Settings
) -> list[Question]:
    """Any notes, while a listed kind, or all kinds but one, have too few to be measured."""
    counts = Counter(each.given[0] for each in labelled)
    enough = [kind for kind, n in counts.items() if n >= MIN_NOTES_TO_MEASURE]
    if len(enough) >= 2 and set(settings.kinds) <= set(enough):
        return []
    unlabelled = _sample(each for each in candidates if not each.given)
    return [replace(each, type=QuestionType.FIRST) for each in unlabelled]


def _start(question: Question) -> str:
    return question.text[:_MAX_CHARACTERS]


def _sample(questions: Iterable[Question]) -> list[Question]:
    """As many as can be compared, in the order of a hash: the same ones each time."""
    order = sorted(questions, key=lambda each: hashlib.sha256(each.id.encode()).digest())
    return order[:_MAX_NOTES]


def save_label(school: School, question: Question, kind: str | None) -> None:
    """Save a label (None: the note is left out); it is on the disk when this returns.

    Raises OSError, NotesError if the labels cannot be read, FileBusy.
    """
    begins = " ".join(question.text[: 4 * _EXCERPT].split())[:_EXCERPT]
    at = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
    label = Label(question.id, kind, question.source, begins, at)
    _change_labels(school, lambda labels: labels | {question.id: label})


def delete_label(school: School, question: Question) -> None:
    """Delete the label of a note, if there is one. Raises errors as `save_label` does."""
    _change_labels(school, lambda all_: {i: v for i, v in all_.items() if i != question.id})


def _change_labels(school: School, change: Callable[[dict[str, Label]], dict[str, Label]]) -> None:
    """Read, change and write the labels; two `nightschool label` at once lose nothing of each other's."""
    with files.lock(school.state / school.labels_file.name):
        labels = read_labels(school.labels_file)
        if (changed := change(labels)) != labels:
            write_labels(school.labels_file, changed.values())
