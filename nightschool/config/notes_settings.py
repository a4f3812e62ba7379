"""Settings of the notes: where they are, how they are read, and what names their kinds."""

from __future__ import annotations

import codecs
import re
from typing import Literal

from pydantic import Field, field_validator

from nightschool.config.section import Section

FOLDER, TAGS = "folder", "tags"
"""The entries of `kind_from` that are no properties."""
# Codecs for names, or for the source code of programs.
_NOT_OF_FILES = {"idna", "punycode", "unicode-escape", "raw-unicode-escape"}

_MOST_STARS = 3


class NotesSettings(Section):
    """The notes: where they are and how they are read."""

    folder: str | list[str] = Field(
        "notes", description="folder, .jsonl or .csv file, relative to this file; or a list of them"
    )
    text_column: str = Field("text", description="column with the text (JSONL and CSV)")
    label_column: str = Field("label", description="column with the kind (JSONL and CSV)")
    group_column: str = Field(
        "", description='column with the source of a note (JSONL and CSV); "": none'
    )
    max_bytes: int = Field(
        1_000_000, gt=0, description="maximum size in bytes; larger notes are skipped and counted"
    )
    encoding: str = Field(
        "", description='encoding of all files, such as "cp932"; "": detected for each file'
    )
    include: list[str] = Field(
        [], description="patterns of the files to read, as in .gitignore; []: all"
    )
    exclude: list[str] = Field(
        [],
        description='patterns of files and folders to leave out, as in .gitignore; "!Templates/" brings back '
        "what is left out by default",
    )
    kind_from: list[str] = Field(
        ["kind", "type", "folder", "tags"],
        min_length=1,
        description='where a note\'s kind comes from, in order of precedence: "folder", "tags", or the name '
        "of a property",
    )
    remove_lines: list[str] = Field(
        [], description="lines to remove from the texts; * stands for any characters"
    )
    remove_text: list[str] = Field(
        [], description="words or marks to remove from the texts; * between others as above"
    )
    split: Literal["file", "headings"] = Field(
        "file", description="unit of a note: a whole file, or the text below a heading"
    )
    heading_level: int = Field(
        2, ge=1, le=6, description="lowest heading level that begins a note (1: #, 2: ##)"
    )
    none: str = Field(
        "",
        description='kind that means "none of the above"; "": one named none, other, なし ...',
    )

    @field_validator("folder", mode="before")
    @classmethod
    def _check_folder(cls, given: object) -> object:
        paths = given if isinstance(given, list) else [given]
        if not paths or not all(isinstance(path, str) and path for path in paths):
            raise ValueError('expected a path, or a list of paths: ["notes", "~/work"]')
        return given

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, name: str) -> str:
        try:
            # Codecs such as "rot13" and "zlib" are not of text and refuse this, too.
            known = not name or "a".encode(name).decode(name) == "a"
        except (ValueError, LookupError):
            known = False
        if not known or (name and codecs.lookup(name).name in _NOT_OF_FILES):
            raise ValueError('not an encoding that Python can read: name one such as "cp932"')
        return name

    @field_validator("kind_from")
    @classmethod
    def _check_sources(cls, sources: list[str]) -> list[str]:
        if not all(source.strip() for source in sources):
            raise ValueError("an entry is empty: name a property, or remove it")
        return sources

    @field_validator("include", "exclude")
    @classmethod
    def _check_patterns(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            from pathspec import GitIgnoreSpec  # lazy: pathspec

            try:
                GitIgnoreSpec.from_lines([pattern])
            except ValueError as error:
                raise ValueError(f'"{pattern}" is no pattern ({error})') from None
            stars = max(len(re.findall(r"\*+", part)) for part in pattern.split("/"))
            if stars > _MOST_STARS or pattern.count("**") > _MOST_STARS:
                # With each, the time for a long name is multiplied by its length.
                raise ValueError(f'"{pattern}" has more than {_MOST_STARS} * in a name: shorten it')
        return patterns

    @field_validator("remove_lines", "remove_text")
    @classmethod
    def _check_removals(cls, entries: list[str]) -> list[str]:
        for entry in entries:
            if not entry.strip("* \t") or "\n" in entry:
                raise ValueError(
                    f"{entry!r} would remove everything or nothing: give part of a line"
                )
        return entries

    @property
    def folders(self) -> tuple[str, ...]:
        """The entries of `folder`."""
        return (self.folder,) if isinstance(self.folder, str) else tuple(self.folder)

    @property
    def order(self) -> tuple[str, ...]:
        """What names a kind, in order of precedence: "folder", "tags" and keys of properties, casefolded."""
        return tuple(dict.fromkeys(source.strip().casefold() for source in self.kind_from))

    @property
    def kind_keys(self) -> tuple[str, ...]:
        """The properties that may name a kind."""
        return tuple(source for source in self.order if source not in (FOLDER, TAGS))
