"""A roughened note says the same in fewer signs, and the same note is always roughened alike."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.notes.roughening import roughen

TIDY = """# Never on a Friday

The deploy broke. It took **until Sunday** to [mend](https://example.org/post).

- Ask `oncall` first.
- Deploy on
  Monday.

## 次から

金曜には出さない。
月曜に回す。
"""
SEEDS = [str(seed) for seed in range(40)]
ROUGH = [roughen(TIDY, seed) for seed in SEEDS]


def letters(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())


@given(st.text(), st.text(max_size=3))
def test_the_same_note_is_roughened_alike_and_never_to_nothing(text: str, seed: str) -> None:
    rough = roughen(text, seed)
    assert rough == roughen(text, seed)
    assert bool(rough.strip()) == bool(text.strip())


@given(st.text(st.sampled_from("ab. \n#-*_`[]()1。あ漢\t")), st.text(max_size=3))
def test_nothing_is_said_that_was_not_there(text: str, seed: str) -> None:
    rest = iter(letters(text))
    assert all(letter in rest for letter in letters(roughen(text, seed)))


def test_seeds_roughen_otherwise() -> None:
    assert len(set(ROUGH)) > 30


@pytest.mark.parametrize(
    "sign",
    [
        "# Never", "**", "](", "- Ask", "`oncall`", "Deploy on\n  Monday", "broke.", "The deploy",
        "出さない。\n月曜", "回す。", "T",
    ],
)  # fmt: skip
def test_each_sign_of_tidiness_is_sometimes_gone_and_sometimes_there(sign: str) -> None:
    assert any(sign in rough for rough in ROUGH)
    assert any(sign not in rough for rough in ROUGH)


def test_list_markers_change_together() -> None:
    for rough in ROUGH:
        markers = re.findall(
            r"^\s*([-*・]?) ?(?:Ask|Deploy on)", rough, re.MULTILINE | re.IGNORECASE
        )
        assert len(set(markers)) < 2


def test_japanese_lines_are_joined_without_a_space() -> None:
    joined = [rough for rough in ROUGH if "出さない。月曜" in rough]
    assert joined and not any("。 月曜" in rough for rough in ROUGH)


def test_at_least_half_of_the_sentences_stay() -> None:
    text = " ".join(f"Sentence {number} is here." for number in range(20))
    assert min(len(re.findall("here", roughen(text, seed))) for seed in SEEDS) == 10


def test_code_is_kept_when_its_fence_goes() -> None:
    fenced = "Look:\n\n```python\nvalue = from_notes(*args)\n```\n"
    rough = [roughen(fenced, seed) for seed in SEEDS]
    assert any("```" not in one and "from_notes(*args)" in one for one in rough)


@pytest.mark.parametrize("text", ["[" * 20_000, "# " * 20_000, " " * 20_000 + "a", "*a" * 20_000])
def test_long_runs_of_signs_take_no_time(text: str) -> None:
    for seed in SEEDS[:4]:
        roughen(text, seed)
