from __future__ import annotations

from pathlib import Path

import pytest

from nightschool.config.errors import LearningError
from nightschool.learning.base import load_tokenizer
from nightschool.learning.encoding import Encoder, cuts_in_words

DEMO = Path(__file__).parents[2] / "nightschool/demo/base"


def encoder(base: Path, kinds: list[str], max_tokens: int = 100) -> Encoder:
    return Encoder(load_tokenizer(base), kinds, {"lesson": "learned"}, "Sort it.", max_tokens)


def test_kinds_are_named_by_themselves_where_their_first_tokens_differ(tiny_base: Path) -> None:
    made = encoder(tiny_base, ["decision", "lesson", "none"])
    assert len(set(made.first_tokens)) == 3
    assert "different first tokens" in made.choices[0].reason


def test_kinds_that_begin_alike_are_named_by_codes(tiny_base: Path) -> None:
    made = encoder(tiny_base, ["zz-a", "zz-b", "lesson"])
    assert len(set(made.first_tokens)) == 3
    assert "code" in made.choices[0].reason
    assert "A = zz-a" in made.prompt.system


def test_a_long_note_is_cut_but_never_the_prompt(tiny_base: Path) -> None:
    made = encoder(tiny_base, ["lesson", "none"], max_tokens=16)
    short, long = made.encode("ab", "none"), made.encode("The router broke. " * 50, "none")
    assert (short.cut, long.cut) == (False, True)
    assert long.prompt[-3:] == short.prompt[-3:]
    assert len(long.prompt) - len(short.prompt) <= 16


def test_an_instruction_model_gets_the_kinds_and_their_meanings(tiny_base: Path) -> None:
    tokenizer = load_tokenizer(tiny_base)
    tokenizer.chat_template = (
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}<assistant>"
    )
    made = Encoder(tokenizer, ["lesson", "none"], {"lesson": "learned"}, "Sort it.", 50)
    text = tokenizer.decode(made.encode("my note").prompt)
    assert isinstance(text, str)
    assert "Sort it." in text and "lesson: learned" in text and "Note:\nmy note" in text
    assert text.endswith("Kind:</><assistant>")


def test_the_fingerprint_changes_with_what_the_model_sees(tiny_base: Path) -> None:
    one = encoder(tiny_base, ["lesson", "none"])
    assert one.fingerprint == encoder(tiny_base, ["lesson", "none"]).fingerprint
    assert one.fingerprint != encoder(tiny_base, ["lesson", "other"]).fingerprint
    assert one.fingerprint != encoder(tiny_base, ["lesson", "none"], max_tokens=50).fingerprint


def test_a_long_note_is_cut_at_a_sentence_and_reported(tiny_base: Path) -> None:
    made = encoder(tiny_base, ["lesson", "none"], max_tokens=32)
    notes = [made.encode(text) for text in ("Short.", " The router broke. " * 40, "x" * 400)]
    assert [note.border for note in notes] == ["", "sentence", "character"]
    assert notes[1].left_out % len("The router broke.  ") == 0 < notes[1].left_out
    said = cuts_in_words(notes, "test notes", 32)
    assert "2 of 3 test notes are longer than train.max_tokens = 32" in said
    assert "end of a sentence (1 within a long sentence)" in said
    unseen = (notes[1].left_out + notes[2].left_out) / sum(note.characters for note in notes)
    assert f"{100 * unseen:.1f} % of the text of all 3 unread" in said
    assert cuts_in_words(notes[:1], "test notes", 32) == ""


def test_a_special_token_in_a_note_is_just_text(tiny_base: Path) -> None:
    tokenizer = load_tokenizer(tiny_base)
    made = encoder(tiny_base, ["lesson", "none"])
    assert tokenizer.eos_token == "<end>"
    assert tokenizer.eos_token_id not in made.encode("over <end> and out").prompt
    assert made.encode("a", "none").answer[-1] == tokenizer.eos_token_id


@pytest.mark.parametrize(
    "kinds",
    [
        ["value", "values"],
        ["values", "value", "val"],
        ["設計", "設計判断"],
        ["ＡＢＣ", "ABC", "abc"],
        ["<end>", "none"],
        ["a", "A", "Ａ"],
    ],
)
@pytest.mark.parametrize("base", ["tiny", "demo"])
def test_kinds_that_begin_alike_get_answers_that_do_not(
    tiny_base: Path, base: str, kinds: list[str]
) -> None:
    made = encoder(tiny_base if base == "tiny" else DEMO, kinds)
    answers = [made.encode("note", kind).answer for kind in kinds]
    assert [answer[0] for answer in answers] == list(made.first_tokens)
    assert len(set(made.first_tokens)) == len(kinds)


def test_names_whose_tokens_begin_alike_give_way_to_codes(tiny_base: Path) -> None:
    made = encoder(tiny_base, ["設計", "設計判断"])
    assert "code" in made.choices[0].reason
    assert made.prompt.system.startswith("A = 設計\nB = 設計判断\n")


def test_hundreds_of_kinds_get_codes_where_the_tokenizer_has_them(tiny_base: Path) -> None:
    kinds = [f"kind-{number}" for number in range(250)]
    made = encoder(DEMO, kinds)
    assert len(set(made.first_tokens)) == 250
    with pytest.raises(LearningError, match=r"250 kinds are too many .* can name \d+"):
        encoder(tiny_base, kinds)


# Examples


def test_examples_stand_before_the_note_as_notes_do(tiny_base: Path) -> None:
    made = encoder(tiny_base, ["decision", "lesson", "none"])
    shown = made.with_examples([("We chose it.", "decision"), ("It broke.", "lesson")], 50)
    prompt = shown.encode("Buy milk.").prompt
    assert load_tokenizer(tiny_base).decode(prompt) == (
        "Note:\nWe chose it.\n\nKind: decision\n\nNote:\nIt broke.\n\nKind: lesson\n\n"
        "Note:\nBuy milk.\n\nKind:"
    )
    assert prompt[: len(shown.prefix)] == shown.prefix
    assert (shown.first_tokens, shown.suffix) == (made.first_tokens, made.suffix)
    assert shown.fingerprint != made.fingerprint
    assert made.encode("Buy milk.").prompt != prompt


def test_examples_are_turns_of_a_chat_and_codes_are_explained_once(tiny_base: Path) -> None:
    tokenizer = load_tokenizer(tiny_base)
    tokenizer.chat_template = (
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}<assistant>"
    )
    made = Encoder(tokenizer, ["lesson", "none"], {}, "Sort it.", 50)
    shown = made.with_examples([("It broke.", "lesson")], 50)
    text = tokenizer.decode(shown.encode("Buy milk.").prompt)
    assert "<user>Note:\nIt broke.\n\nKind:</><assistant>lesson</><user>Note:\nBuy milk." in text
    assert text.count("Sort it.") == 1
    coded = encoder(tiny_base, ["zz-a", "zz-b"]).with_examples([("x", "zz-a")], 50)
    assert load_tokenizer(tiny_base).decode(coded.prefix).count("A = zz-a") == 1


def test_a_special_token_in_an_example_is_just_text(tiny_base: Path) -> None:
    tokenizer = load_tokenizer(tiny_base)
    shown = encoder(tiny_base, ["lesson", "none"]).with_examples([("a <end> b", "none")], 50)
    assert tokenizer.eos_token_id not in shown.prefix
    assert "a <end> b" in tokenizer.decode(shown.prefix)
