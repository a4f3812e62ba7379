"""Settings of a kind, and when two names of kinds are the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from nightschool.config.section import Section
from nightschool.config.unicode_forms import unicode_form

INVISIBLE = "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
"""Format characters that no reader sees, for a character class; without the joiners U+200C and U+200D, which
belong to words and emoji."""
_IGNORED = re.compile(f"[{INVISIBLE}\u200c\u200d\ufe00-\ufe0f]")  # joiners, variation selectors

_SHORT = 100  # characters: any text may be a tag, and the cache has to stay small


def same_kind(name: str) -> str:
    """What spellings of one kind have in common: NFKC, case folded, without invisible characters."""
    return _same_short_kind(name) if len(name) <= _SHORT else _same_short_kind.__wrapped__(name)


@lru_cache(maxsize=4096)
def _same_short_kind(name: str) -> str:
    return _IGNORED.sub("", unicode_form("NFKC", name).casefold())


class KindSettings(Section):
    """A kind under [kinds]: its meaning alone, or a table."""

    meaning: str = Field("", description="meaning, for base models with a chat template")
    aliases: list[str] = Field(
        [], description="other names of the kind, in folders, properties, tags and label columns"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_meaning(cls, given: Any) -> Any:
        return {"meaning": given} if isinstance(given, str) else given

    @model_serializer(mode="wrap")
    def _as_written(self, to_dict: SerializerFunctionWrapHandler) -> str | dict[str, Any]:
        return dict(to_dict(self)) if self.aliases else self.meaning


def ambiguous_name(kinds: Mapping[str, KindSettings]) -> str:
    """What is wrong if two kinds, or aliases of two kinds, have the same name; "" if nothing is."""
    owners: dict[str, str] = {}
    for kind, settings in kinds.items():
        for name in (kind, *settings.aliases):
            owner = owners.setdefault(same_kind(name), kind)
            if owner != kind:
                if same_kind(name) == same_kind(kind) == same_kind(owner):
                    return f'the kinds "{owner}" and "{kind}" differ only in case or width: give them one name'
                return f'the alias "{name}" names two kinds, "{owner}" and "{kind}": keep one'
    return ""
