"""What gives a kind away within a text: a model that sees it would learn to read only that."""

from __future__ import annotations

from nightschool.config.notes_settings import NotesSettings
from nightschool.notes.kinds import KnownKinds
from nightschool.notes.metadata.line_properties import InlineField, names_in, without_fields
from nightschool.notes.metadata.org_mode import without_headline_tags
from nightschool.notes.metadata.properties import TAG_KEYS
from nightschool.notes.tags import without_tags
from nightschool.notes.text_removal import without_lines, without_words

_MAX_ROUNDS = 20


def without_kind_marks(text: str, known: KnownKinds, settings: NotesSettings) -> str:
    """The text without tags that name a kind, inline fields that hold kinds, and what the settings remove.

    The fields of `settings.kind_keys` go whatever they name.
    """
    kind_keys = settings.kind_keys

    def holds_kind(each: InlineField) -> bool:
        return each.key in kind_keys or (
            each.key in TAG_KEYS and bool(known.tagged(names_in(each.values)))
        )

    def names_kind(tag: str) -> bool:
        return bool(known.tagged((tag,)))

    for _ in range(_MAX_ROUNDS):
        shorter = without_words(text, settings.remove_text)
        shorter = without_lines(shorter, settings.remove_lines)
        shorter = without_fields(shorter, holds_kind)
        shorter = without_tags(shorter, names_kind)
        shorter = without_headline_tags(shorter, names_kind)
        if shorter == text:
            break
        text = shorter  # which may read differently: behind a tag, a line can be a field
    return text
