"""What is odd about a note although it can be read, by type, so that a thousand of a type are one warning."""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

_MAX_PLACES = 3


class TroubleType(StrEnum):
    """The types, in the order in which warnings are listed."""

    NOT_CLOSED = "not_closed"
    BROKEN = "broken"
    NO_SPACE = "no_space"
    COMMENT = "comment"
    DUPLICATE_KEY = "duplicate_key"
    NOT_AT_TOP = "not_at_top"
    CONFLICT = "conflict"
    TWO_KINDS = "two_kinds"
    NOT_A_NAME = "not_a_name"
    UNKNOWN_KIND = "unknown_kind"
    BAD_BYTES = "bad_bytes"
    TWO_SURROGATES = "two_surrogates"
    NUL = "nul"
    UNSURE_ENCODING = "unsure_encoding"


# `{}` is the detail.
_MESSAGES = {
    TroubleType.NOT_CLOSED: "the front matter is not closed with {}",
    TroubleType.BROKEN: "broken front matter: {}",
    TroubleType.NO_SPACE: "no space behind the colon, which YAML demands",
    TroubleType.COMMENT: "`{}` is a comment in YAML: put it in quotes",
    TroubleType.DUPLICATE_KEY: "`{}` is given twice",
    TroubleType.NOT_AT_TOP: "a front matter that is not at the top is not read",
    TroubleType.CONFLICT: "a conflict of two versions is not resolved",
    TroubleType.TWO_KINDS: "two kinds are named ({}): keep one",
    TroubleType.NOT_A_NAME: "`{}` is not a single name and is ignored",
    TroubleType.UNKNOWN_KIND: "`{}` is not under [kinds]",
    TroubleType.BAD_BYTES: "not valid {}: read as \ufffd",
    TroubleType.TWO_SURROGATES: "a character is encoded as two surrogates (CESU-8); read as one",
    TroubleType.NUL: "a NUL byte is left out",
    TroubleType.UNSURE_ENCODING: "the encoding may not be {}: if the text looks wrong, set notes.encoding",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """A trouble of a note: its type, its line in the file (from 1; 0: none), and a detail."""

    type: TroubleType
    line: int = 0
    detail: str = ""
    first_line: int = 0
    """Of something that is given twice, the other line."""
    column: int = 0
    """Of a byte: its column in characters, from 1 (0: none)."""
    offset: int = 0
    """Of a byte with a column: its place in the file, from 0."""

    @property
    def message(self) -> str:
        return _MESSAGES[self.type].replace("{}", self.detail)

    @property
    def place(self) -> str:
        """'line 3, column 5 (byte offset 7)', as far as it is known."""
        parts = []
        if self.line:
            lines = f"lines {self.first_line} and" if self.first_line else "line"
            parts.append(f"{lines} {self.line}")
        if self.column:
            parts.append(f"column {self.column} (byte offset {self.offset:,})")
        return ", ".join(parts)

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.place, self.message)))


@dataclass(frozen=True, slots=True)
class NoteTrouble:
    """A trouble and the note that has it."""

    source: str
    trouble: Trouble

    @property
    def place(self) -> str:
        return ", ".join(filter(None, (self.source, self.trouble.place)))

    def __str__(self) -> str:
        return f"{self.place}: {self.trouble.message}"


def row_troubles(
    source: str, first_lines: Sequence[int], troubles: Iterable[Trouble]
) -> Iterator[NoteTrouble]:
    """The troubles of a table by row: of each row, its first line, in order."""
    for trouble in troubles:
        row = bisect(first_lines, trouble.line)
        if not row:
            yield NoteTrouble(source, trouble)
            continue
        first = first_lines[row - 1]
        line = trouble.line if trouble.line > first else 0
        yield NoteTrouble(f"{source}:{first}", replace(trouble, line=line))


def trouble_warnings(troubles: Iterable[NoteTrouble]) -> tuple[str, ...]:
    """One warning for each type and detail, with its first places and how many there are."""
    by_message: dict[tuple[TroubleType, str], list[NoteTrouble]] = defaultdict(list)
    for each in troubles:
        by_message[each.trouble.type, each.trouble.message].append(each)
    order = list(TroubleType)
    warnings = []
    for (_, message), same in sorted(by_message.items(), key=lambda pair: order.index(pair[0][0])):
        places = "; ".join(each.place for each in same[:_MAX_PLACES])
        more = f" and {len(same) - _MAX_PLACES:,} more" if len(same) > _MAX_PLACES else ""
        warnings.append(f"{places}{more}: {message}")
    return tuple(warnings)
