"""The fingerprint of a training run: everything its numbers depend on, stored with each checkpoint.

A run that resumes with other notes, another prompt, base or setting is refused. With other library
versions or another device it resumes, but no longer bit for bit.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Iterator, Mapping
from typing import Literal

import bitsandbytes
import peft
import torch
import transformers
from pydantic import BaseModel, ConfigDict, JsonValue

from nightschool.config.errors import LearningError
from nightschool.config.settings import TrainSettings
from nightschool.learning.engine import EngineIdentity
from nightschool.learning.training_task import TrainingTask

VERSION = 1

# They decide when to checkpoint, what to recompute and how many seeds to train: no number changes.
_WITHOUT_EFFECT = {
    "checkpoint_minutes", "chunk_minutes", "quick_minutes", "activation_checkpointing", "memory_gb",
    "seeds",
}  # fmt: skip
# Settings that earlier versions had, and the value at which they had no effect.
_REMOVED: Mapping[str, JsonValue] = {"layers": "all"}
_QUEUE_NEW = "restore it, or queue a new run with `nightschool run --new`"


class RunFingerprint(BaseModel):
    """What the numbers of a run depend on, apart from the step."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int = VERSION
    dataset: str
    prompt: str
    base: str
    engine: str = "packed"
    """The engine's name; version 0.1.0 had one."""
    settings: Mapping[str, JsonValue]
    """The values of `[train]` that influence the numbers."""
    token_budget: int
    """Most tokens in a pass."""
    device: str
    kernels: Literal["own", "torch"]
    versions: Mapping[str, str]
    """Library name to version."""
    optimizer: str
    """The optimizer's class."""
    layout: str
    """How notes are batched; see `EngineIdentity.layout`."""
    graph_sizes: tuple[int, ...] = ()
    """Sizes of the CUDA graphs in tokens; empty if passes run eagerly."""


def fingerprint_of(task: TrainingTask, identity: EngineIdentity) -> RunFingerprint:
    """The fingerprint of training `task` with an engine."""
    return RunFingerprint(
        dataset=task.identity.dataset,
        prompt=task.identity.prompt,
        base=task.identity.base,
        engine=identity.engine,
        settings=effective_settings(task.settings),
        token_budget=identity.token_budget,
        device=identity.device,
        kernels=identity.kernels,
        versions=library_versions(),
        optimizer=identity.optimizer,
        layout=identity.layout,
        graph_sizes=identity.graph_sizes,
    )


def effective_settings(settings: TrainSettings) -> dict[str, JsonValue]:
    """The settings that influence the numbers of a training, by name."""
    values: dict[str, JsonValue] = settings.model_dump(mode="json", exclude=_WITHOUT_EFFECT)
    return values


def library_versions() -> dict[str, str]:
    """The installed versions of what computes, by name."""
    modules = (torch, transformers, peft, bitsandbytes)
    versions = {module.__name__: str(module.__version__) for module in modules}
    return {**versions, "nightschool": importlib.metadata.version("nightschool")}


def changes_since(before: RunFingerprint, now: RunFingerprint) -> Iterator[str]:
    """A line for each change after which a run resumes, but no longer bit for bit.

    Raises LearningError for a change after which it must not resume.
    """
    inputs = (
        ("dataset", before.dataset, now.dataset),
        ("prompt", before.prompt, now.prompt),
        ("base", before.base, now.base),
    )
    for name, then, current in inputs:
        if then != current:
            raise LearningError(f"the checkpoint was made with another {name}", _QUEUE_NEW)
    _refuse_other_settings(before.settings, now.settings)
    for name, old, new in _environment(before, now):
        if old != new:
            yield (
                f"{name} was {old} and is now {new}: the run resumes, but is no longer bit-exact"
            )


def _refuse_other_settings(before: Mapping[str, JsonValue], now: Mapping[str, JsonValue]) -> None:
    """A setting that only one of both versions has counts as unchanged at the value without effect."""
    for name, value in {**now, **{k: v for k, v in _REMOVED.items() if k not in now}}.items():
        then = before.get(name, value)
        if then != value:
            has = f"this run has {value}" if name in now else "this version does not have it"
            raise LearningError(
                f"the checkpoint was made with train.{name} = {then}, and {has}", _QUEUE_NEW
            )


def _environment(
    before: RunFingerprint, now: RunFingerprint
) -> Iterator[tuple[str, object, object]]:
    yield "engine", before.engine, now.engine
    yield "token budget", before.token_budget, now.token_budget
    for name, version in now.versions.items():
        yield name, before.versions.get(name, "absent"), version
    yield "device", before.device, now.device
    yield "kernels", before.kernels, now.kernels
    yield "optimizer", before.optimizer, now.optimizer
    yield "batch layout", before.layout, now.layout
    yield "CUDA graph sizes", _in_words(before.graph_sizes), _in_words(now.graph_sizes)


def _in_words(sizes: tuple[int, ...]) -> str:
    return ", ".join(map(str, sizes)) or "none"


def from_format_3(mapping: Mapping[str, str]) -> RunFingerprint:
    """The fingerprint in a checkpoint of version 0.1.0, which stored texts by name."""
    names = (
        "dataset", "prompt", "base", "recipe", "token budget", "device", "kernels", "optimizer",
        "batches", "passes", "lower layers",
    )  # fmt: skip
    return RunFingerprint(
        dataset=mapping["dataset"],
        prompt=mapping["prompt"],
        base=mapping["base"],
        settings=json.loads(mapping["recipe"]),
        token_budget=int(mapping["token budget"]),
        device=mapping["device"],
        kernels="own" if mapping["kernels"] == "own" else "torch",
        versions={name: value for name, value in mapping.items() if name not in names},
        optimizer=mapping["optimizer"],
        layout=mapping["batches"],
        graph_sizes=tuple(int(size) for size in re.findall(r"\d+", mapping["passes"])),
    )
