"""Notes whose kind the cheap model doubts."""

import random

import pytest

from nightschool.notes.note import Note
from nightschool.scoring import label_errors
from nightschool.scoring.label_errors import FOLDS, SHOWN, find_label_errors

WORDS = {
    "food": ["bread", "butter", "salt", "flour", "oven", "soup", "kitchen"],
    "bike": ["chain", "wheel", "brake", "gear", "pedal", "saddle", "tyre"],
    "code": ["branch", "commit", "merge", "deploy", "server", "query", "index"],
}


def _notes(each: int = 15) -> list[Note]:
    rng = random.Random(0)
    return [
        Note(" ".join(rng.choices(words, k=12)), kind, f"{kind}/{n}.md")
        for kind, words in WORDS.items()
        for n in range(each)
    ]


def test_a_wrong_kind_is_found_and_the_right_one_suggested() -> None:
    notes = _notes()
    text = notes[3].text
    notes[3] = Note(f"\x1b[2J{text}".replace(" ", "\n"), "bike", "wrong.md")
    found = find_label_errors(notes, range(len(notes)))
    assert (found.judged, found.disagreed, found.remark) == (45, 1, "")
    [suspect] = found.worst
    assert (suspect.source, suspect.kind, suspect.suggested) == ("wrong.md", "bike", "food")
    assert suspect.p_suggested > suspect.p_kind
    assert suspect.excerpt == f"[2J{text}"


def test_the_most_doubtful_come_first_and_at_most_twenty() -> None:
    notes = [
        Note(n.text, random.Random(i).choice(list(WORDS)), n.source) for i, n in enumerate(_notes())
    ]
    found = find_label_errors(notes, range(len(notes)))
    doubts = [suspect.p_suggested - suspect.p_kind for suspect in found.worst]
    assert doubts == sorted(doubts, reverse=True) and len(doubts) == SHOWN < found.disagreed
    assert found.remark == "the model often disagrees here, so single disagreements mean little"


def test_a_note_is_judged_without_its_copies() -> None:
    """Copies of a mislabelled note, fitted along, would confirm its kind."""
    notes = [*_notes(), *(Note("bread butter salt flour", "bike", f"{n}") for n in range(20))]
    spread = find_label_errors(notes, range(len(notes)))
    grouped = find_label_errors(notes, [min(n, 45) for n in range(len(notes))])
    assert {suspect.kind for suspect in spread.worst} <= {"food"}
    assert {suspect.kind for suspect in grouped.worst} == {"bike"}


def test_kinds_with_too_few_different_notes_are_left_out_and_named() -> None:
    notes = [*_notes(), *(Note("rare", "rare", f"r{n}") for n in range(FOLDS - 1))]
    found = find_label_errors(notes, range(len(notes)))
    assert found.judged == 45
    assert found.remark == "too few notes of different texts and sources to judge: rare"
    copies = [0] * 15 + list(range(15, 49))
    assert (
        find_label_errors(notes, copies).remark
        == "too few notes of different texts and sources to judge: food, rare"
    )


@pytest.mark.parametrize("notes", [[], [Note("x", None, "1")], _notes()[:15]])
def test_without_two_kinds_nothing_is_judged(notes: list[Note]) -> None:
    found = find_label_errors(notes, range(len(notes)))
    assert (found.judged, found.worst) == (0, ())
    assert found.remark.startswith("not checked: needs two kinds of at least 5 ")


def test_a_kind_that_is_lost_when_notes_are_drawn_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(label_errors, "MOST_NOTES", 40)
    rare = [Note("rare words here", "rare", f"r{n}") for n in range(FOLDS)]
    notes = [*rare, *_notes(200)]
    found = find_label_errors(notes, range(len(notes)))
    assert found.judged <= 40
    assert found.remark.endswith("40 of 605 notes were sampled")
    one = [*rare, *(Note(f"food {n}", "food", f"{n}") for n in range(1000))]
    assert find_label_errors(one, range(len(one))).remark.startswith("not checked")


def test_as_many_as_are_wanted_are_given() -> None:
    notes = [
        Note(n.text, random.Random(i).choice(list(WORDS)), n.source) for i, n in enumerate(_notes())
    ]
    assert len(find_label_errors(notes, range(len(notes)), most=25).worst) == 25
