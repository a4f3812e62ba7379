"""A note, what was skipped, and the result of reading."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum

from nightschool.notes.trouble import NoteTrouble

_ROW = re.compile(r":\d+$")


@dataclass(frozen=True, slots=True)
class Note:
    """One text to be sorted."""

    text: str
    kind: str | None
    source: str
    """The path below the notes folder; "file.csv:12" for a row, "file.md#Heading" for a section."""
    section_of: str = ""
    """The file that a section belongs to."""
    origin: str = ""
    """What the note was taken from, by its metadata or column: a URL or any name; "" if unknown."""
    kind_from: str = field(default="", compare=False)
    """What named the kind: an entry of `notes.kind_from`, a column, or a label of the owner's."""

    @property
    def file(self) -> str:
        """The file that holds it."""
        return self.section_of or _ROW.sub("", self.source)


class SkipReason(StrEnum):
    """Why a file, row or section is not a note."""

    HIDDEN = "hidden"
    LINK_OUTSIDE = "link_outside"
    LINK_TO_FOLDER = "link_to_folder"
    SCHOOL_FILE = "school_file"
    SUFFIX = "suffix"
    NOT_REGULAR = "not_regular"
    TOO_LARGE = "too_large"
    EMPTY = "empty"
    HEADING_ONLY = "heading_only"
    NO_TEXT = "no_text"
    BINARY = "binary"
    UNKNOWN_ENCODING = "unknown_encoding"
    WRONG_MARK = "wrong_mark"
    UNREADABLE = "unreadable"
    CHANGED = "changed"
    EXCLUDED = "excluded"
    CLOUD = "cloud"
    PLACEHOLDERS = "placeholders"
    NO_NOTE = "no_note"
    NO_TABLE = "no_table"
    LEFT_OUT = "left_out"


# `{}` is the detail of `Skipped`.
_MESSAGES = {
    SkipReason.HIDDEN: "hidden",
    SkipReason.LINK_OUTSIDE: "a link that leaves the notes folder",
    SkipReason.LINK_TO_FOLDER: "a link to a folder",
    SkipReason.SCHOOL_FILE: "one of the school's own files",
    SkipReason.SUFFIX: "not a note: {}",
    SkipReason.NOT_REGULAR: "not a regular file",
    SkipReason.TOO_LARGE: "larger than {}",
    SkipReason.EMPTY: "empty",
    SkipReason.HEADING_ONLY: "a heading without text below it",
    SkipReason.NO_TEXT: "no text in column `{}`",
    SkipReason.BINARY: "binary file",
    SkipReason.UNKNOWN_ENCODING: "encoding not known: save it as UTF-8, or set notes.encoding",
    SkipReason.WRONG_MARK: "begins with the byte order mark of {} but is not valid {}",
    SkipReason.UNREADABLE: "cannot be read: {}",
    SkipReason.CHANGED: "changed while it was being read",
    SkipReason.EXCLUDED: "excluded by {}",
    SkipReason.CLOUD: "not on this computer, only in the cloud",
    SkipReason.PLACEHOLDERS: "a template: only placeholders",
    SkipReason.NO_NOTE: "not a note but {}",
    SkipReason.NO_TABLE: "not a table of notes: {}",
    SkipReason.LEFT_OUT: "left out by a label",
}


def skip_message(reason: SkipReason, detail: str = "") -> str:
    """The reason in words; `detail` is a suffix, a limit, a column, an encoding or a system error."""
    return _MESSAGES[reason].replace("{}", detail)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, row or section that was skipped; `detail` as for `skip_message`."""

    source: str
    reason: SkipReason
    detail: str = ""
    passing: bool = False
    """Whether the system may be able to read it later."""

    @property
    def message(self) -> str:
        return skip_message(self.reason, self.detail)


@dataclass(frozen=True, slots=True)
class SkippedGroup:
    """The sources that were skipped for one reason."""

    reason: SkipReason
    detail: str
    sources: tuple[str, ...]

    @property
    def message(self) -> str:
        return skip_message(self.reason, self.detail)


@dataclass(frozen=True, slots=True)
class LoadedNotes:
    """What was read, in the order of the sources."""

    notes: tuple[Note, ...]
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]
    """For people; a trouble that many notes have is one warning."""
    troubles: tuple[NoteTrouble, ...] = ()
    known_kinds: tuple[str, ...] = ()
    """The kinds whose names were looked for, and removed from the texts; some may have no notes."""

    def skipped_groups(self) -> list[SkippedGroup]:
        """The skipped sources by reason and detail, the largest group first."""
        groups: dict[tuple[SkipReason, str], list[str]] = defaultdict(list)
        for skipped in self.skipped:
            groups[skipped.reason, skipped.detail].append(skipped.source)
        skipped_groups = [SkippedGroup(*key, tuple(sources)) for key, sources in groups.items()]
        return sorted(skipped_groups, key=lambda group: (-len(group.sources), group.message))
