"""A sample of the corruption matrix: no damage is silent, hangs or ends in an unexpected error."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.stages.corruption_matrix import matrix

# Each verb, the stage that reads what all others wrote, a model, and a repair.
WITHOUT = re.compile(r"^(prep|baseline|train|evaluate|repair, (baseline|train|evaluate|compare))$")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="trials are bounded by a timer")
def test_no_damage_is_silent(tmp_path: Path) -> None:
    trials = list(matrix(tmp_path, 0.008, 11, lambda name: not WITHOUT.match(name)))
    assert [each for each in trials if each.outcome not in ("same", "line")] == []
    assert {each.outcome for each in trials} == {"same", "line"}
