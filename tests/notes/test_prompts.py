"""The prompts, word for word."""

from nightschool.notes.prompts import Prompt, instruct_prompt, plain_prompt


def test_an_instruct_prompt_lists_the_kinds_with_answers_and_meanings() -> None:
    prompt = instruct_prompt(
        "Sort the note.",
        {"lesson": "lesson", "決定 事項": "B", "none": "C"},
        {"lesson": "learned the hard way", "決定 事項": "we chose", "unused": "x"},
    )
    assert prompt == Prompt(
        system=(
            "Sort the note.\n"
            "Kinds:\n"
            "- lesson: learned the hard way\n"
            "- B = 決定 事項: we chose\n"
            "- C = none"
        ),
        before="Note:\n",
        after="\n\nKind:",
    )


def test_a_plain_prompt_holds_the_note_and_asks_for_its_kind() -> None:
    assert plain_prompt({"a": "a", "b": "b"}) == Prompt("", "Note:\n", "\n\nKind:")


def test_a_plain_prompt_explains_answers_that_differ_from_the_kind() -> None:
    prompt = plain_prompt({"lesson": "A", "none": "none", "決定": "B"})
    assert prompt == Prompt("A = lesson\nB = 決定\n", "Note:\n", "\n\nKind:")


def test_kinds_are_listed_in_the_given_order() -> None:
    system = instruct_prompt("", {"b": "b", "a": "a"}, {}).system
    assert system.endswith("- b\n- a")
