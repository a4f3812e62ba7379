"""The rows of JSONL and CSV files, one after another; a broken row is named by its line."""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import TextIO

from nightschool.config.errors import NotesError
from nightschool.notes.printable import without_controls

# A note may be longer than the csv module's own limit; notes.max_bytes limits it.
csv.field_size_limit(2**31 - 1)

Row = tuple[int, Mapping[str, object]]


def rows(lines: TextIO, source: str, used: Collection[str]) -> Iterator[Row]:
    """(number of the first line, row) for each row of a table; the suffix of `source` tells the format.

    Raises NotesError if a row is broken, or if the header of a CSV has a column in `used` twice.
    """
    if source.lower().endswith(".jsonl"):
        return _jsonl(lines, source)
    return _csv(lines, source, used)


def missing_column(place: str, setting: str, column: str, columns: list[str]) -> NotesError:
    """The error for a row without `column`, with the setting that names it and the nearest column."""
    by_case = {name.casefold(): name for name in columns}
    near = difflib.get_close_matches(column.casefold(), by_case, n=1)
    hint = f'did you mean {setting} = "{by_case[near[0]]}"?' if near else f"set {setting}"
    existing = without_controls(", ".join(columns))
    return NotesError(
        f'{place}: no column "{column}" (columns: {existing})', without_controls(hint)
    )


def parse_json(line: str, where: str) -> object:
    """The value of a line of JSON. Raises NotesError, which begins with `where`, if it is invalid."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        problem = getattr(error, "msg", None) or str(error)
        raise NotesError(
            f"{where}: not valid JSON ({problem})", "correct or remove the line"
        ) from None


def _jsonl(lines: TextIO, source: str) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        row = parse_json(line, f"{source}, line {number}")
        if not isinstance(row, dict):
            raise NotesError(
                f"{source}, line {number}: not a JSON object", "write one object per line"
            )
        yield number, row


def _csv(lines: TextIO, source: str, used: Collection[str]) -> Iterator[Row]:
    blank = 0
    header = lines.readline()
    while header == "\n":
        blank += 1
        header = lines.readline()
    unquoted = "".join(header.split('"')[::2])
    delimiter = max(",;\t", key=unquoted.count)
    reader = csv.reader(chain([header], lines), delimiter=delimiter, strict=True)
    line = blank + 1
    try:
        names = [name.strip() for name in next(reader, [])]
        for name in used:
            if names.count(name) > 1:
                raise NotesError(
                    f'{source}, line {line}: {names.count(name)} columns are called "{name}"',
                    "rename all but one",
                )
        line = blank + reader.line_num + 1
        for fields in reader:
            if fields and len(fields) != len(names):
                raise NotesError(
                    f"{source}, line {line}: {len(fields)} fields, but the header has {len(names)}",
                    "correct the row (text with commas needs quotes)",
                )
            if fields:
                yield line, dict(zip(names, fields, strict=True))
            line = blank + reader.line_num + 1
    except csv.Error as error:
        raise NotesError(f"{source}, line {line}: broken row ({error})", "correct it") from None
