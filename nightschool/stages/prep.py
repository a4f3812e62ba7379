"""The prep stage: reads the notes, freezes the dataset, and fetches the base model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from nightschool.config.errors import LearningError
from nightschool.config.printable import listed
from nightschool.config.settings import Settings
from nightschool.config.settings_file import load
from nightschool.learning.hub import fetch, fingerprint, locate
from nightschool.notes.dataset import Dataset, write
from nightschool.notes.note import LoadedNotes
from nightschool.notes.notes_places import notes_places
from nightschool.notes.sample_size import describe_power, size_warnings
from nightschool.notes.split_assignments import write_split_assignments
from nightschool.notes.splits import Split
from nightschool.reports.text.leak_wording import leak_warnings
from nightschool.scoring.leak_phrases import LabelledText
from nightschool.stages.context import StageContext
from nightschool.stages.freeze_notes import read_and_freeze
from nightschool.stages.known_notes import write_left_out
from nightschool.stages.leak_check import check_leaks
from nightschool.stats.stage_results import PrepResult

_NO_VALIDATION = (
    "no validation notes: training cannot end early, and there is no temperature or threshold; add "
    "notes of other files or sources, or raise split.validation"
)
# Files that a warning names.
_MAX_NAMED = 3


def prep(context: StageContext) -> PrepResult:
    """Freeze the dataset, and make sure that the base model is on disk. Raises NotesError, LearningError."""
    settings = context.settings
    loaded, dataset = read_and_freeze(context.school, settings)
    test = dataset.of(Split.TEST)
    kinds, groups = Counter(item.kind for item in test), {item.group for item in test}
    small = size_warnings(kinds, len(groups), settings.decide.confidence)
    originals = [item for item in dataset.items if not item.origin]
    leaks = check_leaks(
        [LabelledText(item.text, item.kind, item.group, item.source) for item in originals],
        settings,
        notes_places(context.school.root, settings.notes),
    )
    warnings = [*leak_warnings(leaks), *_warnings(settings, loaded, dataset), *small]
    if not dataset.of(Split.VALIDATION):
        warnings.append(_NO_VALIDATION)
    for warning in warnings:
        context.parent.say("warning", warning)
    name = dataset.fingerprint[:16]
    # Before the dataset: a dataset without assignments means that they were lost.
    write_split_assignments(context.school.split_assignments_file, originals)
    write(dataset, context.school.datasets / name)
    write_left_out(context.folder, loaded, originals)
    counts = {split: len(dataset.of(split)) for split in Split}
    copies = len(dataset.items) - len(originals)
    context.parent.say(
        "state",
        f"{len(originals)} notes in {len(dataset.kinds)} kinds: {counts[Split.TRAIN] - copies} for training"
        f"{f' (and {copies} roughened copies of these)' if copies else ''}, "
        f"{counts[Split.VALIDATION]} for validation, {counts[Split.TEST]} for testing (dataset {name})",
    )
    if not small:
        context.parent.say("state", describe_power(counts[Split.TEST]))
    base = _base(context)
    return PrepResult(
        dataset=name,
        fingerprint=dataset.fingerprint,
        train=counts[Split.TRAIN],
        validation=counts[Split.VALIDATION],
        test=counts[Split.TEST],
        made=copies,
        known_kinds=loaded.known_kinds,
        warnings=tuple(warnings),
        label_leaks=leaks,
        base_folder=str(base),
        base_fingerprint=fingerprint(base),
    )


def _base(context: StageContext) -> Path:
    """The base's folder. Raises LearningError if it must be downloaded and the settings file names another:
    the ledger alone decides on no download."""
    base, root = context.settings.base, context.school.root
    now = load(context.school.settings_file).base
    if base != now and locate(base, root) is None:
        raise LearningError(
            f"this run was queued with base = {base!r}, which is not on disk; nightschool.toml names {now!r}",
            "set base again, or queue a new run with `nightschool run --new`",
        )
    return fetch(base, root)


def _warnings(settings: Settings, loaded: LoadedNotes, dataset: Dataset) -> list[str]:
    """Warnings about the notes: what was skipped and why, and what reading and freezing noticed."""
    skips = [
        f"{len(group.sources)} skipped ({group.message}): {listed(group.sources, _MAX_NAMED)}"
        for group in loaded.skipped_groups()
    ]
    unused = [
        f'[kinds] describes "{kind}", but no note is of this kind'
        for kind in settings.kinds
        if kind not in dataset.kinds
    ]
    return [*skips, *loaded.warnings, *dataset.warnings, *unused]
