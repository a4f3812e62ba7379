"""Which notes are to be forgotten: those that datasets, reports and labels know, and that are gone."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from nightschool.config import bounded_json
from nightschool.config.errors import NotesError, RequestError
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.jobs.forgetting.traces import FORGOTTEN, Traces
from nightschool.ledger.forgettings import AffectedRun
from nightschool.ledger.ledger import Ledger
from nightschool.notes.dataset import Dataset, load
from nightschool.notes.identity import content_id
from nightschool.notes.labels import read_labels
from nightschool.notes.note import SkipReason
from nightschool.notes.notes_places import NotesPlace, in_words, notes_places
from nightschool.notes.readers import read_school
from nightschool.notes.split_assignments import read_split_assignments
from nightschool.notes.splits import Split

_NO_TEXT = (SkipReason.EMPTY, SkipReason.HEADING_ONLY, SkipReason.NO_TEXT)


@dataclass(slots=True)
class _RecordedNote:
    """What the school's files know of a content id."""

    sources: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class PresentNotes:
    """The notes folder as it is now: content ids, names, and names that could not be read."""

    ids: frozenset[str]
    sources: frozenset[str]
    unread: frozenset[str]

    def may_hold(self, sources: set[str]) -> bool:
        """Whether one of these names is of a file that exists but could not be read."""
        return any(_file_of(source) in self.unread for source in sources)


@dataclass(frozen=True, slots=True)
class Selection:
    """The notes to forget, and the runs that had read them."""

    traces: Traces
    notes: int
    sources: tuple[str, ...]
    similar: tuple[str, ...]
    """Names of notes that stay, although a group joins them to a forgotten one."""
    runs: tuple[AffectedRun, ...]


def present_notes(school: School, settings: Settings) -> PresentNotes:
    """Read the notes folder. Raises NotesError if it cannot be reached."""
    loaded = read_school(school.root, settings)
    prefixes = [f"{Path(folder).as_posix()}/" for folder in settings.notes.folders]
    unread = {
        name
        for one in loaded.skipped
        if one.reason not in _NO_TEXT
        for name in _names(_file_of(one.source), prefixes)
    }
    ids = frozenset(content_id(note.text) for note in loaded.notes)
    return PresentNotes(ids, frozenset(note.source for note in loaded.notes), frozenset(unread))


def select_gone(school: School, settings: Settings, ledger: Ledger) -> Selection:
    """Every note that is no longer in the notes folder. Raises RequestError if most of them are gone."""
    places = notes_places(school.root, settings.notes)
    present = present_notes(school, settings)
    datasets = _datasets(school)
    recorded = _recorded_notes(school, datasets)
    kept = sum(id_ in present.ids for id_ in recorded)
    if recorded and 2 * kept < len(recorded):
        raise RequestError(
            f"only {kept} of {len(recorded)} notes are left in {in_words(places)}",
            "connect its drive; if you deleted the others, name their files or folders",
        )
    gone = {
        id_
        for id_, note in recorded.items()
        if id_ not in present.ids and not present.may_hold(note.sources)
    }
    if not present.unread:
        gone |= set(_ids_without_text(school)) - present.ids
    return _selection(school, ledger, datasets, recorded, present, gone)


def select_named(
    school: School, settings: Settings, ledger: Ledger, names: Sequence[str]
) -> Selection:
    """The gone notes, and the gone revisions of notes, with these names: files, folders, rows or ids.

    Raises RequestError if a name is unknown, or all that it names is still in the notes folder.
    """
    present = present_notes(school, settings)
    datasets = _datasets(school)
    recorded = _recorded_notes(school, datasets)
    gone: set[str] = set()
    for name in names:
        forms = _forms(name, notes_places(school.root, settings.notes))
        matches = {id_ for id_, note in recorded.items() if id_ == name or _is_named(note, forms)}
        if not matches:
            raise RequestError(f"no dataset, report or label knows {name}", "check the name")
        here = {i for i in matches if i in present.ids or present.may_hold(recorded[i].sources)}
        if matches == here:
            raise RequestError(
                f"{name} is still in the notes folder, so the next run would learn it again",
                "delete or change it there first",
            )
        gone |= matches - here
    return _selection(school, ledger, datasets, recorded, present, gone)


def select_ids(
    school: School, settings: Settings, ledger: Ledger, ids: frozenset[str]
) -> Selection:
    """What is left of a forgetting that was interrupted."""
    datasets = _datasets(school)
    recorded = _recorded_notes(school, datasets)
    try:
        present = present_notes(school, settings)
    except NotesError:  # its drive may be away by now
        present = PresentNotes(frozenset(), frozenset(), frozenset())
    return _selection(school, ledger, datasets, recorded, present, set(ids))


def _selection(
    school: School,
    ledger: Ledger,
    datasets: dict[str, Dataset],
    recorded: dict[str, _RecordedNote],
    present: PresentNotes,
    gone: set[str],
) -> Selection:
    ids = gone | set(_copies(datasets, gone))
    kept = {
        source for id_, note in recorded.items() if id_ not in ids for source in note.sources
    } | present.sources
    sources = {source for id_ in gone if id_ in recorded for source in recorded[id_].sources}
    texts = {text for id_ in ids if id_ in recorded for text in recorded[id_].texts}
    kinds = {kind for dataset in datasets.values() for kind in dataset.kinds}
    traces = Traces(frozenset(ids), frozenset(sources - kept), frozenset(texts), frozenset(kinds))
    groups = {i.group for d in datasets.values() for i in d.items if i.id in ids}
    similar = {
        i.source
        for d in datasets.values()
        for i in d.items
        if i.group in groups and i.id not in ids and i.source in present.sources
    }
    runs = _affected_runs(school, ledger, datasets, ids)
    return Selection(traces, len(gone), tuple(sorted(sources)), tuple(sorted(similar)), runs)


def _copies(datasets: dict[str, Dataset], ids: set[str]) -> Iterator[str]:
    """The ids of augmented notes that were made from these."""
    for dataset in datasets.values():
        originals = {item.source for item in dataset.items if item.id in ids and not item.origin}
        yield from (i.id for i in dataset.items if i.origin and i.source in originals)


def _affected_runs(
    school: School, ledger: Ledger, datasets: dict[str, Dataset], ids: set[str]
) -> tuple[AffectedRun, ...]:
    runs = []
    for run in ledger.runs():
        name = read_json(school.run_folder(run.id) / "prep.json").get("dataset")
        dataset = datasets.get(str(name))
        held = [item for item in dataset.items if item.id in ids] if dataset else []
        if dataset and held:
            learned = sum(item.split != Split.TEST and not item.origin for item in held)
            runs.append(AffectedRun(run.id, learned, dataset.fingerprint))
    return tuple(runs)


def _datasets(school: School) -> dict[str, Dataset]:
    """All datasets by the names of their folders. Raises NotesError if one is damaged."""
    folders = sorted(
        path for path in school.datasets.glob("*") if (path / "manifest.json").exists()
    )
    return {folder.name: load(folder) for folder in folders}


def _recorded_notes(school: School, datasets: dict[str, Dataset]) -> dict[str, _RecordedNote]:
    """Every note of which a dataset, a report or a label holds something, without augmented ones."""
    recorded: dict[str, _RecordedNote] = {}

    def add(id_: str, source: str, text: str) -> None:
        note = recorded.setdefault(id_, _RecordedNote())
        note.sources |= {source} - {""}
        note.texts |= {text} - {""}

    for dataset in datasets.values():
        for item in dataset.items:
            if not item.origin:
                add(item.id, item.source, item.text)
    for file in school.state.glob("runs/*/report/report.json"):
        for change in _changes(file):
            add(content_id(change["text"]), change["source"], change["text"])
    for label in read_labels(school.labels_file).values():
        add(label.id, label.source, label.begins)
    return recorded


def _changes(file: Path) -> list[dict[str, str]]:
    """The notes whose texts a report holds; none if the report is damaged."""
    changes = read_json(file).get("changes", [])
    return [one for one in changes if one.get("text", FORGOTTEN) != FORGOTTEN]


def _ids_without_text(school: School) -> Iterator[str]:
    """Content ids that split assignments and runs hold without a text."""
    yield from read_split_assignments(school.split_assignments_file).known
    for file in school.state.glob("runs/*/left_out.json"):
        yield from read_json(file)


def read_json(file: Path) -> dict[str, Any]:
    """The JSON object in a file; empty if it is absent or damaged."""
    try:
        content = bounded_json.read(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _forms(name: str, places: Sequence[NotesPlace]) -> set[str]:
    """How a dataset may have recorded the name that the owner gives."""
    forms = {name.replace("\\", "/") if os.sep == "\\" else name}
    path = Path(os.path.abspath(name))
    for place in places:
        notes, prefix = place.path.absolute(), place.prefix()
        if path.is_relative_to(notes):
            forms.add(prefix + path.relative_to(notes).as_posix())
        if notes.suffix:  # the notes are a single table
            table = prefix + notes.name
            forms |= {f"{table}:{form.rsplit(':', 1)[-1]}" for form in forms if ":" in form}
    return {unicodedata.normalize("NFC", form).rstrip("/") for form in forms}


def _is_named(note: _RecordedNote, forms: set[str]) -> bool:
    sources = {unicodedata.normalize("NFC", source) for source in note.sources}
    return any(
        source == form or source.startswith((f"{form}/", f"{form}#", f"{form}:"))
        for source in sources
        for form in forms
    )


def _names(source: str, prefixes: Sequence[str]) -> set[str]:
    """What a source may be called with one notes folder and with several."""
    names = ((source.removeprefix(prefix), prefix + source) for prefix in prefixes)
    return {source, *chain.from_iterable(names)}


def _file_of(source: str) -> str:
    """The file that a row ("file.csv:12") or section ("file.md#Heading") is in."""
    return re.sub(r":\d+$", "", source.partition("#")[0])
