"""A sample of verbs in want: `python -m tests.cli.want_matrix` tries them all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.want_matrix import READING, VERBS, WANTS, matrix, pairs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="mounts, and limits of Linux"),
]
EVERY = 9


def test_a_verb_in_want_works_or_says_why_in_one_line_and_leaves_nothing_half_written(
    tmp_path: Path,
) -> None:
    all_reading = pairs(("no space", "read-only"), READING)
    others = [pair for pair in pairs(WANTS, VERBS) if pair not in all_reading]
    table = matrix(tmp_path, [*all_reading, *others[::EVERY]], print)
    wrong = {pair: verdict for pair, verdict in table.items() if verdict not in ("works", "line")}
    assert wrong == {}
    assert len(table) > len(others) // EVERY // 2
