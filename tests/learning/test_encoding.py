from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nightschool.learning.base import load_tokenizer
from nightschool.learning.encoding import Encoder, collate


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


def test_batches_end_with_the_answers_and_positions_start_at_each_row(tiny_base: Path) -> None:
    made = encoder(tiny_base, ["lesson", "none"])
    rows = [made.encode("a", "none"), made.encode("a much longer note than that", "lesson")]
    batch = collate(rows, made.padding, with_answers=True)
    for number, row in enumerate(rows):
        length = len(row.prompt) + len(row.answer)
        assert batch.ids[number, -length:].tolist() == [*row.prompt, *row.answer]
        assert batch.attention[number].sum() == length
        assert batch.positions[number, -length:].tolist() == list(range(length))
        assert batch.answers[number, -len(row.answer) :].tolist() == row.answer


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


def test_padding_does_not_change_a_score(tiny_base: Path) -> None:
    from nightschool.config.settings import TrainSettings
    from nightschool.learning.base import load_base
    from nightschool.learning.device import pick
    from nightschool.scoring.scorer import score

    device = pick(TrainSettings(device="cpu"))
    model = load_base(tiny_base, device, "nf4")
    made = encoder(tiny_base, ["decision", "lesson", "none"])
    notes = [made.encode("a"), made.encode("We chose restic over tar, at last.")]
    together = torch.tensor(score(model, made, notes, device, rows=2))
    alone = torch.tensor(score(model, made, notes, device, rows=1))
    assert torch.allclose(together, alone, atol=1e-5)
    assert together.sum(1).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
