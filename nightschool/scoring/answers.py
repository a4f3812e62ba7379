"""Which kind a model means that answers in its own words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from nightschool.notes.kinds import same_kind

# What a reasoning model thinks aloud before it answers, closed or not.
_THOUGHTS = re.compile(r"<(think|thinking|thought|reasoning)>.*?(</\1>|\Z)", re.DOTALL)
_THOUGHT_AHEAD = re.compile(r"\A.*</(?:think|thinking|thought|reasoning)>", re.DOTALL)
_MARKER = re.compile(
    r"(?:\bkind|\banswer|\bcategory|\blabel|\bclassification|種類|分類|答え)"
    r"[\s\"'*_`]*(?:is|would be|=|:|は)[\s\"'*_`]*([^\n]*)"
)
# Scripts whose words stand together without spaces.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_LETTER = rf"[^\W{_UNSPACED}]"


def kind_in(reply: str, kinds: Sequence[str]) -> str | None:
    """The one kind that a reply names, or None where it names none or cannot decide.

    Case, width, quotes and markup do not count, nor what a model thinks aloud in tags of its own. Tried
    in this order: the whole reply or a value in its JSON object is a kind, the last "kind:" or
    "answer:" is followed by one, only one is named at all, or only one in the last line.
    """
    text = _THOUGHT_AHEAD.sub(" ", same_kind(reply))
    text = _THOUGHTS.sub(" ", text).strip()
    by_name = {same_kind(kind): kind for kind in kinds}
    for part in [text, *_values(text)]:
        for name in (part, _bare(part)):
            if name in by_name:
                return by_name[name]
    for answer in _MARKER.findall(text)[-1:]:
        for name in sorted(by_name, key=len, reverse=True):
            if re.match(_as_a_word(name), answer):
                return by_name[name]
    for part in [text, *text.splitlines()[-1:]]:
        found = _named(part, by_name)
        if len(found) == 1:
            return found.pop()
    return None


def _bare(text: str) -> str:
    """Without the punctuation and markup around it."""
    return text.strip().strip("\"'`*_.,:;!()[]{}<>「」『』。、 \n\t#-").strip()


def _values(text: str) -> Iterable[str]:
    """The strings in the JSON object of a reply, if there is exactly one and it is whole."""
    begin, end = text.find("{"), text.rfind("}")
    if begin < 0 or end < begin:
        return
    try:
        found = json.loads(text[begin : end + 1])
    except (ValueError, RecursionError):
        return
    if isinstance(found, dict):
        yield from (value for value in found.values() if isinstance(value, str))


def _named(text: str, by_name: Mapping[str, str]) -> set[str]:
    """The kinds whose names stand in a text as words; a name within a longer one does not count."""
    found = set()
    for name in sorted(by_name, key=len, reverse=True):
        if re.search(_as_a_word(name), text):
            found.add(by_name[name])
            text = re.sub(_as_a_word(name), " ", text)
    return found


def _as_a_word(name: str) -> str:
    """A pattern for a name that no letter touches, where its script puts spaces between words."""
    before = rf"(?<!{_LETTER})" if re.match(_LETTER, name[:1]) else ""
    after = rf"(?!{_LETTER})" if re.match(_LETTER, name[-1:]) else ""
    return f"{before}{re.escape(name)}{after}"
