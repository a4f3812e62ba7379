"""Metadata of a note: its front matter, YAML between two lines of `---` at the top of the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from nightschool.notes import bounded_yaml
from nightschool.notes.kinds import kind_name
from nightschool.notes.printable import one_line

_NULLS = ("", "~", "null")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a note's front matter holds, and the text after it."""

    body: str
    kind: str | None = None
    type: str | None = None
    tags: tuple[str, ...] = ()
    origin: str = ""
    """What the note was taken from: `url:`, else `source:`."""
    warning: str = ""
    """What is wrong with the front matter; "" if nothing is."""


def read_metadata(text: str, source: str) -> Metadata:
    """Separate the front matter from a note; a broken one is ignored, with a warning that names its line."""
    if not text.startswith("---"):
        return Metadata(text)
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        return Metadata(text)
    end = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() in ("---", "...")), None)
    if end is None:
        # A horizontal rule looks the same; only a "key:" line makes it an unclosed front matter.
        if len(lines) > 1 and ":" in lines[1]:
            return Metadata(
                text, warning=f"{source}, line 1: the front matter is not closed with ---"
            )
        return Metadata(text)
    body = "\n".join(lines[end + 1 :])
    try:
        content = bounded_yaml.load("\n".join(lines[1:end]))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 2 if mark else 1
        problem = getattr(error, "problem", None) or "invalid YAML"
        return Metadata(body, warning=f"{source}, line {line}: broken front matter: {problem}")
    if content is None:
        return Metadata(body)
    if not isinstance(content, Mapping):
        # Prose between two horizontal rules.
        return Metadata(text)
    values = {str(key).casefold(): value for key, value in content.items()}
    kind, warning = _single(values, "kind"), ""
    if kind is None and values.get("kind") not in (None, *_NULLS):
        line = next((n for n, t in enumerate(lines, 1) if t.casefold().startswith("kind")), 1)
        warning = f"{source}, line {line}: `kind:` is not a single name and is ignored"
    return Metadata(
        body=body,
        kind=kind,
        type=_single(values, "type"),
        tags=tag_names(values.get("tags", values.get("tag"))),
        origin=_single(values, "url") or _single(values, "source") or "",
        warning=warning,
    )


def tag_names(value: object) -> tuple[str, ...]:
    """The names in `tags:`: a list, or text separated by commas or spaces; each once, without `#`."""
    if isinstance(value, str):
        value = re.split(r"[,\s]+", value)
    if not isinstance(value, list):
        return ()
    names = (
        one_line(str(tag)).removeprefix("#") for tag in value if not isinstance(tag, list | Mapping)
    )
    return tuple(dict.fromkeys(name for name in names if name))


def _single(values: Mapping[str, object], key: str) -> str | None:
    """The value of a key as one name on one line; None if it is empty, several values, or a mapping."""
    value = values.get(key)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str) or value in _NULLS:
        return None
    return kind_name(value)
