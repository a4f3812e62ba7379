"""From a school's notes folder to the dataset that a run freezes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nightschool.config.errors import NotesError, NotesUnavailable
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.notes.augmentation import with_roughened_copies
from nightschool.notes.dataset import Dataset
from nightschool.notes.freezing import freeze
from nightschool.notes.labels import read_labels, with_labels
from nightschool.notes.none_of_the_above import unused_none_warning
from nightschool.notes.note import LoadedNotes, Note, SkipReason
from nightschool.notes.notes_places import Places, in_words, notes_places
from nightschool.notes.readers import OnProgress, read_school
from nightschool.notes.split_assignments import read_split_assignments


def read_and_freeze(
    school: School, settings: Settings, on_progress: OnProgress | None = None
) -> tuple[LoadedNotes, Dataset]:
    """Read a school's notes, assign them to splits and add roughened copies to the training split.

    Nothing is written. Raises NotesError.
    """
    loaded = read_school(school.root, settings, on_progress)
    if unreadable := [one for one in loaded.skipped if one.passing]:
        raise NotesUnavailable(
            f"{unreadable[0].source} {unreadable[0].message}",
            "check its drive, or leave it out with notes.exclude",
        )
    if not loaded.notes:
        # The mount point of a drive that is not connected is an empty folder.
        error = NotesError if loaded.skipped else NotesUnavailable
        excluded = any(each.reason is SkipReason.EXCLUDED for each in loaded.skipped)
        remedy = "put some there, or set notes.folder in nightschool.toml"
        raise error(
            _nothing_read(notes_places(school.root, settings.notes), loaded),
            f"remove a pattern from notes.exclude or notes.include, {remedy}"
            if excluded
            else remedy,
        )
    loaded = with_labels(loaded, read_labels(school.labels_file), settings.kinds)
    dataset = assign_splits(school, settings, loaded.notes)
    if warning := unused_none_warning(dataset.kinds, settings.notes.none):
        dataset = replace(dataset, warnings=(*dataset.warnings, warning))
    return loaded, with_roughened_copies(dataset, settings.train.roughen, settings.split.seed)


def assign_splits(school: School, settings: Settings, notes: Sequence[Note]) -> Dataset:
    """The dataset that a run would freeze, without roughened copies. Raises NotesError, see `freeze`."""
    return freeze(
        notes,
        test=settings.split.test,
        validation=settings.split.validation,
        seed=settings.split.seed,
        assignments=read_split_assignments(school.split_assignments_file),
        same_source=settings.split.same_source,
    )


def _nothing_read(places: Places, loaded: LoadedNotes) -> str:
    groups = loaded.skipped_groups()[:3]
    skipped = ", ".join(f"{len(group.sources)} skipped: {group.message}" for group in groups)
    return f"there are no notes in {in_words(places)}{f' ({skipped})' if skipped else ''}"
