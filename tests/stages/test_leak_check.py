"""A leak is named with its place, and what is named as its remedy removes it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from nightschool.config.settings import Settings
from nightschool.notes.label_leaks import LabelLeaks
from nightschool.notes.readers import read_school
from nightschool.scoring.leak_phrases import LabelledText
from nightschool.stages.leak_check import check_leaks

WORDS = [f"{a}{b}{c}" for a in "bdfg" for b in "aeiou" for c in "lmnrst"]
KINDS = ("bread", "bike", "code")


def _write(root: Path, leak: Callable[[str, int], str]) -> None:
    rng = random.Random(0)
    for kind in KINDS:
        for n in range(12):
            prose = "\n".join(" ".join(rng.sample(WORDS, 9)) for _ in range(4))
            file = root / "notes" / kind / f"{n:02}.md"
            file.parent.mkdir(parents=True, exist_ok=True)
            text = leak(prose, n) if kind == "bread" else prose
            file.write_text(f"---\nmood: good\n---\n\n{text}\n", encoding="utf-8")


def _check(root: Path, **notes: object) -> LabelLeaks:
    settings = Settings.model_validate({"notes": notes})
    loaded = read_school(root, settings).notes
    texts = [LabelledText(n.text, str(n.kind), k, n.source) for k, n in enumerate(loaded)]
    return check_leaks(texts, settings, root / "notes")


@pytest.mark.parametrize(
    ("leak", "text", "line", "remedy"),
    [
        (lambda p, n: f"Sort: Bread\n{p}", "Sort: Bread", 5, {"remove_lines": ["Sort: *"]}),
        (lambda p, n: f"{p}\n## How it rose", "## How it rose", 9,
         {"remove_lines": ["## How it rose"]}),
        (lambda p, n: f"{p}\nform 7 of 2024-05-03", "form 7 of 2024-05-03", 9,
         {"remove_lines": ["form 7 of 2024-05-03"]}),
        (lambda p, n: f"{p}\nform {n + 17} of 2024-05-03", "form 17 of 2024-05-03", 9,
         {"remove_lines": ["form * of *-*-*"]}),
        (lambda p, n: f"【生地】{p}", "【生地】", 5, {"remove_text": ["【生地】"]}),
        (lambda p, n: f"dough_{p.split()[0]}.md\n{p}", "dough", 5, {"remove_lines": ["dough_*"]}),
        (lambda p, n: f"{p} Kept in the drawer for dough.", "Kept in the drawer for dough", 8,
         {"remove_text": ["Kept in the drawer for dough"]}),
        (lambda p, n: f"{p}\nsort:: Bread", "sort:: Bread", 9,
         {"kind_from": ["sort", "folder"]}),
        (lambda p, n: f"{p}\nsort:: dough", "sort:: dough", 9, {"remove_lines": ["sort:: dough"]}),
        (lambda p, n: f"{p}\nthe  \x1b[2mDOUGH\t\x9b page", "the [2mDOUGH page", 9,
         {"remove_lines": ["the  \x1b[2mDOUGH\t\x9b page"]}),
    ],
)  # fmt: skip
def test_the_remedy_removes_the_leak(
    leak: Callable[[str, int], str],
    text: str,
    line: int,
    remedy: dict[str, list[str]],
    tmp_path: Path,
) -> None:
    _write(tmp_path, leak)
    (found,) = _check(tmp_path).leaks
    assert (found.kind, found.text, found.line) == ("bread", text, line)
    assert (found.found, found.of, found.others_found, found.others) == (12, 12, 0, 24)
    assert found.source == "bread/00.md"
    ((setting, entries),) = remedy.items()
    assert (found.remedy, found.entry) == (setting, entries[0])
    assert _check(tmp_path, **remedy).leaks == ()


def test_notes_without_leaks_and_without_files_are_no_problem(tmp_path: Path) -> None:
    _write(tmp_path, lambda prose, n: prose)
    assert _check(tmp_path) == LabelLeaks(36, (), None)
    gone = [
        LabelledText(f"Sort: {kind}\n{' '.join(WORDS[n : n + 20])}", kind, f"{kind}{n}", "a.csv:7")
        for kind in KINDS
        for n in range(9)
    ]
    found = check_leaks(gone, Settings(), tmp_path)
    assert [leak.line for leak in found.leaks] == [None] * 3
    assert found.accuracy is not None and found.accuracy.with_leaks > 0.9
