"""What the owner is asked about, and what becomes of the answers."""

from __future__ import annotations

import pytest

from nightschool.config.errors import NotesError
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.notes.labels import read_labels
from nightschool.stages import label_questions
from nightschool.stages.freeze_notes import read_and_freeze
from nightschool.stages.label_questions import (
    Questionnaire,
    QuestionType,
    answer,
    find_questions,
    withdraw,
)
from tests.conftest import MakeSchool


def questionnaire(school: School, limit: int = 20) -> Questionnaire:
    return find_questions(school, load(school.settings_file), list(QuestionType), limit)


def add(school: School, name: str, text: str) -> None:
    file = school.root / "notes" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")


def kinds_of(school: School) -> dict[str, str]:
    _, dataset = read_and_freeze(school, load(school.settings_file))
    return {item.text: item.kind for item in dataset.items}


def test_answers_decide_what_is_trained_on(make_school: MakeSchool) -> None:
    school = make_school()
    add(school, "decision/twice.md", "The same.")
    add(school, "lesson/twice.md", "The same.")
    add(school, "pool.md", "Rice: two cups of water.")
    assert not {"The same.", "Rice: two cups of water."} & kinds_of(school).keys()
    copies, none = questionnaire(school, 1).questions[:2]
    assert (copies.type, none.type) == ("copies", "none")
    answer(school, copies, "lesson")
    answer(school, none, "none")
    assert kinds_of(school)["The same."] == "lesson"
    assert kinds_of(school)["Rice: two cups of water."] == "none"
    answer(school, none, None)
    withdraw(school, copies)
    assert not {"The same.", "Rice: two cups of water."} & kinds_of(school).keys()


def test_an_answer_tells_which_note_is_meant_and_when(make_school: MakeSchool) -> None:
    school = make_school()
    add(school, "メモ.md", "Rice:\n two cups of water " + "and more " * 20)
    question = questionnaire(school, 1).questions[0]
    answer(school, question, "none")
    (label,) = read_labels(school.labels_file).values()
    assert label.source == "メモ.md"
    assert label.begins == "Rice: two cups of water and more and more and more and more "[:60]
    assert label.at[:2] == "20" and label.at[10] == "T"


def test_the_kinds_are_those_of_notes_and_settings_and_none(make_school: MakeSchool) -> None:
    school = make_school(notes={"none": "else"}, kinds={"value": "what matters"})
    found = questionnaire(school)
    assert found.none == "else"
    assert found.kinds == ("decision", "else", "lesson", "none", "value")


def test_a_school_that_has_no_kind_none_gets_one(make_school: MakeSchool) -> None:
    school = make_school(each=0)
    for number in range(3):
        add(school, f"a/{number}.md", f"note {number}")
    assert questionnaire(school).kinds == ("a", "none")


def test_without_any_kind_there_is_nothing_to_answer_with(make_school: MakeSchool) -> None:
    school = make_school(each=0)
    add(school, "note.md", "Hello.")
    with pytest.raises(NotesError, match="no kind is known yet"):
        questionnaire(school)


def test_the_same_notes_are_drawn_from_too_many_each_time(
    make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_questions, "_MAX_NOTES", 20)
    school = make_school()
    for number in range(30):
        add(school, f"{number}.md", f"Rice number {number}.")
    first = [
        question for question in questionnaire(school, 99).questions if question.type == "none"
    ]
    assert len(first) == 20
    assert first == [
        question for question in questionnaire(school, 99).questions if question.type == "none"
    ]


def mislabelled(school: School, count: int) -> None:
    """Notes of two kinds, each told by its words, and so many that stand under the other."""
    for kind, words in (("food", "bread flour oven"), ("bike", "chain wheel brake")):
        other = "bike" if kind == "food" else "food"
        for number in range(40):
            folder = other if 2 * number < count else kind
            add(
                school, f"{folder}/{kind} {number}.md", f"{words} {kind} {number * 7919:x} {number}"
            )


def suspects(school: School, most: int) -> set[str]:
    return {one.id for one in questionnaire(school, most).questions if one.type == "suspects"}


def test_as_many_suspects_are_asked_about_as_are_wanted(make_school: MakeSchool) -> None:
    school = make_school(each=0)
    mislabelled(school, 26)
    assert len(suspects(school, 25)) == 25


def test_a_suspect_that_is_answered_makes_room_for_the_next(make_school: MakeSchool) -> None:
    school = make_school(each=0)
    mislabelled(school, 26)
    first = [one for one in questionnaire(school, 20).questions if one.type == "suspects"]
    for one in first:
        answer(school, one, one.given[0])
    after = suspects(school, 20)
    assert after and not after & {one.id for one in first}


def test_a_suspect_is_judged_without_the_rest_of_its_file(make_school: MakeSchool) -> None:
    school = make_school(each=0, notes={"split": "headings"})
    mislabelled(school, 0)
    words = ["bread", "flour", "oven", "dough", "yeast", "crumb", "crust", "salt"]
    parts = [
        f"## {word}\n{' '.join(words)} {word * 9} {n * 7919:x}\n" for n, word in enumerate(words)
    ]
    add(school, "bike/bakery.md", "".join(parts))
    asked = [one.source for one in questionnaire(school, 99).questions if one.type == "suspects"]
    assert sorted(asked) == sorted(f"bike/bakery.md#{word}" for word in words)


def test_a_suspect_is_judged_without_the_rest_of_its_source(make_school: MakeSchool) -> None:
    """Also where only a copy of it says what it was taken from."""
    school = make_school(each=0)
    mislabelled(school, 0)
    words = ["bread", "flour", "oven", "dough", "yeast", "crumb", "crust", "salt"]
    for n, word in enumerate(words):
        text = f"{' '.join(words)} {word * 9} {n * 7919:x}\n"
        add(school, f"bike/{word}.md", text)
        add(school, f"bike/{word} again.md", f"---\nsource: A Baker\n---\n{text}")
    asked = [
        one.text.split()[8] for one in questionnaire(school, 99).questions if one.type == "suspects"
    ]
    assert sorted(asked) == sorted(word * 9 for word in words)


def test_a_kind_of_the_settings_that_the_notes_spell_otherwise_is_no_second_one(
    make_school: MakeSchool,
) -> None:
    school = make_school(kinds={"Lesson": "learned the hard way"})
    with pytest.raises(NotesError, match="differ only in case or width"):
        questionnaire(school)
