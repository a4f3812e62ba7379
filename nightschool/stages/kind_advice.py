"""What the notes say about the kinds in a school's settings, for `doctor`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nightschool.config.errors import NotesError
from nightschool.config.kind_settings import KindSettings
from nightschool.config.notes_settings import NotesSettings
from nightschool.config.printable import listed
from nightschool.config.settings import Settings
from nightschool.notes.kind_stems import kind_stem
from nightschool.notes.labels import Label, with_labels
from nightschool.stages.first_look import FirstLook
from nightschool.stages.settings_draft import additions

_MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class KindAdvice:
    """What is odd about the kinds, a sentence each, and what else the notes name."""

    odd: tuple[str, ...]
    unlisted: tuple[str, ...]
    """What could be further kinds, with the number of notes, if [kinds] lists some."""
    changes: bool
    """Whether `init --update` would add something."""


def kind_advice(look: FirstLook, settings: Settings, labels: Mapping[str, Label]) -> KindAdvice:
    """Compare the kinds in the settings with what a first look found."""
    added = additions(look, settings)
    try:
        counts = _counts(look, settings.notes, settings.kinds, labels)
    except NotesError:
        counts = Counter()  # two kinds differ only in case
    odd, unlisted = [], []
    if settings.kinds:
        if unused := [kind for kind in settings.kinds if not counts[kind]]:
            odd.append(f"no note is of {_named(unused)}")
        odd += [f"{_named(each.aliases)} may mean {kind}" for kind, each in added.kinds.items()]
        known = {
            kind_stem(n) for kind, each in settings.kinds.items() for n in (kind, *each.aliases)
        }
        for found in look.proposal.kinds:
            if known.isdisjoint(map(kind_stem, (found.name, *found.aliases))):
                unlisted.append(f"{found.name} ({sum(n for _, _, n in found.found):,})")
    elif added.kinds:
        odd += _compared(counts, _counts(look, added.applied(settings.notes), added.kinds, labels))
    if patterns := added.notes.get("exclude"):
        odd.append(f"{_named(patterns)} may hold no notes")
    return KindAdvice(tuple(odd), tuple(unlisted), bool(added.notes or added.kinds))


def _compared(counts: Counter[str], proposed: Counter[str]) -> Iterator[str]:
    """What differs between the kinds that notes have without [kinds], and those that are proposed."""
    stems = {kind_stem(kind) for kind in proposed}
    if others := [kind for kind in counts if kind_stem(kind) not in stems]:
        yield f"{_named(others)} may be no kind{'s'[: len(others) != 1]}"
    if proposed.total() > counts.total() or len(proposed) != len(counts):
        kinds = listed([f"{kind} ({n})" for kind, n in proposed.most_common()], 2 * _MAX_NAMED)
        yield f"[kinds] is empty; the notes suggest {kinds}"


def _counts(
    look: FirstLook,
    notes: NotesSettings,
    kinds: Mapping[str, KindSettings],
    labels: Mapping[str, Label],
) -> Counter[str]:
    """The notes of each kind with these settings. Raises NotesError."""
    read = with_labels(look.labelled(notes, kinds), labels, kinds)
    return Counter(note.kind for note in read.notes if note.kind is not None)


def _named(names: Sequence[str]) -> str:
    return listed([f'"{name}"' for name in names], _MAX_NAMED)
