"""One term for one thing: words that the glossary replaced do not come back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REPLACED = {
    r"\brungs?\b": "comparison arm",
    r"\b(makes?|made|making) way\b": "yield",
    r"\bstep(s|ped|ping)? aside\b": "yield",
    r"\bstudents?\b": "model, adapter",
    r"\blooks? at (the|these) (test )?notes\b": "test exposure, retraining check",
    r"\bnear-miss(es)?\b": "removed",
    r"\bdealt?s?\b": "assign",
    r"\bits owner\b": "you, the owner",
    r"\bfor good\b": "permanently",
    r"\bbegins? anew\b": "start over",
    r"\bis (told|let be)\b": "say who does what",
    r"\bgoes on again\b": "resume",
}
FILES = [
    *sorted((ROOT / "nightschool").rglob("*.py")),
    *sorted((ROOT / "nightschool").rglob("*.j2")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "README.md",
    ROOT / "go.py",
]
HISTORY = {"lab-log.md"}  # tells of what was removed, under the names of its time


@pytest.mark.parametrize("pattern", REPLACED)
def test_a_replaced_term_is_gone(pattern: str) -> None:
    expression = re.compile(pattern)
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in FILES
        if file.name not in HISTORY
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if expression.search(line)
    ]
    assert found == [], f"write: {REPLACED[pattern]}"
