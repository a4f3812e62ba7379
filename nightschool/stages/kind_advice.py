"""What the notes say about the kinds in a school's settings, for `doctor`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

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


def kind_advice(
    look: FirstLook, settings: Settings, labels: Mapping[str, Label]
) -> tuple[list[str], bool]:
    """What is odd about the kinds, and whether `init --update` would change something."""
    added = additions(look, settings)
    try:
        counts = _counts(look, settings.notes, settings.kinds, labels)
    except NotesError:
        counts = Counter()  # two kinds differ only in case
    odd = []
    if settings.kinds:
        if unused := [kind for kind in settings.kinds if not counts[kind]]:
            odd.append(f"no note is of {_named(unused)}")
        odd += [f"{_named(each.aliases)} may mean {kind}" for kind, each in added.kinds.items()]
    elif added.kinds:
        proposed = _counts(look, added.applied(settings.notes), added.kinds, labels)
        stems = {kind_stem(kind) for kind in proposed}
        if others := [kind for kind in counts if kind_stem(kind) not in stems]:
            odd.append(f"{_named(others)} may be no kind{'s'[: len(others) != 1]}")
        if proposed.total() > counts.total() or len(proposed) != len(counts):
            kinds = listed([f"{kind} ({n})" for kind, n in proposed.most_common()], 2 * _MAX_NAMED)
            odd.append(f"[kinds] is empty; the notes suggest {kinds}")
    if patterns := added.notes.get("exclude"):
        odd.append(f"{_named(patterns)} may hold no notes")
    return odd, bool(added.notes or added.kinds)


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
