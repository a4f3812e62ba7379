from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nightschool.config import files
from nightschool.config.errors import LearningError, UnreadableFile
from nightschool.learning.checkpoints import (
    KEPT,
    Checkpoint,
    flatten,
    load,
    newest,
    save,
    unflatten,
)
from nightschool.learning.run_fingerprint import RunFingerprint

CPU = torch.device("cpu")
FINGERPRINT = RunFingerprint(
    dataset="d", prompt="p", base="b", settings={"lora_r": 4, "layers": "all"}, token_budget=300,
    device="GPU 日本", kernels="torch", versions={"torch": "2.13"}, optimizer="AdamW",
    layout="segments", graph_sizes=(64, 128),
)  # fmt: skip


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(
        step=step,
        fingerprint=FINGERPRINT,
        adapter={"a": torch.full((2, 3), float(step))},
        best={"a": torch.full((2, 3), 7.0)},
        optimizer={
            "state": {0: {"step": torch.tensor(float(step)), "exp_avg": torch.randn(2, 3)}},
            "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.999), "params": [0], "fused": None}],
        },
        scaler={"scale": 2048.0, "_growth_tracker": 3},
        history={"losses": [[1, 0.5]], "validation": []},
    )


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    saved = checkpoint(7)
    found = load(save(saved, tmp_path), CPU)
    assert found.step == 7
    assert torch.equal(found.adapter["a"], saved.adapter["a"])
    state = found.optimizer["state"][0]
    assert torch.equal(state["exp_avg"], saved.optimizer["state"][0]["exp_avg"])
    assert list(found.optimizer["param_groups"][0]["betas"]) == [0.9, 0.999]
    assert (found.scaler, found.history, found.fingerprint) == (
        saved.scaler, saved.history, saved.fingerprint,
    )  # fmt: skip


def test_a_checkpoint_of_version_0_1_0_is_read(tmp_path: Path) -> None:
    folder = save(checkpoint(7), tmp_path)
    file, manifest = folder / "state.json", folder / "manifest.json"
    state = json.loads(file.read_text("utf-8"))
    old = {
        "dataset": "d", "prompt": "p", "base": "b", "recipe": '{"lora_r": 4, "layers": "all"}',
        "token budget": "300", "torch": "2.13", "device": "GPU 日本", "kernels": "torch's",
        "optimizer": "AdamW", "batches": "segments", "passes": "graphs of [64, 128] tokens",
    }  # fmt: skip
    file.write_text(json.dumps({**state, "format": 3, "fingerprint": old}), "utf-8")
    sums = json.loads(manifest.read_text("utf-8")) | {"state.json": files.sha256(file)}
    manifest.write_text(json.dumps(sums), "utf-8")
    assert load(folder, CPU).fingerprint == FINGERPRINT


@pytest.mark.parametrize(
    ("change", "problem"),
    [({"format": 2}, "has format 2, not 4"), ({"fingerprint": {"dataset": "d"}}, "is damaged: ")],
)
def test_an_unreadable_checkpoint_is_named_in_one_line(
    tmp_path: Path, change: dict[str, Any], problem: str
) -> None:
    folder = save(checkpoint(7), tmp_path)
    file, manifest = folder / "state.json", folder / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | change), "utf-8")
    sums = json.loads(manifest.read_text("utf-8")) | {"state.json": files.sha256(file)}
    manifest.write_text(json.dumps(sums), "utf-8")
    with pytest.raises(LearningError, match=problem) as raised:
        load(folder, CPU)
    assert "\n" not in str(raised.value)


def test_a_real_optimizer_goes_on_from_its_state() -> None:
    weight = torch.nn.Parameter(torch.ones(4))
    optimizer = torch.optim.AdamW([weight])
    weight.sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    tensors, structure = flatten(optimizer.state_dict())
    other = torch.optim.AdamW([torch.nn.Parameter(torch.ones(4))])
    other.load_state_dict(unflatten(structure, tensors))
    assert torch.equal(
        other.state_dict()["state"][0]["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"]
    )


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for step in range(1, 5):
        save(checkpoint(step), tmp_path)
    assert [folder.name for folder in sorted(tmp_path.iterdir())] == [
        "step-00000003",
        "step-00000004",
    ]
    assert KEPT == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "adapter.safetensors").write_bytes(b""),
        lambda folder: os.truncate(folder / "optimizer.safetensors", 40),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "state.json").write_text("{}", encoding="utf-8"),
        lambda folder: (folder / "manifest.json").write_text("[", encoding="utf-8"),
        lambda folder: (folder / "manifest.json").write_text("[]", encoding="utf-8"),
        lambda folder: (folder / "manifest.json").write_text("null", encoding="utf-8"),
        lambda folder: (folder / "manifest.json").write_text("{}", encoding="utf-8"),
    ],
)
def test_a_damaged_checkpoint_is_seen_and_the_one_before_it_used(
    tmp_path: Path, damage: Any
) -> None:
    save(checkpoint(1), tmp_path)
    damage(save(checkpoint(2), tmp_path))
    found, damaged = newest(tmp_path, CPU)
    assert found and found.step == 1
    assert len(damaged) == 1 and "step-00000002 is damaged" in damaged[0]


def test_without_a_checkpoint_there_is_none(tmp_path: Path) -> None:
    assert newest(tmp_path / "nothing", CPU) == (None, [])


def test_one_that_was_being_written_is_not_looked_at(tmp_path: Path) -> None:
    save(checkpoint(1), tmp_path)
    (tmp_path / "step-00000002.tmp").mkdir()
    found, damaged = newest(tmp_path, CPU)
    assert found and found.step == 1 and not damaged


@pytest.mark.parametrize("writes_before_it_is_full", range(6))
def test_a_full_disk_loses_nothing_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes_before_it_is_full: int
) -> None:
    save(checkpoint(1), tmp_path)
    left = writes_before_it_is_full
    sync = files.sync

    def full(path: Path) -> None:
        nonlocal left
        if left == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        left -= 1
        sync(path)

    monkeypatch.setattr(files, "sync", full)
    if left < 5:  # files, then their folder; the last sync comes after the rename
        with pytest.raises(LearningError, match="the disk is full"):
            save(checkpoint(2), tmp_path)
        assert [folder.name for folder in tmp_path.iterdir()] == ["step-00000001"]
    monkeypatch.undo()
    found, damaged = newest(tmp_path, CPU)
    assert found and found.step == 1 and not damaged


def test_a_really_full_disk_says_so_and_keeps_the_one_before(tmp_path: Path) -> None:
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small disk can only be mounted by root on Linux")
    try:
        save(checkpoint(1), tmp_path)
        large = replace(checkpoint(2), adapter={"a": torch.randn(1_000_000)})
        with pytest.raises(LearningError, match="the disk is full"):
            save(large, tmp_path)
        found, damaged = newest(tmp_path, CPU)
        assert found and found.step == 1 and not damaged
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize("all_of_them", [False, True])
def test_a_checkpoint_that_cannot_be_read_now_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, all_of_them: bool
) -> None:
    for step in (1, 2):
        save(checkpoint(step), tmp_path)
    real = files.sha256

    def fail(file: Path) -> str:
        if all_of_them or file.parent.name.endswith("2"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(file))
        return real(file)

    monkeypatch.setattr(files, "sha256", fail)
    line = "checkpoint step-00000002 cannot be read: Input/output error: check its disk"
    if all_of_them:
        with pytest.raises(UnreadableFile, match=line):
            newest(tmp_path, CPU)
    else:
        found, unread = newest(tmp_path, CPU)
        assert found and found.step == 1 and unread == [line]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["step-00000001", "step-00000002"]
