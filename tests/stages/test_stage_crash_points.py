"""A sample of the crash points: `python -m tests.stages.stage_crash_points --all` tries them all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.stages.stage_crash_points import FAULTS, acts, matrix

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="the injector is for Linux"),
]


def test_after_a_fault_at_any_file_operation_the_result_has_the_same_bits(tmp_path: Path) -> None:
    table = matrix(tmp_path, share=0.0)
    assert not table.wrong
    tried = {(act, fault) for act, fault, column in table.counts if column == "points"}
    # A fault in training may fall into the publication that ends it.
    assert {fault for _, fault in tried} == set(FAULTS)
    assert {act for act, _ in tried} | {"publication"} == {name for name, _ in acts()} | {
        "publication"
    }
