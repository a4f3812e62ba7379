"""The rows of JSONL and CSV files, one after the other; a broken one is named by its line."""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import TextIO

from nightschool.config.errors import NotesError
from nightschool.notes.decoding import harmless

# A note may be longer than csv's own limit; notes.max_bytes is the one that counts.
csv.field_size_limit(2**31 - 1)

Row = tuple[int, Mapping[str, object]]


def rows(lines: TextIO, source: str, wanted: Collection[str]) -> Iterator[Row]:
    """(number of its first line, row) of a table, JSONL or CSV by the name of `source`.

    Raises NotesError where a row is broken, or a wanted column of a CSV stands in its header twice.
    """
    if source.lower().endswith(".jsonl"):
        return _jsonl(lines, source)
    return _csv(lines, source, wanted)


def missing(place: str, setting: str, wanted: str, columns: list[str]) -> str:
    """What to say where a row has no such column, with the setting and the nearest there is."""
    by_case = {column.casefold(): column for column in columns}
    near = difflib.get_close_matches(wanted.casefold(), by_case, n=1)
    hint = f'; did you mean {setting} = "{by_case[near[0]]}"?' if near else f"; set {setting}"
    return (
        f'{place}: no column "{wanted}" (there are: {harmless(", ".join(columns))}){harmless(hint)}'
    )


def parsed(line: str, where: str) -> object:
    """What a line of JSON says. Raises NotesError with its place where it is broken."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        problem = getattr(error, "msg", None) or str(error)
        raise NotesError(
            f"{where}: no valid JSON ({problem}): mend the line or take it out"
        ) from None


def _jsonl(lines: TextIO, source: str) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        row = parsed(line, f"{source}, line {number}")
        if not isinstance(row, dict):
            raise NotesError(f"{source}, line {number}: a JSON object is expected, one a line")
        yield number, row


def _csv(lines: TextIO, source: str, wanted: Collection[str]) -> Iterator[Row]:
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
        for name in wanted:
            if names.count(name) > 1:
                raise NotesError(
                    f'{source}, line {line}: {names.count(name)} columns are called "{name}": rename '
                    "those that are not meant"
                )
        line = blank + reader.line_num + 1
        for fields in reader:
            if fields and len(fields) != len(names):
                raise NotesError(
                    f"{source}, line {line}: {len(fields)} fields, but the header has {len(names)}: "
                    "mend the row (text with commas needs quotes)"
                )
            if fields:
                yield line, dict(zip(names, fields, strict=True))
            line = blank + reader.line_num + 1
    except csv.Error as error:
        raise NotesError(f"{source}, line {line}: broken row ({error}): mend it") from None
