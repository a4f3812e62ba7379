"""Finds the kind in a model's free-text answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from nightschool.config.kind_settings import same_kind

# The reasoning before an answer, in closed or unclosed tags.
_THOUGHTS = re.compile(r"<(think|thinking|thought|reasoning)>.*?(</\1>|\Z)", re.DOTALL)
_THOUGHT_AHEAD = re.compile(r"\A.*</(?:think|thinking|thought|reasoning)>", re.DOTALL)
_NAMES_ANSWER = ("kind", "answer", "category", "label", "classification", "種類", "分類", "答え")
# Runs have an end, so that a search takes time in proportion to the text.
_ANY, _SOME = "{0,40}", "{1,40}"
_MARKER = re.compile(
    rf"(?:{'|'.join(rf'(?<![a-z]){name}' for name in _NAMES_ANSWER)})"
    rf"[\s\"'*_`]{_ANY}(?:is|would be|=|:|は)[\s\"'*_`]{_ANY}([^\n]*)"
)
# A kind within these patterns is denied: "of no value", "not really a lesson", 教訓ではない.
_DENIED = (
    rf"(?<![a-z])(?:no|not|cannot|[a-z]{_SOME}n['’]t|never|nor|neither|without)"
    rf"(?:\s{_SOME}\w{_SOME}){{0,2}}?\s{_SOME}[\"'*_`]{_ANY}",
    rf"[\"'*_`」』]{_ANY}(?:では|じゃ|は|が)(?:ない|なく|ありません)",
)
# Scripts without spaces between words.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_LETTER = rf"[^\W{_UNSPACED}]"


def kind_in(reply: str, kinds: Sequence[str]) -> str | None:
    """The one kind that a reply names, or None if it names no kind or several.

    Ignores case, width, quotes, markup, and reasoning in tags. If a JSON object has a key such as "kind" or
    "answer", only that is read. Tried in this order: the whole reply is a kind, or the values of its JSON
    object are one; a kind follows the last "kind:" or "answer:"; only one kind is named; only one is named
    in the last line. A denied kind ("not a lesson") does not count as named.
    """
    text = _THOUGHT_AHEAD.sub(" ", same_kind(reply))
    text = _THOUGHTS.sub(" ", text).strip()
    by_name = {same_kind(kind): kind for kind in kinds}
    values = _values(text)
    answers = [values[key] for key in _NAMES_ANSWER if key in values]
    if answers:
        text = " ".join(answers)
    for parts in ([text], answers or values.values()):
        whole = {by_name.get(part) or by_name.get(_bare(part)) for part in parts} - {None}
        if len(whole) == 1:
            return whole.pop()
    for answer in _MARKER.findall(text)[-1:]:
        for name in sorted(by_name, key=len, reverse=True):
            if re.match(_as_a_word(name), answer):
                return by_name[name]
    for part in [text, *text.splitlines()[-1:]]:
        named = _named(part, by_name)
        if len(named) == 1:
            return named.pop()
    return None


def _bare(text: str) -> str:
    """Without the punctuation and markup around it."""
    return text.strip().strip("\"'`*_.,:;!()[]{}<>「」『』。、 \n\t#-").strip()


def _values(text: str) -> dict[str, str]:
    """The string values of the reply's JSON object, by key; empty without exactly one valid object."""
    begin, end = text.find("{"), text.rfind("}")
    try:
        parsed = json.loads(text[max(0, begin) : end + 1])
    except (ValueError, RecursionError):
        return {}
    pairs = parsed.items() if isinstance(parsed, dict) else ()
    return {key: value for key, value in pairs if isinstance(value, str)}


def _named(text: str, by_name: Mapping[str, str]) -> set[str]:
    """The kinds that a text names as words without denying them; a name within a longer one does not count."""
    named = set()
    before, after = _DENIED
    for name in sorted(by_name, key=len, reverse=True):
        word = _as_a_word(name)
        text = re.sub(f"{before}{word}|{word}{after}", " ", text)
        if re.search(word, text):
            named.add(by_name[name])
            text = re.sub(word, " ", text)
    return named


def _as_a_word(name: str) -> str:
    """A pattern for a name as a whole word, if its script separates words by spaces."""
    before = rf"(?<!{_LETTER})" if re.match(_LETTER, name[:1]) else ""
    after = rf"(?!{_LETTER})" if re.match(_LETTER, name[-1:]) else ""
    return f"{before}{re.escape(name)}{after}"
