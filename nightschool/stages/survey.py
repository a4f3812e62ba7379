"""The whole inventory of a school's notes: read, measured, and looked through for what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from nightschool.config.errors import LearningError, LedgerError, NotesError
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.learning.token_counts import token_counter
from nightschool.ledger.ledger import Ledger
from nightschool.notes.duplicates import near_duplicates
from nightschool.notes.inventory import Inventory, Texture, ToMeasure, alike, copies, take
from nightschool.notes.labels import read_labels, with_labels
from nightschool.notes.languages import language
from nightschool.notes.new_notes import News, compare, labelled
from nightschool.notes.readers import Note, read_school
from nightschool.notes.splits import Split, number_groups
from nightschool.notes.test_set_size import too_small
from nightschool.stages.context import assign_splits
from nightschool.stages.known_notes import known_to

Tell = Callable[[str, int, int], None]
"""Told (what is done, how much of it, of how much) now and then."""
_BETWEEN_TELLING = 500
_T = TypeVar("_T")


def survey(
    school: School, settings: Settings, tell: Tell = lambda what, done, total: None
) -> Inventory:
    """Take the inventory; nothing is written. Raises NotesError, see `read_notes`."""
    reading = read_school(
        school.root, settings, lambda done, total, _: tell("reading", done, total)
    )
    reading = with_labels(reading, read_labels(school.labels_file))
    notes = reading.notes
    texts = [note.text for note in notes]
    tokens, why = None, ""
    try:
        count = token_counter(settings.base, school.root)
        tokens = list(_told(count(texts), len(texts), "counting tokens", tell))
    except LearningError as error:
        why = str(error)
    languages = list(_told(map(language, texts), len(texts), "telling languages", tell))
    tell("looking for copies", 0, 1)
    same = copies(notes)
    near = near_duplicates([texts[group[0]] for group in same])
    near = [[same[n][0] for n in group] for group in near]
    inventory = take(
        reading,
        tokens=tokens,
        why=why,
        limit=settings.train.max_tokens,
        languages=languages,
        same=same,
        near=near,
    )
    groups = number_groups([[n] for n in notes], alike(same, near), settings.split.same_source)
    from nightschool.scoring.label_errors import find_suspects

    tell("looking for wrong labels", 0, 1)
    suspects = find_suspects(notes, groups)
    tell("comparing labelled with unlabelled notes", 0, 1)
    return replace(
        inventory,
        to_measure=_to_measure(school, settings, notes),
        news=_news(school, notes),
        suspects=suspects,
        texture=_texture(notes, groups),
    )


def _to_measure(school: School, settings: Settings, notes: Sequence[Note]) -> ToMeasure:
    try:
        test = assign_splits(school, settings, notes).of(Split.TEST)
    except NotesError as error:
        return ToMeasure({}, 0, (), str(error))
    kinds = dict(sorted(Counter(item.kind for item in test).items()))
    groups = len({item.group for item in test})
    return ToMeasure(kinds, groups, tuple(too_small(kinds, groups, settings.decide.confidence)))


def _news(school: School, notes: Sequence[Note]) -> News | None:
    """What is new since the newest run that learnt from notes; None where none did, or none can tell."""
    if not school.ledger_file.exists():
        return None
    try:
        with Ledger(school.ledger_file) as ledger:
            run = ledger.newest_run_with_notes()
        return compare(run, known_to(school, run), labelled(notes)) if run else None
    except (LedgerError, NotesError):
        return None


def _texture(notes: Sequence[Note], groups: Sequence[int]) -> Texture:
    from nightschool.scoring.style_shift import compare_texture

    # One of each group on a side: copies would feign certainty.
    sides: dict[bool, dict[int, str]] = {True: {}, False: {}}
    for note, group in zip(notes, groups, strict=True):
        sides[note.kind is not None].setdefault(group, note.text)
    labelled, unlabelled = (
        [(text, group) for group, text in sides[side].items()] for side in (True, False)
    )
    return compare_texture(labelled, unlabelled)


def _told(items: Iterable[_T], total: int, what: str, tell: Tell) -> Iterator[_T]:
    for number, item in enumerate(items):
        if number % _BETWEEN_TELLING == 0:
            tell(what, number, total)
        yield item
