"""Which columns of a table hold the text and the kind, by their names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nightschool.config.errors import NotesError
from nightschool.config.kind_settings import same_kind
from nightschool.config.notes_settings import NotesSettings
from nightschool.notes import tables
from nightschool.notes.decoding import Undecodable, open_lines
from nightschool.notes.kind_stems import KIND_WORDS

_TEXT = (
    "text", "body", "content", "note", "message", "description", "本文", "内容", "テキスト", "メモ",
    "正文", "본문",
)  # fmt: skip
_LABEL = ("label", *KIND_WORDS, "labels", "target", "intent", "ラベル", "标签", "레이블")


def usual_columns(table: Path, settings: NotesSettings) -> dict[str, str]:
    """The settings of [notes] that name other columns than `settings` do, for a table that lacks these."""
    try:
        with open_lines(table, settings.encoding) as lines:
            _, row = next(tables.rows(lines.stream, table.name, (), settings.max_bytes), (0, None))
    except (OSError, Undecodable, UnicodeDecodeError, NotesError):
        return {}
    columns = row or {}
    found = {
        key: _first(names, columns)
        for key, names in (("text_column", _TEXT), ("label_column", _LABEL))
        if getattr(settings, key) not in columns
    }
    return {key: column for key, column in found.items() if column}


def _first(names: Iterable[str], columns: Iterable[str]) -> str:
    by_name = {same_kind(column): column for column in columns}
    return next((by_name[name] for name in names if name in by_name), "")
