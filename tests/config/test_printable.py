"""Text as it is shown."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from nightschool.config.printable import (
    encodable,
    json_text,
    listed,
    one_line,
    printable,
    without_controls,
)

OBEYED = "\x00\x07\x08\x0b\x0c\r\x1b\x7f\x80\x85\x9b\x9d\u061c\u200e\u2028\u2029\u202a\u202e\u2066\u2069\ud800"


def test_a_long_list_shows_its_first_names_and_counts_the_rest() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(n) for n in range(1, 12)]) == "1, 2, 3, 4, 5, 6, 7, 8 and 3 more"


def test_control_characters_and_lone_surrogates_are_replaced() -> None:
    assert encodable("メモ \ud83d") == "メモ ?"
    assert without_controls("a\x1b[31mb\n\ud83d") == "a [31mb ?"
    assert one_line(" a\n\tb\x00c　d ") == "a b c d"


def test_only_what_a_terminal_obeys_is_replaced() -> None:
    assert printable("メモ\té 👩‍💻 عربى\r\n") == "メモ\té 👩‍💻 عربى\n"
    assert printable(OBEYED) == "\ufffd" * len(OBEYED)


@given(st.text(st.one_of(st.characters(), st.sampled_from(OBEYED))))
def test_json_keeps_every_text_and_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    written = json_text({"text": text})
    assert json.loads(written) == {"text": text}
    assert printable(written) == written
