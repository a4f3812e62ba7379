"""Roughened copies: what they are made of, where they go, and what roughening does to a text."""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.notes.augmentation import ROUGHENED, roughen, with_roughened_copies
from nightschool.notes.dataset import Dataset, Item, load, write
from nightschool.notes.freezing import freeze
from nightschool.notes.identity import content_id
from nightschool.notes.note import Note
from nightschool.notes.splits import Split

KINDS = ("decision", "lesson", "none")
SENTENCE = "The {} number {} went its own way ({}), and **nobody** had an eye on it then. "
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


def _sentence(kind: str, number: int, place: int) -> str:
    """A sentence with the words of the others that is no near-duplicate of them."""
    own = hashlib.sha256(f"{kind} {number} {place}".encode()).hexdigest()
    return SENTENCE.format(kind, number, own)


def dataset(each: int = 20, kinds: tuple[str, ...] = KINDS) -> Dataset:
    notes = [
        Note(
            "# Title\n\n" + "".join(_sentence(kind, number, place) for place in range(4)),
            kind,
            f"{kind}/{number}.md",
        )
        for kind in kinds
        for number in range(each)
    ]
    return freeze(notes, test=0.2, validation=0.1, seed=0)


FROZEN = dataset()


@given(st.floats(0, 1), st.integers(0, 9))
def test_copies_are_marked_and_join_the_training_split(share: float, seed: int) -> None:
    augmented = with_roughened_copies(FROZEN, share, seed)
    own = [item for item in augmented.items if not item.origin]
    copies = [item for item in augmented.items if item.origin]
    assert tuple(own) == FROZEN.items
    assert all(item.split == Split.TRAIN and item.origin == ROUGHENED for item in copies)
    assert len(copies) <= round(share * sum(item.split == Split.TRAIN for item in own))
    assert len({item.id for item in augmented.items}) == len(augmented.items)


def test_no_copy_is_made_of_a_held_out_note() -> None:
    held_out = {item.source for item in FROZEN.items if item.split != Split.TRAIN}
    copies = [item for item in with_roughened_copies(FROZEN, 1.0, 0).items if item.origin]
    assert copies and not held_out & {item.source for item in copies}


def test_a_copy_has_the_kind_of_its_note() -> None:
    kinds = {item.source: item.kind for item in FROZEN.items}
    copies = [item for item in with_roughened_copies(FROZEN, 1.0, 0).items if item.origin]
    assert len(copies) > 30
    assert all(item.kind == kinds[item.source] for item in copies)


def test_copies_depend_on_the_notes_and_the_seed_alone() -> None:
    assert with_roughened_copies(FROZEN, 0.5, 0) == with_roughened_copies(FROZEN, 0.5, 0)
    assert (
        with_roughened_copies(FROZEN, 0.5, 0).fingerprint
        != with_roughened_copies(FROZEN, 0.5, 1).fingerprint
    )


def test_the_fingerprint_covers_the_copies() -> None:
    prints = {with_roughened_copies(FROZEN, share, 0).fingerprint for share in (0.0, 0.5, 1.0)}
    assert len(prints) == 3
    assert with_roughened_copies(FROZEN, 0.0, 0) == FROZEN


def test_a_copy_that_equals_a_held_out_note_is_dropped() -> None:
    """Without its heading, a note may be word for word another one."""
    bodies = [_sentence("plain", number, 0) for number in range(30)]
    items = [
        Item(content_id(text), text, "a", split, "note.md")
        for body in bodies
        for text, split in ((f"# {body[-9:]}\n\n{body}", Split.TRAIN), (body, Split.TEST))
    ]
    frozen = Dataset(tuple(items), ("a", "b"), "", ())
    held_out = {item.text.casefold() for item in frozen.items if item.split != Split.TRAIN}
    copies = [item for item in with_roughened_copies(frozen, 1.0, 0).items if item.origin]
    assert copies and not held_out & {item.text.casefold() for item in copies}


def test_a_dataset_with_copies_is_read_back_the_same(tmp_path: Path) -> None:
    augmented = with_roughened_copies(FROZEN, 0.5, 0)
    write(augmented, tmp_path / "one")
    assert load(tmp_path / "one") == augmented


def test_notes_that_are_too_plain_to_roughen_are_warned_about() -> None:
    short = [
        Note(f"{kind} {n * 7919:x}", kind, f"{kind}/{n}.md") for kind in KINDS for n in range(9)
    ]
    frozen = freeze(short, test=0.2, validation=0.1, seed=0)
    augmented = with_roughened_copies(frozen, 0.5, 0)
    assert augmented.items == frozen.items
    assert augmented.warnings[len(frozen.warnings) :] == (
        "train.roughen: only 0 of 9 copies could be made, because the notes are too short or too plain",
    )


def letters(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())


@given(st.text(), st.text(max_size=3))
def test_roughening_is_deterministic_and_leaves_no_note_empty(text: str, seed: str) -> None:
    rough = roughen(text, seed)
    assert rough == roughen(text, seed)
    assert bool(rough.strip()) == bool(text.strip())


@given(st.text(st.sampled_from("ab. \n#-*_`[]()1。あ漢\t")), st.text(max_size=3))
def test_roughening_adds_no_letters(text: str, seed: str) -> None:
    rest = iter(letters(text))
    assert all(letter in rest for letter in letters(roughen(text, seed)))


def test_seeds_roughen_differently() -> None:
    assert len(set(ROUGH)) > 30


@pytest.mark.parametrize(
    "sign",
    [
        "# Never", "**", "](", "- Ask", "`oncall`", "Deploy on\n  Monday", "broke.", "The deploy",
        "出さない。\n月曜", "回す。", "T",
    ],
)  # fmt: skip
def test_each_sign_of_tidiness_is_sometimes_kept_and_sometimes_removed(sign: str) -> None:
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


def test_code_is_kept_when_its_fence_is_removed() -> None:
    fenced = "Look:\n\n```python\nvalue = from_notes(*args)\n```\n"
    rough = [roughen(fenced, seed) for seed in SEEDS]
    assert any("```" not in text and "from_notes(*args)" in text for text in rough)


@pytest.mark.parametrize("text", ["[" * 20_000, "# " * 20_000, " " * 20_000 + "a", "*a" * 20_000])
def test_roughening_long_runs_of_markup_takes_linear_time(text: str) -> None:
    began = time.process_time()
    for seed in SEEDS[:4]:
        roughen(text, seed)
    assert time.process_time() - began < 5
