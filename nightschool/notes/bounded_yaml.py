"""YAML from anyone: read in bounded time, memory and depth."""

from __future__ import annotations

from typing import Any

import yaml

MOST_CHARACTERS = 65_536
MOST_LEVELS = 32
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
# Every level has at least one of these characters of its own.
_INDICATORS = "[{-?:"
_BEGINS = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_ENDS = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


def compose(text: str) -> yaml.Node | None:
    """The nodes of a YAML document, with their lines; an alias is the node that it names.

    Scalars are texts: `kind: no` is "no", and no date can be invalid. Raises yaml.YAMLError for what is
    broken, too large or too deep.
    """
    if len(text) > MOST_CHARACTERS:
        raise yaml.MarkedYAMLError(problem=f"longer than {MOST_CHARACTERS:,} characters")
    if sum(map(text.count, _INDICATORS)) > MOST_LEVELS:
        _check_levels(text)
    return yaml.compose(text, Loader=_LOADER)


def _check_levels(text: str) -> None:
    """libyaml's loader calls itself for every level and overflows the stack; its parser does not."""
    level = 0
    for event in yaml.parse(text, Loader=_LOADER):
        level += isinstance(event, _BEGINS) - isinstance(event, _ENDS)
        if level > MOST_LEVELS:
            mark: Any = event.start_mark
            raise yaml.MarkedYAMLError(problem=f"more than {MOST_LEVELS} levels", problem_mark=mark)
