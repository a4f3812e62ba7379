"""TOML from anyone: read in bounded time and depth, and whatever is wrong with it is a ValueError."""

from __future__ import annotations

import re
import tomllib
from typing import Any

MOST_LEVELS = 32
# tomllib takes time and memory in proportion to the square of a key's parts.
_DEEP_KEY = re.compile(
    rf"""(?:(?:(?<![\w-])[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{MOST_LEVELS}}}"""
)


def loads(text: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises ValueError if it is broken or nests more than 32 levels deep."""
    deep = ValueError(f"more than {MOST_LEVELS} levels deep")
    if _DEEP_KEY.search(text):
        raise deep
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise deep from None
    level: list[Any] = [tables]
    for _ in range(MOST_LEVELS):
        level = [inner for outer in level for inner in _within(outer)]
    if level:
        raise deep
    return tables


def _within(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
