"""What of a note's text is for reading: pictures in base64 and the tails of long addresses are not."""

from __future__ import annotations

import re

_MAX_URL = 120  # characters
_DATA = re.compile(r"data:[\w/+.-]+(?:;[\w=.-]+)*;base64,[A-Za-z0-9+/=_-]*")
# Behind an address, Japanese and Chinese go on without a space.
_OF_URL = r"[^\s<>()\[\]\"'\u007f-\U0010ffff]"
_URL = re.compile(
    rf"(?<![a-z0-9+.-])([a-z0-9+.-]{{1,12}}://{_OF_URL}{{{_MAX_URL - 8}}}){_OF_URL}+", re.I
)
_PLACEHOLDER = re.compile(r"\{\{[^{}\n]*\}\}|<%[^%\n]*%>")
_LINE_WITHOUT_TEXT = re.compile(r"^[ \t]*(?:#{1,6}[^\n]*|[^\w\n]*)$", re.MULTILINE)


def readable(text: str) -> str:
    """The text without embedded pictures, and with long addresses shortened to 120 characters or so."""
    if "base64," in text:
        text = _DATA.sub("", text)
    return _URL.sub(r"\1…", text) if "://" in text else text


def only_placeholders(text: str) -> bool:
    """Whether a text is a template: besides headings and labels it holds only `{{placeholders}}`."""
    if "{{" not in text and "<%" not in text:
        return False
    without, count = _PLACEHOLDER.subn("", text)
    if not count:
        return False
    lines = (line for line in without.split("\n") if not _LINE_WITHOUT_TEXT.fullmatch(line))
    return all(line.rstrip().endswith((":", "：")) for line in lines)
