"""Freezing: labelled notes become the dataset of a run, each note in one split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from nightschool.config.errors import NotesError
from nightschool.config.printable import listed
from nightschool.notes.dataset import Dataset, Item, fingerprint_of
from nightschool.notes.duplicates import near_duplicates
from nightschool.notes.identity import content_id
from nightschool.notes.kinds import each_kind_first
from nightschool.notes.note import Note
from nightschool.notes.split_assignments import SplitAssignments
from nightschool.notes.splits import MIN_NOTES_TO_MEASURE, Split, assign, group_notes

_MAX_KINDS_LISTED = 8
"""More kinds than these share one warning."""


def freeze(
    notes: Sequence[Note],
    *,
    test: float,
    validation: float,
    seed: int,
    assignments: SplitAssignments | None = None,
    same_source: bool = True,
) -> Dataset:
    """Assign the labelled notes to splits, group by group; the order of `notes` does not matter.

    `test` and `validation` are shares of each kind (0 to 1). Copies of a note become one item. Its
    near-duplicates, and with `same_source` the notes of its file or origin, get the same split. A
    content in `assignments` keeps its split or is left out; see `splits.assign`. Raises NotesError if
    no note has a kind, if there is only one kind, or if nothing is left to train on or to measure with.
    """
    assignments = assignments or SplitAssignments()
    copies: dict[str, list[Note]] = defaultdict(list)
    for note in notes:
        if note.kind is not None:
            copies[content_id(note.text)].append(note)
    if not copies:
        raise NotesError(
            f"none of {len(notes)} notes has a kind",
            "put them into sub-folders named after their kinds, or add `kind:` to the front matter, or a label "
            "column; `nightschool init --update` proposes kinds",
        )
    copies, warnings = _merge_copies(copies)
    kinds = {id_: str(same[0].kind) for id_, same in copies.items()}
    texts = {id_: same[0].text for id_, same in copies.items()}
    signed = assignments.sign(texts)
    near = near_duplicates(list(texts.values()), signed=signed)
    groups = group_notes(copies, near, same_source)
    claims = assignments.claims(list(texts), signed)
    assigned = assign(kinds, groups, claims, test=test, validation=validation, seed=seed)
    names: dict[str, str] = {}  # group -> the smallest id in it that is not left out
    items = tuple(
        Item(
            id_,
            texts[id_],
            kinds[id_],
            assigned.splits[id_],
            copies[id_][0].source,
            names.setdefault(groups[id_], id_),
        )
        for id_ in texts
        if id_ in assigned.splits
    )
    warnings += _left_out_warnings([copies[id_][0].source for id_ in sorted(assigned.left_out)])
    if not items:
        raise NotesError("every note has two kinds, so none can be used", warnings[0])
    warnings += _check_kinds(items) + _large_group_warnings(items)
    present = tuple(sorted({item.kind for item in items}))
    return Dataset(items, present, fingerprint_of(items), tuple(warnings))


def _merge_copies(copies: Mapping[str, list[Note]]) -> tuple[dict[str, list[Note]], list[str]]:
    """The notes of each content in order, without contents under two kinds; and warnings."""
    unique: dict[str, list[Note]] = {}
    warnings = []
    repeated = 0
    for id_, same in sorted(copies.items()):
        same = sorted(same, key=lambda note: note.source)
        if len({note.kind for note in same}) > 1:
            same = [same[place] for place in each_kind_first([note.kind for note in same])]
            places = listed([f"{note.source} ({note.kind})" for note in same])
            warnings.append(
                f"the same note has different kinds and is left out: {places}; decide on one kind"
            )
            continue
        repeated += len(same) - 1
        unique[id_] = same
    if repeated:
        warnings.append(
            f"{repeated} exact cop{'y' if repeated == 1 else 'ies'} of other notes left out"
        )
    return unique, warnings


def _left_out_warnings(sources: Sequence[str]) -> list[str]:
    if not sources:
        return []
    some = ", ".join(sources[:3]) + (", ..." if len(sources) > 3 else "")
    return [
        f"{len(sources)} note{'s'[: len(sources) != 1]} left out, because their near-duplicates, or notes "
        f"of the same file or source, are in another split: {some}"
    ]


def _large_group_warnings(items: Sequence[Item]) -> list[str]:
    """A warning if most notes are one group, so that the other splits hold little else."""
    ((group, n),) = Counter(item.group for item in items).most_common(1)
    if 2 * n <= len(items):
        return []
    sources = [item.source for item in items if item.group == group]
    return [
        f"{n} of {len(items)} notes share one split, because they are near-duplicates or of one file or "
        f"source: {sources[0]}, {sources[1]}, ... (if the source does not matter, set "
        "split.same_source = false)"
    ]


def _check_kinds(items: Sequence[Item]) -> list[str]:
    """Warnings about single kinds. Raises NotesError if nothing can be trained or measured."""
    splits: dict[str, Counter[Split]] = defaultdict(Counter)
    for item in items:
        splits[item.kind][item.split] += 1
    _require_two_kinds(splits)
    _require_test_notes(splits)
    warnings = []
    small: dict[str, int] = {}
    for kind, counts in sorted(splits.items()):
        n = counts.total()
        if not counts[Split.TRAIN]:
            warnings.append(f'kind "{kind}" has no training note left: add some notes')
        elif not counts[Split.TEST] and n < MIN_NOTES_TO_MEASURE:
            small[kind] = n
        elif not counts[Split.TEST]:
            warnings.append(
                f'kind "{kind}" has {n} notes but no test note, because they are near-duplicates, of one '
                "file or source, or were trained on before: add others"
            )
    return [*warnings, *_small_kind_warnings(small)]


def _require_two_kinds(splits: Mapping[str, Counter[Split]]) -> None:
    """Raises NotesError unless there are training notes of two kinds."""
    if len(splits) == 1:
        raise NotesError(
            f'there is only one kind, "{next(iter(splits))}", so there is nothing to tell apart',
            "add notes of a second kind, for example a folder `none` with notes of no other kind",
        )
    trained = [kind for kind, counts in splits.items() if counts[Split.TRAIN]]
    if not trained:
        raise NotesError(
            "every note is a test or validation note, so nothing is left to train on",
            "add notes, or lower split.test and split.validation",
        )
    if len(trained) == 1:
        raise NotesError(
            f'only "{trained[0]}" has training notes, because all other notes were test or validation '
            "notes before",
            f"add notes of other kinds ({_counted(splits)})",
        )


def _require_test_notes(splits: Mapping[str, Counter[Split]]) -> None:
    """Raises NotesError if no kind has test notes."""
    if any(counts[Split.TEST] for counts in splits.values()):
        return
    if all(counts.total() < MIN_NOTES_TO_MEASURE for counts in splits.values()):
        message = f"no kind has {MIN_NOTES_TO_MEASURE} different notes, so nothing can be measured"
    else:
        message = (
            "there are no test notes, because the notes of each kind are near-duplicates, of one file or "
            "source (see split.same_source), or were trained on before"
        )
    raise NotesError(message, f"add notes ({_counted(splits)})")


def _counted(splits: Mapping[str, Counter[Split]]) -> str:
    return listed([f"{kind}: {counts.total()}" for kind, counts in sorted(splits.items())])


def _small_kind_warnings(kinds: Mapping[str, int]) -> list[str]:
    """Warnings about kinds that have too few notes to be measured; many kinds share one."""
    if len(kinds) > _MAX_KINDS_LISTED:
        return [
            f"{len(kinds):,} kinds have fewer than {MIN_NOTES_TO_MEASURE} notes, so they are trained on but "
            f"not measured (are they kinds at all?): {listed(list(kinds))}"
        ]
    return [
        f'kind "{kind}" has only {n} note{"s"[: n != 1]}, so it is trained on but not measured: add at '
        f"least {MIN_NOTES_TO_MEASURE - n} more"
        for kind, n in kinds.items()
    ]
