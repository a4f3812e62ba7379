"""Read notes from a folder of Markdown and text files, or from JSONL and CSV tables."""

from __future__ import annotations

import csv
import difflib
import io
import json
import os
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from nightschool.config.paths import LABELS_NAME, SETTINGS_NAME
from nightschool.notes.errors import NotesError
from nightschool.notes.text import Undecodable, decode

_PROSE = {".md", ".markdown", ".txt"}
_TABLES = {".jsonl", ".csv"}
# Every value stays the text that stands there: `kind: no` is "no", and no date can be a wrong one.
_YAML = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_NOTHING = ("", "~", "null")
# A note may be longer than csv's own limit; notes.max_bytes is the one that counts.
csv.field_size_limit(2**31 - 1)


@dataclass(frozen=True, slots=True)
class Note:
    """One note; `source` is its path below the notes folder, for a table's row "file.csv:12"."""

    text: str
    kind: str | None
    source: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or row that was left out, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """All that was found, in the order of the sources."""

    notes: tuple[Note, ...]
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]


@dataclass(slots=True)
class _Found:
    """What is being gathered, and how tables are to be read."""

    text_column: str
    label_column: str | None
    max_bytes: int
    notes: list[Note]
    skipped: list[Skipped]
    warnings: list[str]

    def too_large(self, source: str, size: int) -> bool:
        if size <= self.max_bytes:
            return False
        reason = f"over the limit notes.max_bytes = {self.max_bytes:,}"
        self.skipped.append(Skipped(source, reason))
        return True

    def add(self, text: str, kind: str | None, source: str) -> None:
        if text.strip():
            self.notes.append(Note(text, kind, source))
        else:
            self.skipped.append(Skipped(source, "empty"))


def read_notes(
    path: Path,
    *,
    text_column: str = "text",
    label_column: str | None = "label",
    max_bytes: int = 1_000_000,
) -> Reading:
    """Read a folder of notes, or a single .jsonl or .csv file.

    A note's kind is the front matter's `kind:`, else the name of the first-level sub-folder, else
    None. What cannot be read is skipped with its reason. Raises NotesError where a table is broken
    (naming the line), columns are missing, or two kinds differ in case or width alone.
    `label_column` None reads notes to be sorted: labels are not asked for, and any single file is fine.
    """
    found = _Found(text_column, label_column, max_bytes, [], [], [])
    if path.is_dir():
        for file in _walk(path, path, found):
            _read_file(file, path, found)
    elif path.is_file():
        if label_column is not None and path.suffix.lower() not in _TABLES:
            raise NotesError(f"{path}: notes are a folder, a .jsonl or a .csv file")
        _read_file(path, path.parent, found)
    else:
        raise NotesError(f"there are no notes at {path}: set notes.folder in nightschool.toml")
    if label_column is not None:
        _check_kinds(found.notes)
    return Reading(tuple(found.notes), tuple(found.skipped), tuple(found.warnings))


def parse_note(raw: bytes, source: str) -> Note:
    """One note of bytes that come from elsewhere than a file. Raises Undecodable."""
    found = _Found("", None, 0, [], [], [])
    return Note(_front_matter(decode(raw), source, found)[1], None, source)


def _walk(folder: Path, root: Path, found: _Found) -> Iterator[Path]:
    """All files below a folder that are to be read, in an order that no file system changes."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        found.skipped.append(Skipped(_source(folder, root), f"cannot be read: {error.strerror}"))
        return
    for entry in entries:
        path = Path(entry.path)
        source = _source(path, root)
        if entry.name.startswith("."):
            found.skipped.append(Skipped(source, "hidden"))
        elif entry.is_symlink() and not _real(path).is_relative_to(_real(root)):
            found.skipped.append(Skipped(source, "a link that leaves the notes folder"))
        elif entry.is_symlink() and path.is_dir():
            found.skipped.append(Skipped(source, "a link to a folder"))
        elif path.is_dir():
            yield from _walk(path, root, found)
        elif entry.name == LABELS_NAME and (folder / SETTINGS_NAME).is_file():
            found.skipped.append(Skipped(source, "the school's own file"))
        elif path.suffix.lower() in _PROSE | _TABLES:
            if os.path.exists(path) and not path.is_file():  # a named pipe would never end
                found.skipped.append(Skipped(source, "no regular file"))
            else:
                yield path
        else:
            found.skipped.append(Skipped(source, f"not a note: {path.suffix or 'no suffix'}"))


def _real(path: Path) -> Path:
    """Where a path leads; unlike Path.resolve, no error for a link in a circle."""
    return Path(os.path.realpath(path))


def _source(path: Path, root: Path) -> str:
    return _encodable(Path(os.path.relpath(path, root)).as_posix())


def _encodable(text: str) -> str:
    """Half surrogate pairs, from JSON's escapes or undecodable file names, become "?"."""
    return text.encode(errors="replace").decode()


def _read_file(file: Path, root: Path, found: _Found) -> None:
    source = _source(file, root)
    table = file.suffix.lower() in _TABLES
    try:
        if not table and found.too_large(source, file.stat().st_size):
            return
        text = decode(file.read_bytes())
    except OSError as error:
        found.skipped.append(Skipped(source, f"cannot be read: {error.strerror}"))
        return
    except Undecodable as error:
        found.skipped.append(Skipped(source, str(error)))
        return
    if table:
        _read_table(text, source, found)
        return
    matter, body = _front_matter(text, source, found)
    parts = source.split("/")
    kind = matter if matter is not None else parts[0] if len(parts) > 1 else None
    found.add(body, _kind(kind), source)


def _kind(name: object) -> str | None:
    """A kind as it is kept: NFC, on one line, no white space around it; None where it is empty."""
    if name is None:
        return None
    text = json.dumps(name) if isinstance(name, bool) else str(name)
    return unicodedata.normalize("NFC", " ".join(_encodable(text).split())) or None


def _front_matter(text: str, source: str, found: _Found) -> tuple[str | None, str]:
    """The front matter's kind, and the text after it. A broken one is a warning."""
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        return None, text
    end = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() in ("---", "...")), None)
    if end is None:
        # A horizontal rule at the top looks the same; only "key:" lines are a broken front matter.
        if len(lines) > 1 and ":" in lines[1]:
            found.warnings.append(f"{source}, line 1: the front matter is never closed with ---")
        return None, text
    body = "\n".join(lines[end + 1 :])
    try:
        matter = yaml.load("\n".join(lines[1:end]), Loader=_YAML)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 2 if mark else 1
        problem = getattr(error, "problem", None) or "invalid YAML"
        found.warnings.append(f"{source}, line {line}: broken front matter: {problem}")
        return None, body
    if matter is None:
        return None, body
    if not isinstance(matter, Mapping):
        # Prose between two rules, no settings.
        return None, text
    kind = matter.get("kind")
    if kind is not None and not isinstance(kind, str):
        line = next((n for n, t in enumerate(lines, 1) if t.startswith("kind")), 1)
        found.warnings.append(f"{source}, line {line}: `kind:` is no single name; it is ignored")
        return None, body
    return (None if kind in _NOTHING else kind), body


def _read_table(text: str, source: str, found: _Found) -> None:
    rows = list(
        _jsonl_rows(text, source) if source.lower().endswith(".jsonl") else _csv_rows(text, source)
    )
    labelled = False
    columns: list[str] = []
    for line, row in rows:
        columns = columns or list(row)
        place = f"{source}:{line}"
        if found.text_column not in row:
            raise NotesError(_missing(place, "notes.text_column", found.text_column, list(row)))
        labelled = labelled or found.label_column is None or found.label_column in row
        content = row[found.text_column]
        if not isinstance(content, str):
            found.skipped.append(Skipped(place, f"`{found.text_column}` is no text"))
            continue
        label = row.get(found.label_column) if found.label_column else None
        if isinstance(label, list | dict):
            found.warnings.append(
                f"{place}: `{found.label_column}` is no single name; it is ignored"
            )
            label = None
        content = _encodable(content)
        if not found.too_large(place, len(content.encode())):
            found.add(content, _kind(label), place)
    if rows and not labelled and found.label_column:
        raise NotesError(_missing(source, "notes.label_column", found.label_column, columns))


def _missing(place: str, setting: str, wanted: str, columns: list[str]) -> str:
    by_case = {column.casefold(): column for column in columns}
    near = difflib.get_close_matches(wanted.casefold(), by_case, n=1)
    hint = f'; did you mean {setting} = "{by_case[near[0]]}"?' if near else f"; set {setting}"
    return f'{place}: no column "{wanted}" (there are: {", ".join(columns)}){hint}'


def _jsonl_rows(text: str, source: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            problem = getattr(error, "msg", None) or str(error)
            raise NotesError(
                f"{source}, line {number}: no valid JSON ({problem}): mend the line or take it out"
            ) from None
        if not isinstance(row, dict):
            raise NotesError(f"{source}, line {number}: a JSON object is expected, one a line")
        yield number, row


def _csv_rows(text: str, source: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    header = text.lstrip("\n").split("\n", 1)[0]
    unquoted = "".join(header.split('"')[::2])
    delimiter = max(",;\t", key=unquoted.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        names = [name.strip() for name in next((fields for fields in reader if fields), [])]
        line = reader.line_num + 1
        for fields in reader:
            if fields and len(fields) != len(names):
                raise NotesError(
                    f"{source}, line {line}: {len(fields)} fields, but the header has {len(names)}: "
                    "mend the row (text with commas needs quotes)"
                )
            if fields:
                yield line, dict(zip(names, fields, strict=True))
            line = reader.line_num + 1
    except csv.Error as error:
        raise NotesError(f"{source}, line {line}: broken row ({error}): mend it") from None


def _check_kinds(notes: list[Note]) -> None:
    seen: dict[str, str] = {}
    for kind in dict.fromkeys(note.kind for note in notes if note.kind is not None):
        key = unicodedata.normalize("NFKC", kind).casefold()
        other = seen.setdefault(key, kind)
        if other != kind:
            raise NotesError(
                f'the kinds "{other}" and "{kind}" differ in case or width alone: give them one name'
            )
