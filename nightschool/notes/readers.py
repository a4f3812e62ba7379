"""Read notes from a folder of Markdown and text files, or from JSONL and CSV tables."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nightschool.config.errors import NotesError, NotesUnavailable
from nightschool.config.paths import LABELS_NAME, SETTINGS_NAME
from nightschool.config.settings import NotesSettings, Settings
from nightschool.notes import front_matter, tables
from nightschool.notes.decoding import Undecodable, decode, encodable, harmless, open_lines
from nightschool.notes.headings import sections
from nightschool.notes.kinds import (
    Claims,
    check_names,
    kind_name,
    known_kinds,
    marks,
    settle,
    unnamed,
)

_PROSE = (".md", ".markdown", ".txt")
_TABLES = (".jsonl", ".csv")
NOTE_SUFFIXES = _PROSE + _TABLES
# A file that is split may be so many times larger than a note.
_FILE_OF_NOTES = 100
_ROWS_BETWEEN_TELLING = 1000

Progress = Callable[[int, int, int], None]
"""Told (bytes read, bytes to read, notes so far) now and then."""


@dataclass(frozen=True, slots=True)
class Note:
    """One note; `source` is its path below the notes folder.

    A table's row is "file.csv:12", a section "file.md#Heading"; of that, `section_of` is the file.
    `origin` is what it was taken from, as its owner says: a URL, or any name; "" where nothing is said.
    """

    text: str
    kind: str | None
    source: str
    section_of: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, row or section that was left out, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class LoadedNotes:
    """All that was found, in the order of the sources."""

    notes: tuple[Note, ...]
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    source: str
    size: int
    """In bytes."""


@dataclass(slots=True)
class _Found:
    """What is being gathered, and how it is to be read."""

    settings: NotesSettings
    labelled: bool
    progress: Progress | None = None
    total: int = 0
    read: int = 0
    notes: list[Note] = field(default_factory=list)
    claims: list[Claims] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def skip(self, source: str, reason: str) -> None:
        self.skipped.append(Skipped(source, reason))

    def too_large(self, source: str, size: int, times: int = 1) -> bool:
        if size <= self.settings.max_bytes * times:
            return False
        many = f"{times} times " if times > 1 else ""
        self.skip(source, f"over {many}the limit notes.max_bytes = {self.settings.max_bytes:,}")
        return True

    def add(self, note: Note, claims: Claims) -> None:
        if note.text.strip():
            self.notes.append(note)
            self.claims.append(claims)
        else:
            self.skip(note.source, "empty")

    def tell(self, more: int = 0) -> None:
        if self.progress:
            self.progress(self.read + more, self.total, len(self.notes))


def notes_path(root: Path, settings: Settings) -> Path:
    """The folder or file with the notes of the school in `root`."""
    return root / Path(settings.notes.folder).expanduser()


def read_school(root: Path, settings: Settings, progress: Progress | None = None) -> LoadedNotes:
    """Read the notes of the school in `root` as its settings say; see `read_notes`."""
    path = notes_path(root, settings)
    return read_notes(path, settings.notes, kinds=tuple(settings.kinds), progress=progress)


def read_notes(
    path: Path,
    settings: NotesSettings | None = None,
    *,
    kinds: Sequence[str] = (),
    labelled: bool = True,
    progress: Progress | None = None,
) -> LoadedNotes:
    """Read a folder of notes, or a single .jsonl or .csv file.

    `kinds.settle` says what kind a note has; `kinds` are those that the settings list. What cannot be
    read is skipped with its reason. Raises NotesError where a table is broken (naming the line),
    columns are missing, or two kinds differ in case or width alone, NotesUnavailable where there is nothing at
    `path` (any more).
    Without `labelled`, notes to be sorted are read: no kinds are asked for, and any single file is fine.
    Memory: the notes' texts, and one file or row at a time (whole tables that are not UTF-8).
    """
    found = _Found(settings or NotesSettings(), labelled, progress)
    if path.is_dir():
        files = list(_walk(path, found))
    elif path.is_file():
        if labelled and path.suffix.lower() not in _TABLES:
            raise NotesError(f"{path}: notes are a folder, a .jsonl or a .csv file")
        files = [_File(str(path), harmless(path.name), path.stat().st_size)]
    else:
        raise NotesUnavailable(
            f"there are no notes at {path}: is its drive connected? Else set notes.folder in nightschool.toml"
        )
    found.total = sum(file.size for file in files)
    for file in files:
        _read_file(file, found)
        found.read += file.size
        found.tell()
    if found.skipped and not path.exists():
        raise NotesUnavailable(f"{path} vanished while it was read: is its drive connected?")
    if labelled:
        _settle(found, kinds)
    return LoadedNotes(tuple(found.notes), tuple(found.skipped), tuple(found.warnings))


def parse_note(raw: bytes, source: str) -> Note:
    """One note of bytes that come from elsewhere than a file. Raises Undecodable."""
    return Note(front_matter.split(decode(raw), source).body, None, source)


def _settle(found: _Found, listed: Sequence[str]) -> None:
    """Give every note its kind, once all kinds are known, and take the tags that name one away."""
    order = found.settings.kind_from
    labels = (note.kind for note in found.notes if note.kind is not None)
    known = known_kinds(listed, labels, found.claims, order)
    notes: list[Note] = []
    for note, claims in zip(found.notes, found.claims, strict=True):
        if note.kind is None:
            kind, warning = settle(claims, known, order)
            if warning:
                found.warnings.append(f"{note.source}: {warning}")
            text = note.text
            if "tags" in order and known.tagged(claims.marks):
                text = known.without_marks(text)
                if not text.strip():
                    found.skip(note.source, "empty")
                    continue
            if kind is not None or text is not note.text:
                note = replace(note, text=text, kind=kind)
        notes.append(note)
    places = dict.fromkeys(listed, "under [kinds] in nightschool.toml")
    for note in notes:
        if note.kind is not None:
            places.setdefault(note.kind, note.source)
    check_names(places)
    if (
        notes
        and all(note.kind is None for note in notes)
        and (hint := unnamed(found.claims, known))
    ):
        found.warnings.append(hint)
    found.notes = notes


def _walk(root: Path, found: _Found) -> Iterator[_File]:
    """All files below a folder that are to be read, in an order that no file system changes."""
    real = os.path.realpath(root)
    try:
        open_folders = [_entries(str(root), "")]
    except OSError as error:
        raise NotesUnavailable(f"{root} {unreadable(error)}") from None
    while open_folders:
        entry, source = next(open_folders[-1], (None, ""))
        if entry is None:
            open_folders.pop()
            continue
        try:
            status = entry.stat(follow_symlinks=False)
            reason = _no_note(entry, status, real)
            if reason:
                found.skip(source, reason)
            elif stat.S_ISDIR(status.st_mode):
                open_folders.append(_entries(entry.path, f"{source}/"))
            else:
                size = entry.stat().st_size if is_link(status) else status.st_size
                yield _File(entry.path, source, size)
        except OSError as error:
            found.skip(source, unreadable(error))


def _entries(folder: str, prefix: str) -> Iterator[tuple[os.DirEntry[str], str]]:
    with os.scandir(folder) as scan:
        entries = sorted(scan, key=lambda entry: entry.name)
    return ((entry, prefix + harmless(entry.name)) for entry in entries)


def _no_note(entry: os.DirEntry[str], status: os.stat_result, real: str) -> str:
    """Why an entry of a folder is passed over; "" for a folder or file to read."""
    linked = is_link(status)
    if entry.name.startswith("."):
        return "hidden"
    if linked and not Path(os.path.realpath(entry.path)).is_relative_to(real):
        return "a link that leaves the notes folder"
    if linked and entry.is_dir():
        return "a link to a folder"
    if stat.S_ISDIR(status.st_mode):
        return ""
    beside = os.path.join(os.path.dirname(entry.path), SETTINGS_NAME)
    if entry.name == LABELS_NAME and os.path.isfile(beside):
        return "the school's own file"
    suffix = os.path.splitext(entry.name)[1]
    if suffix.lower() not in NOTE_SUFFIXES:
        return f"not a note: {suffix or 'no suffix'}"
    if linked:
        status = entry.stat()
    # A named pipe would never end.
    return "" if stat.S_ISREG(status.st_mode) else "no regular file"


def is_link(status: os.stat_result) -> bool:
    """A symbolic link, or a junction of Windows."""
    junction = getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", None)
    return stat.S_ISLNK(status.st_mode) or (
        junction is not None and getattr(status, "st_reparse_tag", 0) == junction
    )


def unreadable(error: OSError) -> str:
    """Why a file or folder was not read, to follow its name."""
    return f"cannot be read: {error.strerror or error}"


def _read_file(file: _File, found: _Found) -> None:
    try:
        if file.source.lower().endswith(_TABLES):
            _read_table(file, found)
        else:
            _read_prose(file, found)
    except OSError as error:
        found.skip(file.source, unreadable(error))
    except Undecodable as error:
        found.skip(file.source, str(error))
    except UnicodeDecodeError:
        found.skip(file.source, "changed while it was read")


def _read_prose(file: _File, found: _Found) -> None:
    split = found.settings.split == "headings"
    if found.too_large(file.source, file.size, _FILE_OF_NOTES if split else 1):
        return
    with open(file.path, "rb") as stream:
        text = decode(stream.read())
    matter = front_matter.split(text, file.source)
    if matter.warning:
        found.warnings.append(matter.warning)
    parts = file.source.split("/")
    folder = kind_name(parts[0]) if len(parts) > 1 else None

    def add(text: str, source: str, section_of: str = "") -> None:
        asked = found.labelled and "tags" in found.settings.kind_from
        tags = marks(text) if asked else ()
        found.add(
            Note(text, None, source, section_of, matter.origin),
            Claims(matter.kind, matter.type, folder, matter.tags, tags),
        )

    if not split:
        add(matter.body, file.source)
        return
    for heading, section, more in sections(matter.body, found.settings.heading_level):
        source = f"{file.source}#{heading}" if heading else file.source
        if not more:
            found.skip(source, "a heading with nothing below it")
        elif not found.too_large(source, len(section.encode())):
            add(section, source, file.source)


def _columns(found: _Found) -> list[str]:
    """The names of the columns that are looked at."""
    settings = found.settings
    labels = [settings.label_column, settings.group_column] if found.labelled else []
    return [settings.text_column, *filter(None, labels)]


def _read_table(file: _File, found: _Found) -> None:
    with open_lines(Path(file.path)) as (lines, position):
        columns: list[str] = []
        labels = not found.labelled
        used = _columns(found)
        for number, (line, row) in enumerate(tables.rows(lines, file.source, used), start=1):
            columns = columns or list(row)
            labels = labels or found.settings.label_column in row
            _read_row(row, f"{file.source}:{line}", found)
            if number % _ROWS_BETWEEN_TELLING == 0:
                found.tell(position())
    if columns and not labels:
        wanted = found.settings.label_column
        raise NotesError(tables.missing(file.source, "notes.label_column", wanted, columns))


def _read_row(row: Mapping[str, object], place: str, found: _Found) -> None:
    text_column, label_column = found.settings.text_column, found.settings.label_column
    group_column = found.settings.group_column if found.labelled else ""
    if text_column not in row:
        raise NotesError(tables.missing(place, "notes.text_column", text_column, list(row)))
    if group_column and group_column not in row:
        raise NotesError(tables.missing(place, "notes.group_column", group_column, list(row)))
    text = row[text_column]
    if not isinstance(text, str):
        found.skip(place, f"`{text_column}` is no text")
        return
    label = row.get(label_column) if found.labelled else None
    if isinstance(label, list | dict):
        found.warnings.append(f"{place}: `{label_column}` is no single name; it is ignored")
        label = None
    text = encodable(text)
    if not found.too_large(place, len(text.encode())):
        origin = kind_name(row[group_column]) if group_column else None
        found.add(Note(text, kind_name(label), place, origin=origin or ""), Claims())
