"""How long the readers of untrusted text take for text that is made to be slow, in seconds per megabyte.

    python benchmarks/hostile_text.py [--size BYTES] [--reader NAME]
    python benchmarks/hostile_text.py --search SECONDS [--size BYTES] [--reader NAME]

Every reader gets every pattern, repeated to two sizes, in a process of its own: a pattern that takes more
than 20 s is a hang, and a process that ends by a signal is a crash. `growth` is the time for the whole
size over the time for a quarter of it: about 4 where a reader is linear, 16 where it is quadratic.

With `--search`, each reader gets random texts instead, made of a beginning, one to four patterns that are
repeated, and an end; those that grow more than eightfold are printed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from random import Random
from typing import Any

from nightschool.config import bounded_toml, printable
from nightschool.config.kind_settings import same_kind
from nightschool.config.notes_settings import NotesSettings
from nightschool.config.settings_file import check
from nightschool.notes import augmentation, markdown
from nightschool.notes.decoding import decode
from nightschool.notes.duplicates import signatures
from nightschool.notes.identity import content_id
from nightschool.notes.kind_marks import without_kind_marks
from nightschool.notes.kinds import KnownKinds, kind_name
from nightschool.notes.languages import language
from nightschool.notes.leak_candidates import occurrences
from nightschool.notes.metadata.line_properties import inline_fields
from nightschool.notes.metadata.note_metadata import read_metadata
from nightschool.notes.sentences import sentence_end, sentences, word_end
from nightschool.notes.style_features import style_features
from nightschool.notes.tags import tags, without_tags
from nightschool.scoring import server_client
from nightschool.scoring.answer_parsing import kind_in

_LIMIT_S = 20.0
# Below this, a time says little about growth.
_MEASURABLE_S = 0.05

PATTERNS = {
    "letters": "a",
    "one long word, then a mark": "abcdefgh1234",
    "digits after #": "1",
    "tags in a row": "#a",
    "tags of digits": " #1",
    "brackets": "[",
    "braces": "{",
    "flow mapping": "{a: ",
    "sequence entries": "- ",
    "complex keys": "? ",
    "anchors": "&a [*a, ",
    "indentation": "\n a:",
    "backticks": "`",
    "backticks and letters": "`a",
    "fences": "```\n",
    "fences that do not close": "~~~\n```\n",
    "tildes": "~",
    "full stops": ".",
    "exclamation marks": "!",
    "ellipses": "…",
    "closing marks": ".)",
    "Japanese full stops": "。",
    "stars": "*",
    "emphasis": "*a ",
    "underscores": "_",
    "links": "[a](",
    "images": "![",
    "tag brackets": "<",
    "addresses": "://",
    "address starts": "a:",
    "headings": "# ",
    "headings without text": "#\n",
    "setext": "a\n===x\n",
    "blanks": " ",
    "blank lines": "\n",
    "blanks and lines": " \n",
    "tabs": "\t",
    "returns": "\r",
    "acute accents": "\u0301",
    "accents out of order": "\u0301\u0316",
    "a letter with accents": "a" + "\u0301\u0316" * 500,
    "half-width voice marks": "\uff9e",
    "kana voice marks": "\u3099",
    "Hangul letters": "\u1100\u1161\u11a8",
    "Arabic ligatures": "\ufdfa",
    "Tibetan vowels": "\u0f73",
    "variation selectors": "\ufe0f",
    "joiners": "\u200d",
    "kanji": "漢",
    "thoughts": "<think>",
    "thoughts that close": "</think>",
    "denials": "no ",
    "contractions": "n't",
    "answers": "kind ",
    "answers and quotes": "kind \"'",
    "quotes": '"',
    "escape sequences": "\x1b[31m",
    "8-bit control sequences": "\x9b31m",
    "directions": "\u202e",
    "list numbers": "1.\n",
    "carets": "^",
    "pluses": "+",
    "dotted keys": "a.",
    "numbers": "a = 1\n",
    "tables": "[a.b]\n",
    "strings": "'a',",
    "surrogates": "\\ud800",
}


def _transforms(text: str) -> None:
    for transform in augmentation._TRANSFORMS:
        transform(text, Random(0))


def _settings(text: str) -> None:
    check(bounded_toml.loads(text), text, "nightschool.toml")


def _reply(text: str) -> None:
    body = json.dumps({"choices": [{"message": {"content": text}}]})
    kind_in(server_client._content(body.encode()), ["lesson", "idea", "'"])


_SETTINGS = NotesSettings(remove_text=["lesson", "a b"], remove_lines=["* a * b *", "---"])
_KINDS = KnownKinds(["lesson", "a", "["], {})

READERS: dict[str, Callable[[str], Any]] = {
    "decode": lambda text: decode(text.encode()),
    "decode, other bytes": lambda text: decode(text.encode() + b"\xff"),
    "front matter": lambda text: read_metadata(f"---\n{text}\n---\n", "note.md"),
    "front matter, value": lambda text: read_metadata(f"---\nkind: {text}\n---\n", "note.md"),
    "front matter, TOML": lambda text: read_metadata(f"+++\n{text}\n+++\n", "note.md"),
    "front matter, JSON": lambda text: read_metadata(f'{{"a": {text}}}\n\na', "note.md"),
    "org mode": lambda text: read_metadata(text, "note.org"),
    "settings": _settings,
    "kind marks": lambda text: without_kind_marks(text, _KINDS, _SETTINGS),
    "leaks": lambda text: sum(1 for _ in occurrences(text)),
    "structure": markdown.structure,
    "tags": tags,
    "without_tags": lambda text: without_tags(text, lambda tag: True),
    "fields": inline_fields,
    "sections": lambda text: sum(1 for _ in markdown.sections(text, 6)),
    "prose": markdown.prose,
    "content id": content_id,
    "kind names": lambda text: (kind_name(text), same_kind(text)),
    "sentences": lambda text: sum(1 for _ in sentences(text)),
    "sentence_end": lambda text: sentence_end(text, 1, len(text)),
    "word_end": lambda text: word_end(text, 0, len(text)),
    "augmentation": _transforms,
    "style features": style_features,
    "language": language,
    "signatures": lambda text: signatures([text]),
    "one line": printable.one_line,
    "printable": printable.printable,
    "JSON output": printable.json_text,
    "reply": _reply,
    "answer": lambda text: kind_in(text + "\x00", ["lesson", "idea"]),
    "answer, kinds": lambda text: kind_in(f"not a {text} lesson {text} idea", ["lesson", "idea"]),
}


def main() -> None:
    """Measure all readers and print those that are slow, then the slowest pattern of each reader."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--size", type=int, default=1_000_000, help="bytes of UTF-8")
    options.add_argument("--reader", choices=list(READERS), help="only this one")
    options.add_argument("--slow", type=float, default=2.0, help="print patterns above these s/MB")
    options.add_argument("--search", type=float, metavar="SECONDS", help="random texts, so long")
    given = options.parse_args()
    readers = [given.reader] if given.reader else list(READERS)
    language("loads the model")
    if given.search:
        for reader in readers:
            _search(reader, given.size, given.search)
        return
    print(f"{len(readers)} readers, {len(PATTERNS)} patterns, {given.size:,} bytes each")
    print(f"{'reader':<22}{'pattern':<30}{'s/MB':>9}  growth")
    for reader in readers:
        slowest = (0.0, "")
        for pattern, unit in PATTERNS.items():
            text = unit * (given.size // len(unit.encode()))
            seconds = _seconds(READERS[reader], text)
            per_mb = seconds * 1e6 / given.size if isinstance(seconds, float) else seconds
            if isinstance(per_mb, str) or per_mb >= given.slow:
                print(
                    f"{reader:<22}{pattern:<30}{_shown(per_mb):>9}  {_growth(reader, text, seconds)}"
                )
                sys.stdout.flush()
            if isinstance(per_mb, float):
                slowest = max(slowest, (per_mb, pattern))
        print(f"{reader:<22}{'slowest: ' + slowest[1]:<30}{slowest[0]:>9.3f}")
        sys.stdout.flush()


def _search(reader: str, size: int, seconds: float) -> None:
    random, tokens = Random(0), list(PATTERNS.values())
    ends = time.monotonic() + seconds
    tried = 0
    while time.monotonic() < ends:
        unit = "".join(random.choices(tokens, k=random.randint(1, 4)))[:600]
        begin, end = (random.choice(["", *tokens])[:600] for _ in range(2))
        text = unit * (size // len(unit.encode("utf-8", "replace")))
        whole = _seconds(READERS[reader], begin + text + end)
        quarter = 0.0
        if isinstance(whole, float) and whole > 4 * _MEASURABLE_S:
            quarter = float(_seconds(READERS[reader], begin + text[: len(text) // 4] + end))
        if isinstance(whole, str) or whole > 8 * quarter > 0:
            shown = f"{whole:.2f} s" if isinstance(whole, float) else whole
            print(
                f"{reader}: {shown} {begin[:30]!r} + {unit[:60]!r} * n + {end[:30]!r}", flush=True
            )
        tried += 1
    print(f"{reader}: {tried} texts", flush=True)


def _shown(per_mb: float | str) -> str:
    return per_mb if isinstance(per_mb, str) else f"{per_mb:.3f}"


def _growth(reader: str, text: str, seconds: float | str) -> str:
    if isinstance(seconds, str) or seconds < _MEASURABLE_S:
        return ""
    quarter = _seconds(READERS[reader], text[: len(text) // 4])
    return f"{seconds / quarter:.1f}" if isinstance(quarter, float) and quarter else ""


def _seconds(read: Callable[[str], Any], text: str) -> float | str:
    """The time of one reading in a process of its own; "hang", or "crash" with the signal's number."""
    context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(read, text, sender), daemon=True)
    process.start()
    process.join(_LIMIT_S)
    if process.is_alive():
        process.kill()
        process.join()
        return "hang"
    return float(receiver.recv()) if process.exitcode == 0 else f"crash {process.exitcode}"


def _measure(read: Callable[[str], Any], text: str, sender: Any) -> None:
    began = time.process_time()
    try:
        read(text)
    except Exception as error:
        if not (isinstance(error, ValueError) or type(error).__module__.startswith("nightschool")):
            raise
    sender.send(time.process_time() - began)


if __name__ == "__main__":
    main()
