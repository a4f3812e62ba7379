"""Settings of the notes: where they are, how they are read, and what names their kinds."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from nightschool.config.section import Section

FOLDER, TAGS = "folder", "tags"
"""The entries of `kind_from` that are no properties."""


class NotesSettings(Section):
    """The notes: where they are and how they are read."""

    folder: str = Field(
        "notes", min_length=1, description="folder, .jsonl or .csv file, relative to this file"
    )
    text_column: str = Field("text", description="column with the text (JSONL and CSV)")
    label_column: str = Field("label", description="column with the kind (JSONL and CSV)")
    group_column: str = Field(
        "", description='column with the source of a note (JSONL and CSV); "": none'
    )
    max_bytes: int = Field(
        1_000_000, gt=0, description="maximum size in bytes; larger notes are skipped and counted"
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
        return patterns

    @property
    def order(self) -> tuple[str, ...]:
        """What names a kind, in order of precedence: "folder", "tags" and keys of properties, casefolded."""
        return tuple(dict.fromkeys(source.strip().casefold() for source in self.kind_from))

    @property
    def kind_keys(self) -> tuple[str, ...]:
        """The properties that may name a kind."""
        return tuple(source for source in self.order if source not in (FOLDER, TAGS))
