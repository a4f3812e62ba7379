"""The inventory of a school's notes, with everything that is checked about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from nightschool.config.errors import DamagedFile, LearningError, LedgerError, NotesError
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.learning.token_counts import token_counter
from nightschool.ledger.ledger import Ledger
from nightschool.notes.duplicates import near_duplicates
from nightschool.notes.inventory import (
    ExpectedTestSplit,
    Inventory,
    StyleShift,
    group_copies,
    take_inventory,
    with_copies,
)
from nightschool.notes.label_leaks import LabelLeaks
from nightschool.notes.labels import read_labels, with_labels
from nightschool.notes.languages import language
from nightschool.notes.new_notes import NewNotes, compare, labelled
from nightschool.notes.note import Note
from nightschool.notes.notes_places import notes_places
from nightschool.notes.readers import read_school
from nightschool.notes.sample_size import size_warnings
from nightschool.notes.splits import Split, number_groups
from nightschool.scoring.leak_phrases import LabelledText
from nightschool.stages.freeze_notes import assign_splits
from nightschool.stages.known_notes import known_to
from nightschool.stages.leak_check import check_leaks

OnProgress = Callable[[str, int, int], None]
"""Called now and then with (task, amount done, amount in all)."""
_ITEMS_PER_REPORT = 500
_T = TypeVar("_T")


def survey(
    school: School,
    settings: Settings,
    on_progress: OnProgress = lambda task, done, total: None,
) -> Inventory:
    """Take the inventory; writes nothing. Raises NotesError, see `read_notes`."""
    loaded = read_school(
        school.root, settings, lambda done, total, _: on_progress("reading", done, total)
    )
    loaded = with_labels(loaded, read_labels(school.labels_file), settings.kinds)
    notes = loaded.notes
    texts = [note.text for note in notes]
    tokens, fallback_reason = None, ""
    try:
        count = token_counter(settings.base, school.root)
        tokens = list(_reported(count(texts), len(texts), "counting tokens", on_progress))
    except LearningError as error:
        fallback_reason = str(error)
    languages = list(
        _reported(map(language, texts), len(texts), "detecting languages", on_progress)
    )
    on_progress("comparing notes", 0, 1)
    same = group_copies(notes)
    near = near_duplicates([texts[group[0]] for group in same])
    near = [[same[n][0] for n in group] for group in near]
    inventory = take_inventory(
        loaded,
        tokens=tokens,
        fallback_reason=fallback_reason,
        limit=settings.train.max_tokens,
        languages=languages,
        same=same,
        near=near,
    )
    groups = number_groups(
        [[n] for n in notes], with_copies(same, near), settings.split.same_source
    )
    from nightschool.scoring.label_errors import find_label_errors  # lazy: sklearn

    on_progress("looking for wrong labels", 0, 1)
    suspects = find_label_errors(notes, groups)
    on_progress("looking for label leaks", 0, 1)
    leaks = _label_leaks(school, settings, notes, groups)
    news, problem = _new_notes(school, notes)
    on_progress("comparing labelled with unlabelled notes", 0, 1)
    return replace(
        inventory,
        to_measure=_expected_test_split(school, settings, notes),
        news=news,
        warnings=(*inventory.warnings, *problem),
        suspects=suspects,
        label_leaks=leaks,
        style_shift=_style_shift(notes, groups),
    )


def _label_leaks(
    school: School, settings: Settings, notes: Sequence[Note], groups: Sequence[int]
) -> LabelLeaks:
    labelled = [
        LabelledText(note.text, note.kind, group, note.source)
        for note, group in zip(notes, groups, strict=True)
        if note.kind is not None
    ]
    return check_leaks(labelled, settings, notes_places(school.root, settings.notes))


def _expected_test_split(
    school: School, settings: Settings, notes: Sequence[Note]
) -> ExpectedTestSplit:
    try:
        test = assign_splits(school, settings, notes).of(Split.TEST)
    except (NotesError, DamagedFile) as error:
        return ExpectedTestSplit({}, 0, (), str(error))
    kinds = dict(sorted(Counter(item.kind for item in test).items()))
    groups = len({item.group for item in test})
    warnings = size_warnings(kinds, groups, settings.decide.confidence)
    return ExpectedTestSplit(kinds, groups, tuple(warnings))


def _new_notes(school: School, notes: Sequence[Note]) -> tuple[NewNotes | None, tuple[str, ...]]:
    """What is new since the newest run that read notes; None without such a run. And what hinders that."""
    if not school.ledger_file.exists():
        return None, ()
    try:
        with Ledger(school.ledger_file, writes=False) as ledger:
            run = ledger.newest_run_with_notes()
        known = known_to(school, run) if run else {}
    except (LedgerError, NotesError) as error:
        return None, (str(error),)
    return compare(run, known, labelled(notes)) if run else None, ()


def _style_shift(notes: Sequence[Note], groups: Sequence[int]) -> StyleShift:
    from nightschool.scoring.style_shift import compare_styles  # lazy: sklearn

    # One note of each group: copies would make the intervals too narrow.
    labelled: dict[int, str] = {}
    unlabelled: dict[int, str] = {}
    for note, group in zip(notes, groups, strict=True):
        (unlabelled if note.kind is None else labelled).setdefault(group, note.text)
    return compare_styles(
        *([(text, group) for group, text in each.items()] for each in (labelled, unlabelled))
    )


def _reported(items: Iterable[_T], total: int, task: str, on_progress: OnProgress) -> Iterator[_T]:
    for number, item in enumerate(items):
        if number % _ITEMS_PER_REPORT == 0:
            on_progress(task, number, total)
        yield item
