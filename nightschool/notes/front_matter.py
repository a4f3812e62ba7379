"""The settings at the top of a Markdown note, between two lines of `---` (YAML)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from nightschool.notes.kinds import as_tags, kind_name

# Every value stays the text that stands there: `kind: no` is "no", and no date can be a wrong one.
_YAML = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_NOTHING = ("", "~", "null")


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """What the front matter says, the text after it, and what is broken ("" if nothing)."""

    body: str
    kind: str | None = None
    type: str | None = None
    tags: tuple[str, ...] = ()
    origin: str = ""
    """What the note was taken from: `url:`, else `source:`."""
    warning: str = ""


def split(text: str, source: str) -> FrontMatter:
    """Take the front matter off a note; a broken one is named with its line and passed over."""
    if not text.startswith("---"):
        return FrontMatter(text)
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        return FrontMatter(text)
    end = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() in ("---", "...")), None)
    if end is None:
        # A horizontal rule at the top looks the same; only "key:" lines are a broken front matter.
        if len(lines) > 1 and ":" in lines[1]:
            return FrontMatter(
                text, warning=f"{source}, line 1: the front matter is never closed with ---"
            )
        return FrontMatter(text)
    body = "\n".join(lines[end + 1 :])
    try:
        matter = yaml.load("\n".join(lines[1:end]), Loader=_YAML)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 2 if mark else 1
        problem = getattr(error, "problem", None) or "invalid YAML"
        return FrontMatter(body, warning=f"{source}, line {line}: broken front matter: {problem}")
    if matter is None:
        return FrontMatter(body)
    if not isinstance(matter, Mapping):
        # Prose between two rules, no settings.
        return FrontMatter(text)
    values = {str(key).casefold(): value for key, value in matter.items()}
    kind, warning = _single(values, "kind"), ""
    if kind is None and values.get("kind") not in (None, *_NOTHING):
        line = next((n for n, t in enumerate(lines, 1) if t.casefold().startswith("kind")), 1)
        warning = f"{source}, line {line}: `kind:` is no single name; it is ignored"
    return FrontMatter(
        body=body,
        kind=kind,
        type=_single(values, "type"),
        tags=as_tags(values.get("tags", values.get("tag"))),
        origin=_single(values, "url") or _single(values, "source") or "",
        warning=warning,
    )


def _single(values: Mapping[str, object], key: str) -> str | None:
    """The one name that a key gives, on one line; None for nothing, several, or a table."""
    value = values.get(key)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str) or value in _NOTHING:
        return None
    return kind_name(value)
