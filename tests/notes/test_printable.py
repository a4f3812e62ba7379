"""Text as it is shown."""

from __future__ import annotations

from nightschool.notes.printable import encodable, listed, one_line, without_controls


def test_a_long_list_shows_its_first_names_and_counts_the_rest() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(n) for n in range(1, 12)]) == "1, 2, 3, 4, 5, 6, 7, 8 and 3 more"


def test_control_characters_and_lone_surrogates_are_replaced() -> None:
    assert encodable("メモ \ud83d") == "メモ ?"
    assert without_controls("a\x1b[31mb\n\ud83d") == "a [31mb ?"
    assert one_line(" a\n\tb\x00c　d ") == "a b c d"
