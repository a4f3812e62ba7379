"""The first look at somebody's notes: what is there, and the settings with which they can be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from nightschool.config.kind_settings import KindSettings
from nightschool.config.notes_settings import FOLDER, TAGS, NotesSettings
from nightschool.notes.exclusion import Exclusion
from nightschool.notes.first_reading import NotesSeen, look_through
from nightschool.notes.folder_names import holds_no_notes
from nightschool.notes.kind_evidence import KindEvidence, evidence_of
from nightschool.notes.kind_proposal import KindProposal, propose_kinds
from nightschool.notes.kind_resolution import Unresolved, resolve_all
from nightschool.notes.kind_stems import KIND_WORDS
from nightschool.notes.note import LoadedNotes
from nightschool.notes.notes_places import Places, as_places
from nightschool.notes.table_columns import usual_columns

MOST_FILES = 20_000
"""Of more files, this many are read, at even distances."""

OnProgress = Callable[[str, int, int], None]
"""Called now and then with (task, amount done, amount in all)."""
_SPECIAL = re.compile(r"([\\*?\[\]!#])")


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What was found in somebody's notes, and what follows from it."""

    seen: NotesSeen
    evidence: KindEvidence
    proposal: KindProposal
    exclude: tuple[str, ...]
    """Patterns for notes.exclude: templates, deleted notes, and tables that cannot be read."""
    columns: dict[str, str]
    """For [notes]: the columns of a table, if they are not those in the settings."""

    def labelled(self, notes: NotesSettings, kinds: Mapping[str, KindSettings]) -> LoadedNotes:
        """The notes that were read, as these settings would give them their kinds. Raises NotesError."""
        exclusion = Exclusion(notes.include, notes.exclude)
        kept = [each for each in self.seen.notes if not exclusion.pattern(_file_of(each))]
        return resolve_all(kept, kinds, notes)


def look(
    places: Places,
    settings: NotesSettings,
    on_progress: OnProgress = lambda task, done, total: None,
) -> FirstLook:
    """Look through the notes at some places. Raises NotesError, see `look_through`.

    Of `settings`, what names kinds does not count.
    """
    table = next((place.path for place in as_places(places) if place.path.is_file()), None)
    columns = usual_columns(table, settings) if table else {}
    wide = settings.model_copy(update={"kind_from": [*KIND_WORDS, FOLDER, TAGS], **columns})
    seen = look_through(
        places,
        wide,
        most_files=MOST_FILES,
        on_progress=lambda done, total, _: on_progress("reading", done, total),
    )
    exclude = tuple(_to_exclude(seen))
    exclusion = Exclusion((), exclude)
    evidence = evidence_of([each for each in seen.notes if not exclusion.pattern(_file_of(each))])
    return FirstLook(seen, evidence, propose_kinds(evidence), exclude, columns)


def _to_exclude(seen: NotesSeen) -> Iterator[str]:
    """Patterns for the folders of templates or deleted notes, and for broken tables."""
    folders: dict[str, None] = {}
    for unresolved in seen.notes:
        parts = _file_of(unresolved).split("/")[:-1]
        for depth, name in enumerate(parts):
            if holds_no_notes(name):
                folders.setdefault("/".join(parts[: depth + 1]))
                break
    yield from (f"/{_escaped(folder)}/" for folder in folders)
    yield from (f"/{_escaped(source)}" for source in seen.broken)


def _file_of(unresolved: Unresolved) -> str:
    """The path of its file below the notes folder."""
    return unresolved.note.file.removeprefix(unresolved.prefix)


def _escaped(path: str) -> str:
    return _SPECIAL.sub(r"\\\1", path)
