from __future__ import annotations

from pathlib import Path

from nightschool.learning.base import load_tokenizer
from nightschool.learning.encoding import Encoder


def encoder(base: Path, kinds: list[str], max_tokens: int = 100) -> Encoder:
    return Encoder(load_tokenizer(base), kinds, {"lesson": "learned"}, "Sort it.", max_tokens)


def test_kinds_are_named_by_themselves_where_their_first_tokens_differ(tiny_base: Path) -> None:
    made = encoder(tiny_base, ["decision", "lesson", "none"])
    assert len(set(made.first_tokens)) == 3
    assert "token of its own" in made.choices[0].reason


def test_kinds_that_begin_alike_are_named_by_codes(tiny_base: Path) -> None:
    made = encoder(tiny_base, ["zz-a", "zz-b", "lesson"])
    assert len(set(made.first_tokens)) == 3
    assert "code" in made.choices[0].reason
    assert "A = zz-a" in made.prompt.before


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
    assert "Sort it." in text and "lesson: learned" in text and "Note:\nmy note" in text
    assert text.endswith("Kind:</><assistant>")


def test_the_fingerprint_changes_with_what_the_model_sees(tiny_base: Path) -> None:
    one = encoder(tiny_base, ["lesson", "none"])
    assert one.fingerprint == encoder(tiny_base, ["lesson", "none"]).fingerprint
    assert one.fingerprint != encoder(tiny_base, ["lesson", "other"]).fingerprint
    assert one.fingerprint != encoder(tiny_base, ["lesson", "none"], max_tokens=50).fingerprint
