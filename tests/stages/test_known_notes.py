"""Runs on a growing folder: which notes they have read, and that test notes remain test notes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from nightschool.config.errors import NotesError
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.notes.dataset import Dataset, read_own
from nightschool.notes.duplicates import near_duplicates
from nightschool.stages.context import StageContext
from nightschool.stages.known_notes import known_to
from nightschool.stats.stage_results import PrepResult
from tests.conftest import KINDS, MakeSchool
from tests.prepared import prepare


def dataset(school: School, run: int) -> Dataset:
    return StageContext(school, run, load(school.settings_file), cast(Any, None)).dataset()


def of_split(found: Dataset, name: str) -> dict[str, str]:
    return {item.id: item.text for item in found.items if item.split == name}


def words(seed: str, count: int = 60) -> list[str]:
    rng = Random(seed)
    return ["".join(rng.choices("abcdefghijklmnop", k=6)) for _ in range(count)]


def fill(school: School, name: str, count: int) -> None:
    for kind in KINDS:
        folder = school.root / "notes" / kind
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            text = " ".join(words(f"{kind} {name} {number}"))
            (folder / f"{name}-{number}.md").write_text(text, encoding="utf-8")


def edited(text: str, seed: int) -> str:
    """A text with two of its sixty words replaced."""
    rng, parts = Random(seed), text.split()
    for place in rng.sample(range(len(parts)), 2):
        parts[place] = hashlib.sha256(f"{seed} {place}".encode()).hexdigest()[:6]
    return " ".join(parts)


def test_test_notes_remain_test_notes_and_nothing_like_them_is_trained_on(
    make_school: MakeSchool,
) -> None:
    school = make_school(each=0)
    fill(school, "first", 20)
    prepare(school)
    first = dataset(school, 1)
    # New notes, and copies and edits of test notes under new names; one test note is edited in its place.
    fill(school, "second", 10)
    notes = school.root / "notes"
    test = sorted(of_split(first, "test").items())[:3]
    by_id = {item.id: item for item in first.items}
    for number, (id_, text) in enumerate(test):
        copy = notes / by_id[id_].kind / f"copy-{number}.md"
        copy.write_text(edited(text, number), encoding="utf-8")
    (moved, _), (replaced, text), _ = test
    (notes / by_id[moved].source).rename(notes / by_id[moved].kind / "moved.md")
    (notes / by_id[replaced].source).write_text(edited(text, 99), encoding="utf-8")
    prepare(school)
    second = dataset(school, 2)

    splits = {name: of_split(second, name) for name in ("train", "validation", "test")}
    assert of_split(first, "test").keys() - {replaced} <= splits["test"].keys()
    copies = {
        i.split for i in second.items if "copy" in i.source or i.source == by_id[replaced].source
    }
    assert copies == {"test"}
    assert of_split(first, "train").keys() == splits["train"].keys() & by_id.keys()
    new = {item.id for item in second.items if "second" in item.source}
    assert len(new) == 30
    assert all(new & found.keys() for found in splits.values()), "new notes join every split"
    measured = [*splits["test"].values(), text]
    learnt = [*splits["train"].values(), *splits["validation"].values()]
    for group in near_duplicates([*measured, *learnt]):
        assert max(group) < len(measured) or min(group) >= len(measured)


def test_a_run_has_read_the_notes_that_its_dataset_leaves_out(make_school: MakeSchool) -> None:
    school = make_school(each=0)
    fill(school, "first", 20)
    prepare(school)
    train, test = (
        next(item for item in dataset(school, 1).items if item.split == name)
        for name in ("train", "test")
    )
    # Of one source with a training note, and a near-duplicate of a test note: it fits into no split.
    head = "---\nsource: https://example.org/book\n---\n"
    (school.root / "notes" / train.source).write_text(head + train.text, encoding="utf-8")
    torn = school.root / "notes" / test.kind / "torn.md"
    torn.write_text(head + edited(test.text, 1), encoding="utf-8")
    prepare(school)
    known, used = known_to(school, 2), read_own(school.datasets / _name(school, 2))
    assert {id_: kind for id_, (kind, _) in used.items()}.items() < known.items()
    assert train.id in known.keys() - used.keys()
    assert len(known) == 61


def _name(school: School, run: int) -> str:
    context = StageContext(school, run, load(school.settings_file), cast(Any, None))
    return context.result(PrepResult).dataset


def test_augmented_notes_are_not_notes_that_a_run_has_read(make_school: MakeSchool) -> None:
    school = make_school(train={"roughen": 1.0})
    prepare(school)
    assert any(item.origin for item in dataset(school, 1).items)
    assert len(known_to(school, 1)) == 36


@pytest.mark.parametrize("gone", ["prep.json", "left_out.json"])
def test_missing_files_of_a_run_are_an_error(make_school: MakeSchool, gone: str) -> None:
    school = make_school()
    prepare(school)
    file: Path = school.run_folder(1) / gone
    file.unlink()
    if gone == "left_out.json":  # absent in earlier versions
        assert len(known_to(school, 1)) == 36
        file.write_text("[", encoding="utf-8")
    with pytest.raises(NotesError, match="the notes that run 1 read are no longer recorded"):
        known_to(school, 1)
