"""Notes that share most of their text are near-duplicates, and no others."""

import hashlib
import itertools
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.notes.duplicates import THRESHOLD, alike, near_duplicates, signatures

ENGLISH = (
    "We moved the nightly backup to the small server because the old disk was full twice in March. "
    "Next time: watch the free space, and delete snapshots that are older than a month."
)
JAPANESE = (
    "先週の障害について。夜間バックアップのディスクが三月に二度もいっぱいになった。"
    "次からは空き容量を監視して、一か月より古いスナップショットは消すこと。"
)


def _shingles(text: str) -> set[str]:
    """By the definition, for texts of letters, kana and single blanks."""
    padded = f"    {text}    "
    return {
        padded[at - 1 : at + 2] if padded[at] > "\u3000" else padded[at - 2 : at + 3]
        for at in range(2, len(padded) - 2)
    }


def _share(one: str, other: str) -> float:
    sets = _shingles(one), _shingles(other)
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


# Properties


def _edited(base: str, edits: list[tuple[int, str]]) -> str:
    for at, letter in edits:
        place = at % len(base)
        base = base[:place] + letter + base[place + 1 :]
    return base


BASES = [
    "".join(Random(n).choices("abcdefghあいうえ", k=length)) for n in range(4) for length in (9, 90)
]
edits = st.lists(st.tuples(st.integers(0, 200), st.sampled_from("abcdeあいう")), max_size=6)
texts = st.lists(st.builds(_edited, st.sampled_from(BASES), edits), max_size=12)


@given(texts)
def test_groups_are_the_components_of_pairs_that_share_enough(notes: list[str]) -> None:
    joined = {number: group for group in near_duplicates(notes) for number in group}
    reach = {n: {n} for n in range(len(notes))}
    for one, other in itertools.combinations(range(len(notes)), 2):
        share = _share(notes[one], notes[other])
        if share >= THRESHOLD:
            together = reach[one] | reach[other]
            reach.update(dict.fromkeys(together, together))
        if share >= 0.85:  # without a common band only once in 10 thousand million cases
            assert other in joined[one]
    for number, group in joined.items():
        assert set(group) <= reach[number]


@given(texts, st.randoms())
def test_the_order_of_the_texts_does_not_matter(notes: list[str], random: Random) -> None:
    order = random.sample(range(len(notes)), len(notes))
    shuffled = near_duplicates([notes[n] for n in order])
    assert sorted(sorted(order[n] for n in group) for group in shuffled) == near_duplicates(notes)


@given(st.lists(st.text(max_size=40), max_size=8))
def test_groups_have_two_or_more_members_in_order(notes: list[str]) -> None:
    groups = near_duplicates(notes)
    assert all(len(group) > 1 and group == sorted(group) for group in groups)
    assert groups == sorted(groups)
    numbers = [number for group in groups for number in group]
    assert len(numbers) == len(set(numbers))
    for one, other in itertools.combinations(range(len(notes)), 2):
        if notes[one] == notes[other]:
            assert any(one in group and other in group for group in groups)


@given(texts, st.integers(1, 400))
def test_signatures_do_not_depend_on_the_other_texts(notes: list[str], at_once: int) -> None:
    together = signatures(notes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nightschool.notes.duplicates._BATCH_CHARACTERS", at_once)
        assert (signatures(notes) == together).all()
        assert near_duplicates(notes) == near_duplicates(notes, signed=together)


# Single behaviours


@pytest.mark.parametrize(
    "edited",
    [
        ENGLISH.replace("March", "April"),
        ENGLISH.upper(),
        "# Backup\n\n" + ENGLISH.replace(". ", ".\n- "),
        ENGLISH + " Ask Ben about the quota.",
        ENGLISH[30:],
        JAPANESE.replace("三月", "四月"),
        JAPANESE.replace("。", "\n"),
        JAPANESE[12:],
        "追記: " + JAPANESE,
    ],
)
def test_an_edited_copy_is_a_near_duplicate(edited: str) -> None:
    original = ENGLISH if edited.isascii() else JAPANESE
    assert near_duplicates(["something else", edited, original, "他のメモ"]) == [[1, 2]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("buy milk", "buy mild"),
        ("call Bob", "call Rob"),
        ("day 12", "day 13"),
        ("Meeting room 12", "Meeting room 13"),
        ("牛乳を買う", "牛肉を買う"),
        ("会議は14時から", "会議は15時から"),
        ("a", "b"),
        ("1", "10"),
        ("", "a"),
        ("?", "!"),
        ("🎉", "🎂"),
    ],
)
def test_short_notes_that_differ_in_a_letter_are_different(one: str, other: str) -> None:
    assert near_duplicates([one, other]) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Call Bob!", "- call  bob"),
        ("牛乳を買う。", "牛乳を買う"),
        ("ＴＯＤＯ", "todo:"),
        ("🎉", " 🎉\n"),
        ("", " \n"),
    ],
)
def test_short_notes_with_the_same_letters_are_near_duplicates(one: str, other: str) -> None:
    assert near_duplicates([one, other]) == [[0, 1]]


def test_notes_are_connected_through_others() -> None:
    words = " ".join(hashlib.sha256(bytes([n])).hexdigest()[:6] for n in range(40)).split()
    chain = [" ".join(words[start : start + 30]) for start in (0, 4, 8)]
    assert _share(chain[0], chain[2]) < THRESHOLD < _share(chain[0], chain[1])
    assert near_duplicates([chain[0], chain[2]]) == []
    assert near_duplicates(chain) == [[0, 1, 2]]


def test_a_lower_threshold_joins_more() -> None:
    halves = [ENGLISH, ENGLISH[: len(ENGLISH) // 2]]
    assert near_duplicates(halves) == []
    assert near_duplicates(halves, threshold=0.4) == [[0, 1]]


def test_thousands_of_copies_are_one_group() -> None:
    assert near_duplicates([f"{ENGLISH} {n}" for n in range(3000)]) == [list(range(3000))]


def test_no_text_and_one_text_have_no_groups() -> None:
    assert near_duplicates([]) == []
    assert near_duplicates([ENGLISH]) == []
    assert signatures([]).shape == (0, 128)


# Texts that are gone


def test_signatures_identify_the_former_text_of_an_edit() -> None:
    former = signatures(["other", ENGLISH, JAPANESE, "call Bob"])
    new = signatures([JAPANESE.replace("三月", "四月"), "call Rob", ENGLISH + " Done."])
    assert alike(new, former) == [(0, 2), (2, 1)]
    assert alike(former[:0], former) == [] and alike(former, former[:0]) == []


def test_the_estimate_from_signatures_has_the_error_of_128_hashes() -> None:
    words = [hashlib.sha256(str(n).encode()).hexdigest()[:7] for n in range(400)]
    notes = [" ".join(words[start : start + 100]) for start in range(0, 200, 4)]
    signed = signatures(notes)
    errors = []
    for one, other in itertools.combinations(range(len(notes)), 2):
        agree = (signed[one] == signed[other]).mean()
        errors.append((agree * 256 - 1) / 255 - _share(notes[one], notes[other]))
    assert abs(np.mean(errors)) < 0.02
    assert np.std(errors) < 0.06


def test_signatures_never_change() -> None:
    digest = hashlib.sha256(signatures([ENGLISH, JAPANESE, "", "day 1"]).tobytes()).hexdigest()
    assert digest[:16] == "58f34248092ac226"
