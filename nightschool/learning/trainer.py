"""The trainer, read top to bottom: encode, attach the adapter, step, checkpoint, stop when asked.

One optimizer step takes `effective_batch` notes, in micro-batches of similar length. The loss of
a note is the mean cross-entropy of its answer's tokens, the loss of a step the mean over its notes.

A run is exact: whatever it depends on is a function of the step's number (the notes, by a hash
order of each epoch; the dropout, by a seed; the learning rate) or is in the checkpoint (adapter,
optimizer, scaler). So a run that was interrupted anywhere ends with the same bits.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import bitsandbytes
import peft
import torch
import transformers
from bitsandbytes.optim.adamw import AdamW8bit, PagedAdamW8bit
from peft import LoraConfig, get_peft_model
from transformers import PreTrainedModel

from nightschool.config.settings import TrainSettings
from nightschool.learning import checkpoints
from nightschool.learning.checkpoints import Checkpoint
from nightschool.learning.choice import Choice
from nightschool.learning.device import Device
from nightschool.learning.encoding import Encoded, collate
from nightschool.learning.errors import LearningError, Stopped

Ended = Literal["finished", "chunk_done", "stopped"]


class Reporter(Protocol):
    """Where the trainer tells how far it is."""

    def progress(self, step: int, total: int, loss: float | None, eta_s: float | None) -> None: ...

    def say(self, kind: str, message: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Task:
    """What to train on what: fixed for the whole run."""

    notes: Sequence[Encoded]
    ids: Sequence[str]
    """The notes' content ids: their order in each epoch is derived from these."""
    validation: Sequence[Encoded]
    padding: int
    settings: TrainSettings
    identity: Mapping[str, str]
    """Fingerprints of dataset, prompt and base."""

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.notes) / self.settings.effective_batch)

    @property
    def total_steps(self) -> int:
        return max(1, round(self.steps_per_epoch * self.settings.epochs))


@dataclass(slots=True)
class Trained:
    """How a chunk ended, and the whole history of the run so far."""

    ended: Ended
    step: int
    losses: list[list[float]] = field(default_factory=list)
    validation: list[list[float]] = field(default_factory=list)


def train(
    base: PreTrainedModel,
    task: Task,
    device: Device,
    folder: Path,
    reporter: Reporter,
    should_stop: Callable[[], bool],
) -> Trained:
    """Train one chunk, from the newest checkpoint in `folder/checkpoints` if there is one.

    Ends at a step border with a checkpoint: when all steps are done (then the adapter is in
    `folder/adapter`, loadable by peft), when the chunk's time is over, or when `should_stop`.
    Raises LearningError where the loss is not finite or the disk is full.
    """
    settings = task.settings
    model = _with_adapter(base, settings)
    parameters = [p for p in model.parameters() if p.requires_grad]
    if wrong := {p.dtype for p in parameters} - {torch.float32}:
        raise LearningError(f"adapter weights are {wrong}, not float32: this is a bug")
    optimizer, choice = _optimizer(parameters, settings, device)
    reporter.say("choice", f"optimizer = {choice.value} ({choice.reason})")
    scaler = torch.amp.GradScaler(
        device.torch.type, init_scale=2.0**11, enabled=device.precision.scaler
    )

    identity = {
        **task.identity,
        "recipe": _recipe(settings, choice.value),
        **_versions(),
        "device": device.label,
    }
    start, damaged = checkpoints.newest(folder / "checkpoints", device.torch)
    for line in damaged:
        before = f"step {start.step}" if start else "the beginning"
        reporter.say("warning", f"{line}; it is put aside, and training goes on from {before}")
    progress = Trained("finished", 0)
    if start is not None:
        for line in _changed(start.fingerprint, identity):
            reporter.say("warning", line)
        _load_adapter(model, start.adapter)
        optimizer.load_state_dict(dict(start.optimizer))
        if start.scaler:
            scaler.load_state_dict(dict(start.scaler))
        progress = Trained(
            "finished", start.step, start.history["losses"], start.history["validation"]
        )
        reporter.say("state", f"goes on after step {start.step} of {task.total_steps}")

    def checkpoint() -> None:
        checkpoints.save(
            Checkpoint(
                step=progress.step,
                fingerprint=identity,
                adapter=_adapter(model),
                optimizer=optimizer.state_dict(),
                scaler=scaler.state_dict(),
                history={"losses": progress.losses, "validation": progress.validation},
            ),
            folder / "checkpoints",
        )

    total = task.total_steps
    began = saved = time.monotonic()
    first = progress.step
    model.train()
    while progress.step < total:
        if should_stop():
            progress.ended = "stopped"
            break
        if progress.step > first and time.monotonic() - began >= settings.chunk_minutes * 60:
            progress.ended = "chunk_done"
            break
        step = progress.step + 1
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * rate(step, total, settings)
        rows = list(_rows_of(task, step))
        try:
            loss = _step(
                model, rows, task, device, optimizer, scaler, parameters, step, should_stop
            )
        except Stopped:
            progress.ended = "stopped"
            break
        progress.step = step
        progress.losses.append([step, loss])
        if task.validation and (step % task.steps_per_epoch == 0 or step == total):
            progress.validation.append([step, _validate(model, task, device)])
        pace = (time.monotonic() - began) / (step - first)
        reporter.progress(step, total, loss, pace * (total - step))
        if time.monotonic() - saved >= settings.checkpoint_minutes * 60 and step < total:
            checkpoint()
            saved = time.monotonic()
    if progress.step > first or start is None:
        checkpoint()
    if progress.step == total:
        model.save_pretrained(str(folder / "adapter"))
        checkpoints.sync_tree(folder / "adapter")
    return progress


def rate(step: int, total: int, settings: TrainSettings) -> float:
    """The learning rate of a step (1-based) as a share of the peak: linear warm-up, then the schedule."""
    warmup = max(1, round(settings.warmup * total))
    if step <= warmup:
        return step / warmup
    done = (step - warmup) / (total - warmup + 1)
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    return 1 - done if settings.schedule == "linear" else 1.0


def epoch_order(ids: Sequence[str], seed: int, epoch: int) -> list[int]:
    """The notes' order in an epoch: by a hash, so the same on every machine and version."""
    keys = [hashlib.sha256(f"{seed}:{epoch}:{id_}".encode()).digest() for id_ in ids]
    return sorted(range(len(ids)), key=keys.__getitem__)


def _rows_of(task: Task, step: int) -> Iterator[Encoded]:
    """The notes of a step (1-based)."""
    epoch, place = divmod(step - 1, task.steps_per_epoch)
    order = epoch_order(task.ids, task.settings.seed, epoch)
    size = task.settings.effective_batch
    for index in order[place * size : (place + 1) * size]:
        yield task.notes[index]


def _step(
    model: peft.PeftModel,
    rows: list[Encoded],
    task: Task,
    device: Device,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    parameters: list[torch.nn.Parameter],
    step: int,
    should_stop: Callable[[], bool],
) -> float:
    """One optimizer step; returns its loss in nats.

    Raises Stopped between two micro-batches, with the adapter as it was before the step.
    """
    torch.manual_seed(task.settings.seed * 1_000_003 + step)
    total = 0.0
    for batch in _micro_batches(rows, task.settings.micro_batch):
        if should_stop():
            optimizer.zero_grad(set_to_none=True)
            raise Stopped
        loss = _losses(model, batch, task, device).sum() / len(rows)
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    if not math.isfinite(total):
        raise LearningError(
            f"the loss of step {step} is {total}: lower train.learning_rate or set train.precision, "
            "then `nightschool run --new`"
        )
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(parameters, task.settings.max_grad_norm)
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad(set_to_none=True)
    return total


def _micro_batches(rows: Sequence[Encoded], size: int) -> Iterator[list[Encoded]]:
    """Rows of similar length together, so that little is padding."""
    ordered = sorted(rows, key=lambda row: len(row.prompt))
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def _losses(
    model: torch.nn.Module, rows: Sequence[Encoded], task: Task, device: Device
) -> torch.Tensor:
    """Each row's loss: float32 of shape (rows,), in nats; logits are made at the answers only."""
    batch = collate(rows, task.padding, with_answers=True)
    answers = batch.answers.to(device.torch)
    with device.precision.autocast(device.torch):
        logits = model(
            **batch.inputs(device.torch), logits_to_keep=answers.shape[1] + 1, use_cache=False
        ).logits
    losses = torch.nn.functional.cross_entropy(
        logits[:, :-1].float().flatten(0, 1), answers.flatten(), ignore_index=-100, reduction="none"
    ).view_as(answers)
    return losses.sum(1) / (answers != -100).sum(1)


@torch.no_grad()
def _validate(model: torch.nn.Module, task: Task, device: Device) -> float:
    """The mean loss over the validation notes, in nats."""
    model.eval()
    losses = [
        _losses(model, batch, task, device)
        for batch in _micro_batches(task.validation, max(8, task.settings.micro_batch))
    ]
    model.train()
    mean = float(torch.cat(losses).mean())
    if not math.isfinite(mean):
        raise LearningError(f"the validation loss is {mean}: set train.precision, then `run --new`")
    return mean


def _with_adapter(base: PreTrainedModel, settings: TrainSettings) -> peft.PeftModel:
    """The base with a fresh float32 LoRA adapter, drawn from the seed."""
    linear = {
        name.rsplit(".", 1)[-1]
        for name, m in base.named_modules()
        if isinstance(m, torch.nn.Linear)
    }
    if missing := set(settings.lora_targets) - linear:
        raise LearningError(
            f"train.lora_targets: this base has no layer {', '.join(sorted(missing))}; "
            f"it has {', '.join(sorted(linear))}"
        )
    torch.manual_seed(settings.seed)
    config = LoraConfig(
        r=settings.lora_r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=list(settings.lora_targets),
        task_type="CAUSAL_LM",
    )
    if settings.activation_checkpointing:
        base.gradient_checkpointing_enable({"use_reentrant": False})  # type: ignore[no-untyped-call]
    model = get_peft_model(base, config, autocast_adapter_dtype=True)
    assert isinstance(model, peft.PeftModel)
    return model


def _optimizer(
    parameters: list[torch.nn.Parameter], settings: TrainSettings, device: Device
) -> tuple[torch.optim.Optimizer, Choice]:
    name, reason = settings.optimizer, "train.optimizer"
    if name == "paged_adamw_8bit" and device.torch.type != "cuda":
        name, reason = "adamw", f"paged_adamw_8bit needs CUDA, and this is {device.torch.type}"
    kind = {
        "adamw": torch.optim.AdamW,
        "adamw_8bit": AdamW8bit,
        "paged_adamw_8bit": PagedAdamW8bit,
    }[name]
    optimizer = kind(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    return optimizer, Choice("optimizer", name, reason)


def _recipe(settings: TrainSettings, optimizer: str) -> str:
    """What of the settings changes the numbers (when to checkpoint does not)."""
    text = settings.model_dump_json(exclude={"checkpoint_minutes", "chunk_minutes"}) + optimizer
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _versions() -> dict[str, str]:
    modules = (torch, transformers, peft, bitsandbytes)
    return {module.__name__: str(module.__version__) for module in modules}


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Lines on what differs from the checkpoint. Raises LearningError where going on makes no sense."""
    for key in ("dataset", "prompt", "base", "recipe"):
        if before.get(key) != now.get(key):
            raise LearningError(
                f"the checkpoint was made with another {key}: put it back as it was, or queue a new run"
            )
    for key, value in now.items():
        if before.get(key) != value:
            yield f"{key} was {before.get(key)} and is {value}: the run goes on, but is no longer bit-exact"


def _adapter(model: peft.PeftModel) -> dict[str, torch.Tensor]:
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def _load_adapter(model: peft.PeftModel, tensors: Mapping[str, torch.Tensor]) -> None:
    own = _adapter(model)
    if own.keys() != tensors.keys():
        raise LearningError(
            "the checkpoint's adapter has other layers than this base: queue a new run"
        )
    with torch.no_grad():
        for name, tensor in tensors.items():
            own[name].copy_(tensor)


def adapter_sha256(folder: Path) -> str:
    """The hash of the adapter's weights file: equal hashes are equal adapters."""
    return hashlib.sha256((folder / "adapter_model.safetensors").read_bytes()).hexdigest()
