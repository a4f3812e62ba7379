"""What names a kind within a text: a model that sees it would learn to read only that."""

from __future__ import annotations

from collections.abc import Collection

from nightschool.notes.kinds import KnownKinds
from nightschool.notes.metadata.line_properties import InlineField, without_fields
from nightschool.notes.metadata.org_mode import without_headline_tags
from nightschool.notes.metadata.properties import TAG_KEYS
from nightschool.notes.tags import without_tags

_MAX_ROUNDS = 20


def without_kind_marks(text: str, known: KnownKinds, kind_keys: Collection[str]) -> str:
    """The text without tags that name a kind and without inline fields that hold kinds.

    `kind_keys` are the properties that may name a kind, in any spelling; their fields go whatever they name.
    """

    def holds_kind(each: InlineField) -> bool:
        return each.key in kind_keys or (each.key in TAG_KEYS and bool(known.tagged(each.values)))

    def names_kind(tag: str) -> bool:
        return bool(known.tagged((tag,)))

    for _ in range(_MAX_ROUNDS):
        shorter = without_fields(text, holds_kind)
        shorter = without_tags(shorter, names_kind)
        shorter = without_headline_tags(shorter, names_kind)
        if shorter == text:
            break
        text = shorter  # which may read differently: behind a tag, a line can be a field
    return text
