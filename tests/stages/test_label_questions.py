"""Which notes are asked about, and what their labels change."""

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
    delete_label,
    find_questions,
    save_label,
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


def test_labels_determine_the_dataset(make_school: MakeSchool) -> None:
    school = make_school()
    add(school, "decision/twice.md", "The same.")
    add(school, "lesson/twice.md", "The same.")
    add(school, "pool.md", "Rice: two cups of water.")
    assert not {"The same.", "Rice: two cups of water."} & kinds_of(school).keys()
    copies, none = questionnaire(school, 1).questions[:2]
    assert (copies.type, none.type) == ("copies", "none")
    save_label(school, copies, "lesson")
    save_label(school, none, "none")
    assert kinds_of(school)["The same."] == "lesson"
    assert kinds_of(school)["Rice: two cups of water."] == "none"
    save_label(school, none, None)
    delete_label(school, copies)
    assert not {"The same.", "Rice: two cups of water."} & kinds_of(school).keys()


def test_a_label_holds_source_excerpt_and_time(make_school: MakeSchool) -> None:
    school = make_school()
    add(school, "メモ.md", "Rice:\n two cups of water " + "and more " * 20)
    question = questionnaire(school, 1).questions[0]
    save_label(school, question, "none")
    (label,) = read_labels(school.labels_file).values()
    assert label.source == "メモ.md"
    assert label.begins == "Rice: two cups of water and more and more and more and more "[:60]
    assert label.at[:2] == "20" and label.at[10] == "T"


def test_the_kinds_are_those_of_the_notes_and_the_settings_and_none(
    make_school: MakeSchool,
) -> None:
    school = make_school(
        notes={"none": "else"},
        kinds={"value": "what matters", "lesson": "", "decision": "", "none": ""},
    )
    found = questionnaire(school)
    assert found.none == "else"
    assert found.kinds == ("decision", "else", "lesson", "none", "value")


def test_a_kind_none_is_added_if_there_is_none(make_school: MakeSchool) -> None:
    school = make_school(each=0)
    for number in range(3):
        add(school, f"a/{number}.md", f"note {number}")
    assert questionnaire(school).kinds == ("a", "none")


def test_notes_without_any_kind_are_an_error(make_school: MakeSchool) -> None:
    school = make_school(each=0)
    add(school, "note.md", "Hello.")
    with pytest.raises(NotesError, match="no kind is known yet"):
        questionnaire(school)


def test_the_same_notes_are_sampled_each_time(
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
    """Notes of two kinds with distinct words, `count` of them with the wrong kind."""
    for kind, words in (("food", "bread flour oven"), ("bike", "chain wheel brake")):
        other = "bike" if kind == "food" else "food"
        for number in range(40):
            folder = other if 2 * number < count else kind
            add(
                school, f"{folder}/{kind} {number}.md", f"{words} {kind} {number * 7919:x} {number}"
            )


def suspects(school: School, most: int) -> set[str]:
    return {each.id for each in questionnaire(school, most).questions if each.type == "suspects"}


def test_the_limit_applies_to_suspects(make_school: MakeSchool) -> None:
    school = make_school(each=0)
    mislabelled(school, 26)
    assert len(suspects(school, 25)) == 25


def test_a_labelled_suspect_is_replaced_by_the_next(make_school: MakeSchool) -> None:
    school = make_school(each=0)
    mislabelled(school, 26)
    first = [each for each in questionnaire(school, 20).questions if each.type == "suspects"]
    for one in first:
        save_label(school, one, one.given[0])
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
    asked = [each.source for each in questionnaire(school, 99).questions if each.type == "suspects"]
    assert sorted(asked) == sorted(f"bike/bakery.md#{word}" for word in words)


def test_a_suspect_is_judged_without_the_rest_of_its_source(make_school: MakeSchool) -> None:
    """Also if only a copy of it names the source."""
    school = make_school(each=0)
    mislabelled(school, 0)
    words = ["bread", "flour", "oven", "dough", "yeast", "crumb", "crust", "salt"]
    for n, word in enumerate(words):
        text = f"{' '.join(words)} {word * 9} {n * 7919:x}\n"
        add(school, f"bike/{word}.md", text)
        add(school, f"bike/{word} again.md", f"---\nsource: A Baker\n---\n{text}")
    asked = [
        each.text.split()[8]
        for each in questionnaire(school, 99).questions
        if each.type == "suspects"
    ]
    assert sorted(asked) == sorted(word * 9 for word in words)


def test_kinds_are_spelled_as_in_the_settings(make_school: MakeSchool) -> None:
    school = make_school(kinds={"Lesson": "learned the hard way", "decision": ""})
    assert questionnaire(school).kinds == ("Lesson", "decision", "none")


def test_the_first_notes_are_asked_about_until_each_listed_kind_has_enough(
    make_school: MakeSchool,
) -> None:
    school = make_school(each=0, kinds={"lesson": "", "idea": ""})
    for number, word in enumerate(
        ("apples", "bicycles", "cellars", "dragons", "eels", "figs", "gnus")
    ):
        add(school, f"{number}.md", f"A note about {word}.")
    asked = questionnaire(school, 4)
    assert asked.kinds == ("idea", "lesson", "none")
    assert [each.type for each in asked.questions] == ["first"] * 4
    for place, question in enumerate(questionnaire(school).questions[:6]):
        asked = find_questions(school, load(school.settings_file), [QuestionType.FIRST], 20)
        assert len(asked.questions) == 7 - place
        save_label(school, question, ("lesson", "idea")[place % 2])
    assert "first" not in {each.type for each in questionnaire(school).questions}
    assert len(kinds_of(school)) == 6


def test_no_note_is_asked_about_twice(make_school: MakeSchool) -> None:
    school = make_school(kinds={"decision": "", "lesson": "", "none": "", "value": ""})
    for word in ("apples", "bicycles", "cellars"):
        add(school, f"{word}.md", f"A note about {word}.")
    asked = [each.id for each in questionnaire(school).questions]
    assert len(asked) == len(set(asked)) >= 3
