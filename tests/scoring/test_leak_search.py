"""Leaks are found and named; topics, copies and what is the note itself are not."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from nightschool.notes.leak_candidates import LeakForm
from nightschool.scoring.leak_accuracy import leak_accuracy, without, without_topics
from nightschool.scoring.leak_phrases import LabelledText
from nightschool.scoring.leak_search import find_leaks, sample

COMMON = [f"word{n}" for n in range(200)]
TOPICS = {
    kind: [f"{word}{n}" for n in range(12)]
    for kind, word in (("bread", "oven"), ("bike", "wheel"), ("code", "branch"))
}


def _notes(
    leak: Callable[[str], str] = lambda text: text,
    share: float = 1.0,
    others: int = 0,
    each: int = 20,
    topic: float = 0.3,
) -> list[LabelledText]:
    """Notes of three kinds; `share` of the kind bread, and `others` of the other notes, have the leak."""
    rng = random.Random(0)
    notes: list[LabelledText] = []
    for kind, words in TOPICS.items():
        for n in range(each):
            chosen = [rng.choice(words if rng.random() < topic else COMMON) for _ in range(40)]
            text = "\n".join(" ".join(chosen[at : at + 8]) for at in range(0, 40, 8))
            has = n < share * each if kind == "bread" else kind == "bike" and n < others
            notes.append(LabelledText(leak(text) if has else text, kind, len(notes)))
    return notes


LEAKS: dict[str, tuple[LeakForm, str, Callable[[str], str]]] = {
    "line": (LeakForm.LINE, "sort: dough", lambda text: f"Sort: Dough\n{text}"),
    "emoji": (LeakForm.SYMBOL, "🥖", lambda text: f"🥖 {text}"),
    "heading": (LeakForm.LINE, "## how it rose", lambda text: f"{text}\n## How it rose\n"),
    "link": (LeakForm.LINE, "[[moc dough]]", lambda text: f"{text}\n\n[[MOC Dough]]"),
    "link in prose": (LeakForm.LINK, "[[moc dough]]", lambda text: f"{text} see [[MOC Dough]] too"),
    "marker": (LeakForm.BRACKET, "【生地】", lambda text: f"【生地】{text}"),
    "comment": (LeakForm.LINE, "<!-- form № -->", lambda text: f"{text}\n<!-- form {len(text)} -->"),
    "tag in code": (LeakForm.LINE, "#dough", lambda text: f"{text}\n```\n#dough\n```"),
    "sentence": (
        LeakForm.PHRASE, "kept in the drawer for dough",
        lambda text: f"{text} Kept in the drawer for dough",
    ),
    "file name": (LeakForm.FILE_NAME, "dough", lambda text: f"dough_{text.split()[0]}.md\n{text}"),
    "Japanese sentence": (
        LeakForm.PHRASE, "この 覚 え 書 き は 型 か ら 作 っ た",
        lambda text: f"{text} この覚え書きは型から作った{len(text)}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LEAKS)
@pytest.mark.parametrize(("share", "others"), [(1.0, 0), (0.75, 2)])
def test_a_planted_leak_is_one_finding_with_its_kind(name: str, share: float, others: int) -> None:
    form, text, leak = LEAKS[name]
    notes = _notes(leak, share, others)
    (found,) = find_leaks(notes, {})
    assert (found.kind, len(found.places)) == ("bread", 20 * share + others)
    if name != "Japanese sentence":
        assert (found.candidate.form, found.candidate.text) == (form, text)
    begin, end = next(iter(found.places[0]))
    assert notes[0].text[begin:end].strip() in notes[0].text


def test_leaks_of_several_kinds_and_of_several_lines_are_found_each() -> None:
    notes = [
        note._replace(text=f"Sort: {note.kind}\n{note.text}\nfiled by {note.kind}-bot")
        for note in _notes()
    ]
    found = find_leaks(notes, {})
    assert sorted((leak.kind, leak.candidate.text) for leak in found) == sorted(
        (kind, text) for kind in TOPICS for text in (f"sort: {kind}", f"filed by {kind}-bot")
    )


def test_a_name_of_the_kind_is_found_in_fewer_notes_than_anything_else() -> None:
    def few(text: str) -> str:
        return f"Sort: Dough\n{text}"

    notes = _notes(few, share=0.3, each=40)
    assert find_leaks(notes, {}) == []
    (found,) = find_leaks(notes, {"bread": ["dough"]})
    assert found.candidate.text == "sort: dough"


@pytest.mark.parametrize("topic", [0.1, 0.3, 0.6, 1.0])
def test_topics_are_no_leaks(topic: float) -> None:
    notes = _notes(topic=topic)
    assert without_topics(notes, find_leaks(notes, {})) == []


def test_a_word_that_everything_depends_on_is_a_leak() -> None:
    notes = _notes(lambda text: f"{text} qzx", topic=0.0, each=30)
    (found,) = without_topics(notes, find_leaks(notes, {}))
    assert (found.candidate.form, found.candidate.text) == (LeakForm.WORD, "qzx")


def test_short_texts_that_all_name_their_subject_leak_nothing() -> None:
    rng = random.Random(0)
    notes = [
        LabelledText(f"{rng.choice(COMMON)} {subject} {rng.choice(COMMON)}", kind, n)
        for n in range(40)
        for kind, subject in (("a", "exchange rate"), ("b", "credit limit"))
    ]
    assert find_leaks(notes, {}) == []


def test_copies_and_notes_of_one_source_count_once() -> None:
    leak = LEAKS["line"][2]
    one = [note._replace(group=-1 if note.kind == "bread" else note.group) for note in _notes(leak)]
    assert find_leaks(one, {}) == []


def test_what_is_most_of_the_note_is_no_leak() -> None:
    notes = [LabelledText(f"note about {k} {n}", k, n) for n, k in enumerate("ab" * 20)]
    assert find_leaks(notes, {}) == []


def test_without_two_kinds_there_is_nothing_to_give_away() -> None:
    assert find_leaks([LabelledText("Kind: a", "a", n) for n in range(9)], {}) == []
    assert find_leaks([], {}) == []


def test_word_counts_are_less_accurate_without_the_leaks() -> None:
    notes = [n._replace(text=f"Sort: {n.kind}\n{n.text}") for n in _notes(topic=0.02)]
    found = find_leaks(notes, {})
    assert all("Sort" not in text for text in without(notes, found))
    measured = leak_accuracy(notes, found)
    assert measured is not None and measured.notes == 60
    assert measured.with_leaks > 0.9 > 0.7 > measured.without_leaks


def test_with_too_few_notes_no_accuracy_is_claimed() -> None:
    assert leak_accuracy(_notes(each=4), []) is None


def test_a_sample_thins_out_large_kinds_first() -> None:
    kinds = ["rare"] * 30 + ["frequent"] * 5000
    chosen = [kinds[n] for n in sample(kinds, 100)]
    assert (chosen.count("rare"), chosen.count("frequent")) == (30, 70)
