"""Reading notes: from a folder of Markdown and text files, or from JSONL and CSV tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nightschool.config.errors import NotesError, NotesUnavailable
from nightschool.config.files import open_regular
from nightschool.config.kind_settings import KindSettings
from nightschool.config.settings import NotesSettings, Settings
from nightschool.notes import tables
from nightschool.notes.decoding import Undecodable, as_decoded, decode, open_lines
from nightschool.notes.folder_scan import TABLE_SUFFIXES, NoteFile, skipped_unreadable
from nightschool.notes.kind_resolution import (
    KindCandidates,
    Unresolved,
    names_in_path,
    resolve_all,
)
from nightschool.notes.kinds import LONGEST_KIND, kind_name
from nightschool.notes.markdown import sections
from nightschool.notes.metadata.joplin_export import JoplinExport, JoplinItem
from nightschool.notes.metadata.line_properties import inline_fields, names_in
from nightschool.notes.metadata.note_metadata import NoteMetadata, read_metadata
from nightschool.notes.metadata.org_mode import headline_tags
from nightschool.notes.metadata.properties import ORIGIN_KEYS, TAG_KEYS, Property
from nightschool.notes.note import LoadedNotes, Note, Skipped, SkipReason
from nightschool.notes.notes_places import (
    NotesPlace,
    Places,
    as_places,
    check_apart,
    files_at,
    notes_places,
)
from nightschool.notes.readable import only_placeholders, readable
from nightschool.notes.reading_limits import check_size
from nightschool.notes.tags import tags
from nightschool.notes.trouble import (
    NoteTrouble,
    Trouble,
    TroubleType,
    row_troubles,
    trouble_warnings,
)

# A file that is split at its headings may be this many times larger than a note.
_NOTES_PER_FILE = 100
_ROWS_PER_REPORT = 1000
# A row may be this many times longer than a note: it has other columns, and escapes.
_NOTES_PER_ROW = 10

OnProgress = Callable[[int, int, int], None]
"""Called now and then with (bytes read, bytes in all, notes so far)."""


def read_school(
    root: Path, settings: Settings, on_progress: OnProgress | None = None
) -> LoadedNotes:
    """Read the notes of the school in `root`, as its settings say; see `read_notes`."""
    places = notes_places(root, settings.notes)
    return read_notes(places, settings.notes, kinds=settings.kinds, on_progress=on_progress)


def read_notes(
    places: Places,
    settings: NotesSettings | None = None,
    *,
    kinds: Mapping[str, KindSettings] | None = None,
    on_progress: OnProgress | None = None,
) -> LoadedNotes:
    """Read folders of notes, or single .jsonl or .csv files.

    `kind_resolution` determines each note's kind; `kinds` are those in the settings. A file, row or
    section that cannot be read is skipped with its reason. Raises NotesError if a table is broken (with
    the line), if the column of a table that is not in a folder is missing, or if two kinds differ only in
    case or width, or if a place lies in another; NotesUnavailable if one does not exist or vanishes.
    Memory: the texts of the notes, and one file or row at a time (all of a table that is not UTF-8).
    """
    reader = NotesReader(settings or NotesSettings(), True, on_progress)
    reader.read(as_places(places))
    loaded = resolve_all(reader.notes, kinds or {}, reader.settings, reader.troubles)
    return replace(loaded, skipped=(*reader.skipped, *loaded.skipped))


def read_to_classify(path: Path, settings: NotesSettings) -> LoadedNotes:
    """Read notes without their kinds, from any file or folder; otherwise as `read_notes`.

    `kind_marks.without_kind_marks` completes what a model is to see, once its kinds are known.
    """
    reader = NotesReader(settings, False)
    reader.read(as_places(path))
    return reader.without_kinds()


def parse_note(raw: bytes, source: str, settings: NotesSettings) -> LoadedNotes:
    """As `read_to_classify`, for the bytes of one note that are not in a file. Raises Undecodable."""
    reader = NotesReader(settings.model_copy(update={"split": "file"}), False)
    reader.add_bytes(raw, source)
    return reader.without_kinds()


@dataclass(slots=True)
class NotesReader:
    """Reads files one after another, and collects notes, skipped sources and troubles."""

    settings: NotesSettings
    labelled: bool
    on_progress: OnProgress | None = None
    prefix: str = ""
    """Of the place whose file is being read."""
    bytes_total: int = 0
    bytes_read: int = 0
    characters: int = 0
    """In all notes."""
    notes: list[Unresolved] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    troubles: list[NoteTrouble] = field(default_factory=list)
    kind_keys: tuple[str, ...] = field(init=False)
    joplin: JoplinExport = field(default_factory=JoplinExport)
    joplin_notes: dict[int, JoplinItem] = field(default_factory=dict)
    """By their place in `notes`."""
    missing: NotesError | None = None
    """The first table in the folder that lacks a column."""

    def __post_init__(self) -> None:
        self.kind_keys = self.settings.kind_keys

    def read(self, places: Sequence[NotesPlace]) -> None:
        """Read all notes at some places. Raises NotesError or NotesUnavailable, see `read_notes`."""
        for file in self.find_files(places):
            self.read_file(file)
        for path in [place.path for place in places] if self.skipped else []:
            if not path.exists():
                raise NotesUnavailable(
                    f"{path} vanished while it was being read", "connect its drive"
                )
        if self.missing and not self.notes:
            raise self.missing
        self.complete_joplin_notes()

    def without_kinds(self) -> LoadedNotes:
        """What was read, each note without a kind."""
        notes = tuple(replace(each.note, kind=None) for each in self.notes)
        warnings = trouble_warnings(self.troubles)
        return LoadedNotes(notes, tuple(self.skipped), warnings, tuple(self.troubles))

    def find_files(self, places: Sequence[NotesPlace]) -> list[NoteFile]:
        """The files to read. Raises NotesError or NotesUnavailable, see `read_notes`."""
        check_apart(places)
        files: list[NoteFile] = []
        for place in places:
            for found in files_at(place, self.settings, self.labelled):
                if isinstance(found, Skipped):
                    self.skipped.append(found)
                else:
                    files.append(found)
        self.bytes_total = sum(file.size for file in files)
        return files

    def read_file(self, file: NoteFile) -> None:
        """Read a file. Raises NotesError, see `read_notes`."""
        self.prefix = file.prefix
        try:
            if file.source.lower().endswith(TABLE_SUFFIXES):
                self._read_table(file)
            else:
                self._read_prose(file)
        except OSError as error:
            self.skipped.append(skipped_unreadable(file.source, error))
        except Undecodable as error:
            self.skipped.append(Skipped(file.source, error.reason, error.detail))
        except UnicodeDecodeError:
            self.skipped.append(Skipped(file.source, SkipReason.CHANGED))
        self.bytes_read += file.size
        check_size(len(self.notes) + len(self.skipped), self.characters, file.source)
        self._report_progress()

    def complete_joplin_notes(self) -> None:
        """Add the notebooks and tags, which an export holds in files of their own, to the candidates."""
        tags_of = self.joplin.tags_of()
        for place, item in self.joplin_notes.items():
            unresolved = self.notes[place]
            candidates = replace(
                unresolved.candidates,
                folders=self.joplin.notebooks_of(item.properties.get("parent_id", "")),
                tags=(*unresolved.candidates.tags, *tags_of.get(item.properties["id"], ())),
            )
            self.notes[place] = replace(unresolved, candidates=candidates)

    def _report_progress(self, more: int = 0) -> None:
        if self.on_progress:
            self.on_progress(self.bytes_read + more, self.bytes_total, len(self.notes))

    def _is_too_large(self, source: str, size: int, times: int = 1) -> bool:
        if size <= self.settings.max_bytes * times:
            return False
        limit = f"notes.max_bytes = {self.settings.max_bytes:,}"
        detail = f"{times} times {limit}" if times > 1 else limit
        self.skipped.append(Skipped(source, SkipReason.TOO_LARGE, detail))
        return True

    def _add(self, note: Note, candidates: KindCandidates, other_marks: bool = True) -> bool:
        if not note.text.strip():
            self.skipped.append(Skipped(note.source, SkipReason.EMPTY))
        elif only_placeholders(note.text):
            self.skipped.append(Skipped(note.source, SkipReason.PLACEHOLDERS))
        else:
            self.notes.append(Unresolved(note, candidates, self.prefix, other_marks))
            self.characters += len(note.text)
            return True
        return False

    def _read_prose(self, file: NoteFile) -> None:
        times = _NOTES_PER_FILE if self.settings.split == "headings" else 1
        if self._is_too_large(file.source, file.size, times):
            return
        with open_regular(file.path) as stream:
            raw = stream.read(file.size + 1)
            if len(raw) > file.size:
                raw += stream.read(self.settings.max_bytes * times + 1)
        if not self._is_too_large(file.source, len(raw), times):  # it has grown, or tells no size
            self.add_bytes(raw, file.source)

    def add_bytes(self, raw: bytes, source: str) -> None:
        """Add what the bytes of a file hold. Raises Undecodable."""
        decoded = decode(raw, self.settings.encoding)
        self.troubles += (NoteTrouble(source, each) for each in decoded.troubles)
        self._add_prose(decoded.text, source)

    def _add_prose(self, text: str, source: str) -> None:
        """Add the note or, with notes.split, the notes in a text."""
        metadata = read_metadata(text, source, self.kind_keys)
        self.troubles += (NoteTrouble(source, each) for each in metadata.troubles)
        item = metadata.joplin
        if item and not item.is_note:
            self.joplin.add(item)
            self.skipped.append(Skipped(source, SkipReason.NO_NOTE, "an item of Joplin's"))
            return
        origins = (metadata.values(key)[:2] for key in ORIGIN_KEYS)
        origin = next((values[0] for values in origins if len(values) == 1), "")
        candidates = self._candidates(metadata, source) if self.labelled else KindCandidates()
        if self.settings.split != "headings":
            note = Note(readable(metadata.body), None, source, origin=origin)
            self._add_text(note, candidates, item)
            return
        for section in sections(metadata.body, self.settings.heading_level):
            place = f"{source}#{section.heading}" if section.heading else source
            if not section.has_body:
                self.skipped.append(Skipped(place, SkipReason.HEADING_ONLY))
            elif not self._is_too_large(place, len(section.text.encode())):
                note = Note(readable(section.text), None, place, source, origin)
                self._add_text(note, candidates, item)

    def _candidates(self, metadata: NoteMetadata, source: str) -> KindCandidates:
        """What names the kind outside of the text."""
        tags_named = (kind_name(name) for key in TAG_KEYS for name in metadata.values(key))
        return KindCandidates(
            metadata.properties,
            names_in_path(source.removeprefix(self.prefix).rpartition("/")[0]),
            tuple(filter(None, tags_named)),
        )

    def _add_text(self, note: Note, candidates: KindCandidates, item: JoplinItem | None) -> None:
        """Add a note with what names its kind within the text."""
        other_marks = True
        if self.labelled:
            is_org = note.source.endswith(".org")
            fields = tuple(Property(f.key, f.values, 0) for f in inline_fields(note.text))
            named = (name for f in fields if f.key in TAG_KEYS for name in names_in(f.values))
            of_headlines = headline_tags(note.text)
            other_marks = is_org or bool(fields or of_headlines)
            candidates = KindCandidates(
                (*candidates.properties, *fields),
                candidates.folders,
                (*candidates.tags, *named),
                of_headlines if is_org else tags(note.text),
            )
        added = self._add(note, candidates, other_marks)
        if item and added:
            self.joplin_notes[len(self.notes) - 1] = item

    def _read_table(self, file: NoteFile) -> None:
        """Read a table. Among notes, one that is not known to have texts and labels may be anything."""
        collected: tuple[list[Any], ...] = (self.notes, self.skipped, self.troubles)
        before, characters = [len(each) for each in collected], self.characters
        columns: list[str] = []
        try:
            self._read_rows(file, columns)
        except Undecodable:
            raise
        except NotesError as error:
            if file.is_whole or {self.settings.text_column, self.settings.label_column} <= {
                *columns
            }:
                raise
            self.missing = self.missing or error
            for each, size in zip(collected, before, strict=True):
                del each[size:]
            self.characters = characters
            self.skipped.append(Skipped(file.source, SkipReason.NO_TABLE, error.message))

    def _read_rows(self, file: NoteFile, columns: list[str]) -> None:
        """Read the rows of a table, and add its columns to `columns`. Raises NotesError."""
        with open_lines(Path(file.path), self.settings.encoding) as lines:
            first_lines: list[int] = []
            has_labels = not self.labelled
            limit = self.settings.max_bytes * _NOTES_PER_ROW
            rows = tables.rows(lines.stream, file.source, self._columns(), limit)
            for number, (line, row) in enumerate(rows, start=1):
                if lines.troubles:
                    first_lines.append(line)
                if row is None:
                    self._is_too_large(f"{file.source}:{line}", limit + 1, _NOTES_PER_ROW)
                    continue
                columns.extend(row if not columns else ())
                has_labels = has_labels or self.settings.label_column in row
                self._read_row(row, place := f"{file.source}:{line}")
                check_size(len(self.notes) + len(self.skipped), self.characters, place)
                if number % _ROWS_PER_REPORT == 0:
                    self._report_progress(lines.bytes_read())
            self.troubles += row_troubles(file.source, first_lines, lines.troubles)
        if columns and not has_labels:
            raise tables.missing_column(
                file.source, "notes.label_column", self.settings.label_column, columns
            )

    def _missing_column(self, place: str, row: Mapping[str, object]) -> NotesError | None:
        """The error if a row has no text or no group; None if it has both."""
        wanted = {"notes.text_column": self.settings.text_column}
        if self.labelled and self.settings.group_column:
            wanted["notes.group_column"] = self.settings.group_column
        for setting, column in wanted.items():
            if column not in row:
                return tables.missing_column(place, setting, column, list(row))
        return None

    def _columns(self) -> list[str]:
        """The names of the columns that are used."""
        settings = self.settings
        labels = [settings.label_column, settings.group_column] if self.labelled else []
        return [settings.text_column, *filter(None, labels)]

    def _read_row(self, row: Mapping[str, object], place: str) -> None:
        text_column, label_column = self.settings.text_column, self.settings.label_column
        group_column = self.settings.group_column if self.labelled else ""
        if missing := self._missing_column(place, row):
            raise missing
        text = row[text_column]
        if not isinstance(text, str):
            self.skipped.append(Skipped(place, SkipReason.NO_TEXT, text_column))
            return
        label = row.get(label_column) if self.labelled else None
        if isinstance(label, list | dict) or len(str(label)) > LONGEST_KIND:
            self.troubles.append(
                NoteTrouble(place, Trouble(TroubleType.NOT_A_NAME, 0, label_column))
            )
            label = None
        text = as_decoded(text)
        if not self._is_too_large(place, len(text.encode())):
            metadata = read_metadata(text, place, self.kind_keys)
            self.troubles += (NoteTrouble(place, each) for each in metadata.troubles)
            origin = kind_name(row[group_column]) if group_column else None
            text = readable(metadata.body)
            note = Note(text, kind_name(label), place, origin=origin or "", kind_from=label_column)
            self._add(note, KindCandidates())
