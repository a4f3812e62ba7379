"""The rows of JSONL and CSV files, one after another; a broken row is named by its line.

Memory: one row, and no more than its limit.
"""

from __future__ import annotations

import csv
import difflib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import TextIO

from nightschool.config.errors import NotesError
from nightschool.config.printable import listed, without_controls

# A note may be longer than the csv module's own limit; the limit of a row replaces it.
csv.field_size_limit(2**31 - 1)

Row = tuple[int, Mapping[str, object] | None]
"""The number of the row's first line, and the row by column; None if the row is longer than its limit."""

_MOST_COLUMNS_LISTED = 20
_SKIPPED_AT_ONCE = 1 << 16  # characters
_SEPARATOR = re.compile(r"sep=([^\w\s\"]|\t)", re.IGNORECASE)


def rows(stream: TextIO, source: str, used: Collection[str], limit: int) -> Iterator[Row]:
    """Each row of a table; the suffix of `source` tells the format. `limit` is in characters.

    Raises NotesError if a row is broken, or if the header of a CSV has a column in `used` twice.
    """
    if source.lower().endswith(".jsonl"):
        return _jsonl(stream, source, limit)
    return _csv(stream, source, used, limit)


def missing_column(place: str, setting: str, column: str, columns: list[str]) -> NotesError:
    """The error for a row without `column`, with the setting that names it and the nearest column."""
    by_case = {name.casefold(): name for name in columns}
    near = difflib.get_close_matches(column.casefold(), by_case, n=1)
    hint = f'did you mean {setting} = "{by_case[near[0]]}"?' if near else f"set {setting}"
    existing = without_controls(listed(columns, _MOST_COLUMNS_LISTED))
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


def _jsonl(stream: TextIO, source: str, limit: int) -> Iterator[Row]:
    lines = _RowLines(stream, limit)
    while True:
        number = lines.begin_row()
        try:
            line = next(lines)
        except StopIteration:
            return
        except _RowTooLong:
            lines.skip_line()
            yield number, None
            continue
        if not line.strip():
            continue
        row = parse_json(line, f"{source}, line {number}")
        if not isinstance(row, dict):
            raise NotesError(
                f"{source}, line {number}: not a JSON object", "write one object per line"
            )
        yield number, row


def _csv(stream: TextIO, source: str, used: Collection[str], limit: int) -> Iterator[Row]:
    lines = _RowLines(stream, limit)
    first = line = lines.begin_row()
    try:
        header = next(lines, "")
        # Excel reads and writes a first line that names the delimiter.
        stated = _SEPARATOR.fullmatch(header.rstrip("\n").strip('"'))
        while header == "\n" or (stated and first == 1):
            first = line = lines.begin_row()
            header = next(lines, "")
        unquoted = "".join(header.split('"')[::2])
        delimiter = stated[1] if stated else max(",;\t", key=unquoted.count)
        reader = csv.reader(chain([header], lines), delimiter=delimiter, strict=True)
        names = [name.strip() for name in next(reader, [])]
        _check_names(names, used, f"{source}, line {first}")
        while True:
            line = lines.begin_row()
            try:
                fields = next(reader)
            except StopIteration:
                return
            except _RowTooLong:
                lines.skip_row()
                yield line, None
                reader = csv.reader(lines, delimiter=delimiter, strict=True)
                continue
            if fields and len(fields) != len(names):
                raise NotesError(
                    f"{source}, line {line}: {len(fields)} fields, but the header has {len(names)}",
                    "correct the row (text with commas needs quotes)",
                )
            if fields:
                yield line, dict(zip(names, fields, strict=True))
    except csv.Error as error:
        raise NotesError(f"{source}, line {line}: broken row ({error})", "correct it") from None
    except _RowTooLong:
        raise NotesError(
            f"{source}, line {line}: the header has more than {limit:,} characters", "correct it"
        ) from None


def _check_names(names: list[str], used: Collection[str], where: str) -> None:
    for name in used:
        if names.count(name) > 1:
            raise NotesError(
                f'{where}: {names.count(name)} columns are called "{name}"', "rename all but one"
            )


class _RowTooLong(Exception):
    """The lines since the row began have more characters than the limit."""


class _RowLines(Iterator[str]):
    """The lines of a table, with no more than `limit` characters of a row in memory."""

    def __init__(self, stream: TextIO, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._number = 0
        """Of the last line."""
        self._size = 0
        """Characters since the row began."""
        self._quotes = 0
        self._last = "\n"
        """The end of the last line, or the part of it that was read."""

    def begin_row(self) -> int:
        """The number of the next line, with which a row begins."""
        self._size = self._quotes = 0
        return self._number + 1

    def __next__(self) -> str:
        """The next line. Raises _RowTooLong; then `skip_line` or `skip_row` has to follow."""
        line = self._read(self._limit + 1)
        if not line:
            raise StopIteration
        self._number += 1
        self._size += len(line)
        if self._size > self._limit:
            raise _RowTooLong
        return line

    def skip_line(self) -> None:
        """Read to the end of the line."""
        while not self._last.endswith("\n") and self._read(_SKIPPED_AT_ONCE):
            pass

    def skip_row(self) -> None:
        """Read to the end of a CSV's row: the first end of a line outside quotes.

        Raises csv.Error if the quotes never close.
        """
        self.skip_line()
        while self._quotes % 2:
            if not self._read(_SKIPPED_AT_ONCE):
                raise csv.Error("unexpected end of data")
            self._number += 1
            self.skip_line()

    def _read(self, most: int) -> str:
        part = self._stream.readline(most)
        self._quotes += part.count('"')
        self._last = part[-1:] or "\n"
        return part
