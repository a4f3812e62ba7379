"""The worker's signals, read by another process."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nightschool.jobs.signals.signal import Signal
from nightschool.jobs.signals.snapshot import FRESH_S, read_snapshot, write_snapshot
from tests.jobs.nights import signals

NOW = 1_000_000.0


def test_snapshot_round_trips_with_its_age(tmp_path: Path) -> None:
    read = signals(gpu_programs=("blender",), idle_s=None, suspending=False)
    read = replace(read, cpu_load=Signal(7.0, "psutil", 1.5))
    write_snapshot(tmp_path / "signals.json", read, NOW)
    stored = read_snapshot(tmp_path / "signals.json", NOW + 3)
    assert stored
    assert stored.cpu_load == Signal(7.0, "psutil", 4.5)
    assert stored.gpu_programs == Signal(("blender",), "test", 3.0)
    assert stored.idle_s == Signal(None, "test", 3.0, "broken")
    assert stored.suspending.value is False


@pytest.mark.parametrize("later", [-1.0, FRESH_S + 1])
def test_stale_snapshot_is_none(tmp_path: Path, later: float) -> None:
    write_snapshot(tmp_path / "signals.json", signals(), NOW)
    assert read_snapshot(tmp_path / "signals.json", NOW + later) is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"at": 1000000}', '{"at": 1000000, "signals": {"idle_s": {}}}']
)
def test_unreadable_snapshot_is_none(tmp_path: Path, content: str) -> None:
    file = tmp_path / "signals.json"
    assert read_snapshot(file, NOW) is None
    file.write_text(content)
    assert read_snapshot(file, NOW) is None


def test_snapshot_of_another_version_is_none(tmp_path: Path) -> None:
    file = tmp_path / "signals.json"
    write_snapshot(file, signals(), NOW)
    kept = json.loads(file.read_text())
    kept["signals"]["moon"] = kept["signals"]["idle_s"]
    file.write_text(json.dumps(kept))
    assert read_snapshot(file, NOW) is None
