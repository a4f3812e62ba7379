"""Made notes are marked, train-only, made of training notes, and known by the dataset's fingerprint."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.notes.augmentation import CUT, MIXTURE, ROUGHENED, with_made
from nightschool.notes.dataset import Dataset, Item, freeze, load, write
from nightschool.notes.decoding import content_id
from nightschool.notes.readers import Note

KINDS = ("decision", "lesson", "none")
SENTENCE = "The {} number {} went its own way ({}), and **nobody** had an eye on it then. "


def _sentence(kind: str, number: int, place: int) -> str:
    """A sentence like the others, but no near-copy of theirs."""
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


def made(
    rough: float = 0.0, near_misses: float = 0.0, none: str | None = "none", seed: int = 0
) -> Dataset:
    return with_made(FROZEN, rough=rough, near_misses=near_misses, none=none, seed=seed)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 9))
def test_what_is_made_is_marked_and_stands_on_the_training_side(
    rough: float, near_misses: float, seed: int
) -> None:
    found = made(rough, near_misses, seed=seed)
    own = [item for item in found.items if not item.origin]
    more = [item for item in found.items if item.origin]
    assert tuple(own) == FROZEN.items
    assert all(item.side == "train" for item in more)
    counts = Counter(item.origin for item in more)
    training = [item for item in own if item.side == "train"]
    assert counts[ROUGHENED] <= round(rough * len(training))
    kinded = [item for item in training if item.kind != "none"]
    lacking = round(near_misses * len(kinded)) - (len(training) - len(kinded))
    assert counts[CUT] + counts[MIXTURE] == max(0, lacking)
    assert abs(counts[CUT] - counts[MIXTURE]) <= 1
    assert {item.kind for item in more if item.origin != ROUGHENED} <= {"none"}
    assert len({item.id for item in found.items}) == len(found.items)


def test_nothing_of_a_note_that_is_held_back_is_in_a_made_one() -> None:
    sources = {item.source for item in FROZEN.items if item.side != "train"}
    for item in made(1.0, 1.0).items:
        assert not item.origin or not sources & set(item.source.split(" + "))


def test_a_roughened_copy_has_its_notes_kind() -> None:
    kinds = {item.source: item.kind for item in FROZEN.items}
    copies = [item for item in made(1.0).items if item.origin]
    assert len(copies) > 30
    assert all(item.kind == kinds[item.source] for item in copies)


def test_the_same_is_made_of_the_same_and_another_seed_makes_other() -> None:
    assert made(0.5, 1.0) == made(0.5, 1.0)
    assert made(0.5).fingerprint != made(0.5, seed=1).fingerprint


def test_the_fingerprint_tells_what_is_made() -> None:
    prints = {made(rough, near).fingerprint for rough in (0.0, 0.5, 1.0) for near in (0.0, 1.0)}
    assert len(prints) == 6
    assert made().fingerprint == FROZEN.fingerprint


def test_a_made_note_that_equals_one_that_is_held_back_is_dropped() -> None:
    """Without its heading a note may be word for word another one."""
    bodies = [_sentence("plain", number, 0) for number in range(30)]
    items = [
        Item(content_id(text), text, "a", side, "note.md")
        for body in bodies
        for text, side in ((f"# {body[-9:]}\n\n{body}", "train"), (body, "test"))
    ]
    frozen = Dataset(tuple(items), ("a", "b"), "", ())
    held_back = {item.text.casefold() for item in frozen.items if item.side != "train"}
    found = with_made(frozen, rough=1.0, near_misses=0.0, none=None, seed=0)
    assert not held_back & {item.text.casefold() for item in found.items if item.origin}


def test_a_dataset_with_made_notes_is_read_back_the_same(tmp_path: Path) -> None:
    found = made(0.5, 1.0)
    write(found, tmp_path / "one")
    assert load(tmp_path / "one") == found


@pytest.mark.parametrize(
    ("none", "said"),
    [
        (None, "no kind means none of the above"),
        ("misc", 'notes.none = "misc", but no note is of that kind'),
        ("none", ""),
    ],
)
def test_what_is_wrong_with_the_kind_none_is_told(none: str | None, said: str) -> None:
    warnings = made(near_misses=1.0, none=none).warnings
    assert any(said in warning for warning in warnings) if said else not warnings


def test_a_kind_none_without_notes_of_its_own_is_trained_on() -> None:
    found = made(near_misses=1.0, none="misc")
    assert "misc" in found.kinds
    assert {item.side for item in found.items if item.kind == "misc"} == {"train"}


def test_where_the_owner_has_enough_notes_of_no_kind_none_are_made() -> None:
    training = Counter(item.kind for item in FROZEN.items if item.side == "train")
    share = training["none"] / (training["decision"] + training["lesson"])
    assert made(near_misses=share).items == FROZEN.items
    assert len(made(near_misses=share + 0.1).items) > len(FROZEN.items)


def test_notes_that_little_can_be_made_of_are_told() -> None:
    short = [
        Note(f"{kind} {n * 7919:x}", kind, f"{kind}/{n}.md") for kind in KINDS for n in range(9)
    ]
    frozen = freeze(short, test=0.2, validation=0.1, seed=0)
    found = with_made(frozen, rough=0.5, near_misses=1.0, none="none", seed=0)
    assert found.items == frozen.items
    assert found.warnings[len(frozen.warnings) :] == (
        "train.roughen: only 0 of 9 could be made: the notes are too short or too plain",
        "train.near_misses: only 0 of 6 could be made: the notes are too short or too plain",
    )
