"""Checkpoints that are whole or absent: written to a temporary folder, synced, hashed, then renamed.

A checkpoint is a folder `step-00000012` with safetensors files, `state.json` and, written last,
`manifest.json` with the sha256 of each file. Nothing is pickled. Two checkpoints are kept, so that a
damaged one does not cost the run.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save_file

from nightschool.config import bounded_json, files
from nightschool.config.errors import (
    CheckpointDiskFull,
    LearningError,
    UnreadableFile,
    first_line,
    passes,
    system_error,
)
from nightschool.learning.run_fingerprint import RunFingerprint, from_format_3

KEPT = 2
_FORMAT = 4
_FORMAT_OF_0_1_0 = 3
_FILES = ("adapter.safetensors", "best.safetensors", "optimizer.safetensors", "state.json")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that a run needs to continue, bit for bit.

    It has no state of a random generator, because the trainer seeds each step by its number.
    """

    step: int
    """Optimizer steps done."""
    fingerprint: RunFingerprint
    adapter: Mapping[str, torch.Tensor]
    best: Mapping[str, torch.Tensor]
    """The adapter of the best validation so far; empty without a patience or a validation."""
    optimizer: Mapping[str, Any]
    """The optimizer's state_dict."""
    scaler: Mapping[str, float | int]
    """The gradient scaler's state_dict; empty if there is none."""
    history: Mapping[str, Any]
    """`losses` and `validation`: [step, loss] pairs since the first step; `skipped`: step numbers."""


def save(checkpoint: Checkpoint, folder: Path) -> Path:
    """Write a checkpoint into `folder` and drop all but the newest two.

    Raises CheckpointDiskFull if the disk is full; the earlier checkpoints stay as they were.
    """
    final = folder / f"step-{checkpoint.step:08d}"
    tensors, structure = flatten(checkpoint.optimizer)
    state = {
        "format": _FORMAT,
        "step": checkpoint.step,
        "fingerprint": checkpoint.fingerprint.model_dump(mode="json"),
        "optimizer": structure,
        "scaler": dict(checkpoint.scaler),
        "history": dict(checkpoint.history),
    }
    try:
        with files.new_folder(final) as new:
            save_file(_on_cpu(checkpoint.adapter), new / "adapter.safetensors")
            save_file(_on_cpu(checkpoint.best), new / "best.safetensors")
            save_file(_on_cpu(tensors), new / "optimizer.safetensors")
            files.write(new / "state.json", json.dumps(state))
            sums = {file.name: files.sha256(file) for file in sorted(new.iterdir())}
            files.write(new / "manifest.json", json.dumps(sums))
    except (OSError, safetensors.SafetensorError) as error:
        if files.no_room(error):
            free = shutil.disk_usage(folder).free if folder.exists() else 0
            raise CheckpointDiskFull(
                f"the disk is full: there is no room for a checkpoint in {folder} ({free / 1e6:.0f} MB free)",
                "free some space; the checkpoint before it is safe",
            ) from None
        why = f"the checkpoint {final} cannot be written: {_words(error)}"
        raise LearningError(why, "check its disk") from None
    for old in sorted(folder.glob("step-*[0-9]"))[:-KEPT]:
        files.discard(old)
    return final


def newest(folder: Path, device: torch.device) -> tuple[Checkpoint | None, list[str]]:
    """The newest undamaged checkpoint, and a message for each newer one; damaged ones are renamed.

    Raises UnreadableFile if there is none but one that may be readable later.
    """
    damaged: list[str] = []
    unreadable: UnreadableFile | None = None
    files.clean(folder)
    for candidate in sorted(folder.glob("step-*[0-9]"), reverse=True):
        try:
            return load(candidate, device), damaged
        except UnreadableFile as error:  # it stays, because the next attempt may read it
            unreadable = unreadable or error
            damaged.append(str(error))
        except LearningError as error:
            damaged.append(str(error))
            # Renamed, so that it does not count as one of the two that are kept.
            files.discard(candidate.with_suffix(".damaged"))
            files.replace(candidate, candidate.with_suffix(".damaged"))
    if unreadable:
        raise unreadable
    return None, damaged


def load(folder: Path, device: torch.device) -> Checkpoint:
    """Read and verify a checkpoint. Raises LearningError if a file is missing or damaged, UnreadableFile."""
    try:
        sums = bounded_json.read(folder / "manifest.json")
        for name in _FILES:
            if not isinstance(sums, dict) or files.sha256(folder / name) != sums.get(name):
                raise LearningError(
                    f"checkpoint {folder.name} is damaged: {name} differs from its sha256"
                )
        state = bounded_json.read(folder / "state.json")
        if state["format"] not in (_FORMAT, _FORMAT_OF_0_1_0):
            raise LearningError(
                f"checkpoint {folder.name} has format {state['format']}, not {_FORMAT}"
            )
        tensors = _loaded(folder / "optimizer.safetensors", device)
        return Checkpoint(
            step=state["step"],
            fingerprint=_fingerprint(state),
            adapter=_loaded(folder / "adapter.safetensors", device),
            best=_loaded(folder / "best.safetensors", device),
            optimizer=unflatten(state["optimizer"], tensors),
            scaler=state["scaler"],
            history=state["history"],
        )
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        if passes(error):
            why = f"checkpoint {folder.name} cannot be read: {_words(error)}"
            raise UnreadableFile(why, "check its disk") from None
        raise LearningError(f"checkpoint {folder.name} is damaged: {first_line(error)}") from None


def _words(error: Exception) -> str:
    code = system_error(error)
    return os.strerror(code) if code else first_line(error)


def _fingerprint(state: Mapping[str, Any]) -> RunFingerprint:
    if state["format"] == _FORMAT_OF_0_1_0:
        return from_format_3(state["fingerprint"])
    return RunFingerprint.model_validate(state["fingerprint"])


def flatten(state: Any) -> tuple[dict[str, torch.Tensor], Any]:
    """Split nested dicts and lists into tensors by name and a JSON-ready structure naming them."""
    tensors: dict[str, torch.Tensor] = {}

    def walk(value: Any, name: str) -> Any:
        if isinstance(value, torch.Tensor):
            tensors[name] = value
            return {"tensor": name}
        if isinstance(value, Mapping):
            return {"dict": [[key, walk(inner, f"{name}.{key}")] for key, inner in value.items()]}
        if isinstance(value, list | tuple):
            return {"list": [walk(inner, f"{name}.{i}") for i, inner in enumerate(value)]}
        if value is None or isinstance(value, bool | int | float | str):
            return {"value": value}
        raise TypeError(f"{name}: a {type(value).__name__} cannot be checkpointed")

    return tensors, walk(state, "state")


def unflatten(structure: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """The inverse of `flatten`; tuples come back as lists."""
    ((what, content),) = structure.items()
    if what == "tensor":
        return tensors[content]
    if what == "dict":
        return {key: unflatten(inner, tensors) for key, inner in content}
    if what == "list":
        return [unflatten(inner, tensors) for inner in content]
    return content


def _on_cpu(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    # Cloned, because safetensors refuses tensors that share memory.
    return {
        name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()
    }


def _loaded(file: Path, device: torch.device) -> dict[str, torch.Tensor]:
    # Cloned, because the loaded tensors map the file, which Windows could not delete then.
    return {name: tensor.clone() for name, tensor in load_file(file, device=str(device)).items()}
