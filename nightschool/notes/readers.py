"""Reading notes: from a folder of Markdown and text files, or from JSONL and CSV tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nightschool.config.errors import NotesError, NotesUnavailable
from nightschool.config.files import open_regular
from nightschool.config.settings import NotesSettings, Settings
from nightschool.notes import tables
from nightschool.notes.decoding import Undecodable, decode, open_lines
from nightschool.notes.folder_scan import TABLE_SUFFIXES, NoteFile, scan, skipped_unreadable
from nightschool.notes.kind_resolution import KindCandidates, Unresolved, resolve_all
from nightschool.notes.kinds import kind_name
from nightschool.notes.markdown import sections, tags
from nightschool.notes.metadata import read_metadata
from nightschool.notes.note import LoadedNotes, Note, Skipped, SkipReason
from nightschool.notes.printable import encodable, without_controls

# A file that is split at its headings may be this many times larger than a note.
_NOTES_PER_FILE = 100
_ROWS_PER_REPORT = 1000
# A row may be this many times longer than a note: it has other columns, and escapes.
_NOTES_PER_ROW = 10

OnProgress = Callable[[int, int, int], None]
"""Called now and then with (bytes read, bytes in all, notes so far)."""


def notes_path(root: Path, settings: Settings) -> Path:
    """The folder or file with the notes of the school in `root`."""
    return root / Path(settings.notes.folder).expanduser()


def read_school(
    root: Path, settings: Settings, on_progress: OnProgress | None = None
) -> LoadedNotes:
    """Read the notes of the school in `root`, as its settings say; see `read_notes`."""
    path = notes_path(root, settings)
    return read_notes(path, settings.notes, kinds=tuple(settings.kinds), on_progress=on_progress)


def read_notes(
    path: Path,
    settings: NotesSettings | None = None,
    *,
    kinds: Sequence[str] = (),
    labelled: bool = True,
    on_progress: OnProgress | None = None,
) -> LoadedNotes:
    """Read a folder of notes, or a single .jsonl or .csv file.

    `kind_resolution` determines each note's kind; `kinds` are those in the settings. A file, row or
    section that cannot be read is skipped with its reason. Raises NotesError if a table is broken (with
    the line), if a column is missing, or if two kinds differ only in case or width; NotesUnavailable if
    `path` does not exist or vanishes.
    Without `labelled`, the notes are to be classified: they get no kinds, and `path` may be any file.
    Memory: the texts of the notes, and one file or row at a time (all of a table that is not UTF-8).
    """
    reader = _Reader(settings or NotesSettings(), labelled, on_progress)
    files = reader.find_files(path)
    for file in files:
        reader.read_file(file)
    if reader.skipped and not path.exists():
        raise NotesUnavailable(f"{path} vanished while it was being read", "connect its drive")
    if not labelled:
        notes = tuple(each.note for each in reader.notes)
        return LoadedNotes(notes, tuple(reader.skipped), tuple(reader.warnings))
    loaded = resolve_all(reader.notes, kinds, reader.settings.kind_from)
    return LoadedNotes(
        loaded.notes,
        (*reader.skipped, *loaded.skipped),
        (*reader.warnings, *loaded.warnings),
    )


def parse_note(raw: bytes, source: str) -> Note:
    """A note from bytes that are not in a file. Raises Undecodable."""
    return Note(read_metadata(decode(raw), source).body, None, source)


@dataclass(slots=True)
class _Reader:
    """Reads files one after another, and collects notes, skipped sources and warnings."""

    settings: NotesSettings
    labelled: bool
    on_progress: OnProgress | None = None
    bytes_total: int = 0
    bytes_read: int = 0
    notes: list[Unresolved] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def find_files(self, path: Path) -> list[NoteFile]:
        """The files to read. Raises NotesError or NotesUnavailable, see `read_notes`."""
        files: list[NoteFile] = []
        if path.is_dir():
            for entry in scan(str(path)):
                if isinstance(entry, Skipped):
                    self.skipped.append(entry)
                else:
                    files.append(entry)
        elif path.is_file():
            if self.labelled and path.suffix.lower() not in TABLE_SUFFIXES:
                raise NotesError(
                    f"{path} is not a notes folder", "choose a folder, or a .jsonl or .csv file"
                )
            files = [NoteFile(str(path), without_controls(path.name), path.stat().st_size)]
        else:
            raise NotesUnavailable(
                f"there are no notes at {path}",
                "connect its drive, or set notes.folder in nightschool.toml",
            )
        self.bytes_total = sum(file.size for file in files)
        return files

    def read_file(self, file: NoteFile) -> None:
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
        self._report_progress()

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

    def _add(self, note: Note, candidates: KindCandidates) -> None:
        if note.text.strip():
            self.notes.append(Unresolved(note, candidates))
        else:
            self.skipped.append(Skipped(note.source, SkipReason.EMPTY))

    def _read_prose(self, file: NoteFile) -> None:
        split = self.settings.split == "headings"
        times = _NOTES_PER_FILE if split else 1
        if self._is_too_large(file.source, file.size, times):
            return
        limit = self.settings.max_bytes * times
        with open_regular(Path(file.path)) as stream:
            raw = stream.read(limit + 1)
        if self._is_too_large(file.source, len(raw), times):  # it has grown, or tells no size
            return
        text = decode(raw)
        metadata = read_metadata(text, file.source)
        if metadata.warning:
            self.warnings.append(metadata.warning)
        parts = file.source.split("/")
        folder = kind_name(parts[0]) if len(parts) > 1 else None
        wants_tags = self.labelled and "tags" in self.settings.kind_from

        def add(text: str, source: str, section_of: str = "") -> None:
            text_tags = tags(text) if wants_tags else ()
            self._add(
                Note(text, None, source, section_of, metadata.origin),
                KindCandidates(metadata.kind, metadata.type, folder, metadata.tags, text_tags),
            )

        if not split:
            add(metadata.body, file.source)
            return
        for section in sections(metadata.body, self.settings.heading_level):
            source = f"{file.source}#{section.heading}" if section.heading else file.source
            if not section.has_body:
                self.skipped.append(Skipped(source, SkipReason.HEADING_ONLY))
            elif not self._is_too_large(source, len(section.text.encode())):
                add(section.text, source, file.source)

    def _read_table(self, file: NoteFile) -> None:
        label_column = self.settings.label_column
        with open_lines(Path(file.path)) as (lines, position):
            columns: list[str] = []
            has_labels = not self.labelled
            limit = self.settings.max_bytes * _NOTES_PER_ROW
            rows = tables.rows(lines, file.source, self._columns(), limit)
            for number, (line, row) in enumerate(rows, start=1):
                if row is None:
                    self._is_too_large(f"{file.source}:{line}", limit + 1, _NOTES_PER_ROW)
                    continue
                columns = columns or list(row)
                has_labels = has_labels or label_column in row
                self._read_row(row, f"{file.source}:{line}")
                if number % _ROWS_PER_REPORT == 0:
                    self._report_progress(position())
        if columns and not has_labels:
            raise tables.missing_column(file.source, "notes.label_column", label_column, columns)

    def _columns(self) -> list[str]:
        """The names of the columns that are used."""
        settings = self.settings
        labels = [settings.label_column, settings.group_column] if self.labelled else []
        return [settings.text_column, *filter(None, labels)]

    def _read_row(self, row: Mapping[str, object], place: str) -> None:
        text_column, label_column = self.settings.text_column, self.settings.label_column
        group_column = self.settings.group_column if self.labelled else ""
        if text_column not in row:
            raise tables.missing_column(place, "notes.text_column", text_column, list(row))
        if group_column and group_column not in row:
            raise tables.missing_column(place, "notes.group_column", group_column, list(row))
        text = row[text_column]
        if not isinstance(text, str):
            self.skipped.append(Skipped(place, SkipReason.NO_TEXT, text_column))
            return
        label = row.get(label_column) if self.labelled else None
        if isinstance(label, list | dict):
            self.warnings.append(f"{place}: `{label_column}` is not a single name and is ignored")
            label = None
        text = encodable(text)
        if not self._is_too_large(place, len(text.encode())):
            origin = kind_name(row[group_column]) if group_column else None
            note = Note(text, kind_name(label), place, origin=origin or "")
            self._add(note, KindCandidates())
