from __future__ import annotations

from pathlib import Path

import pytest

from tests.stages.corruption_matrix import matrix


@pytest.mark.slow
def test_a_damaged_file_changes_no_result_silently_and_is_no_bug(tmp_path: Path) -> None:
    """A sample of `python -m tests.stages.corruption_matrix`, of every stage and verb."""
    counts, wrong = matrix(tmp_path, share=0.02, seed=7)
    assert not wrong
    assert {word for _, word in counts} == {"same", "line"}
