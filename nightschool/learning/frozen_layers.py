"""The layers below the trained ones: run once for each note, then left out.

With `train.layers = "top:K"` nothing below the upper K layers is trained, so what enters them never
changes. It is computed once, in the packs of `packing.py`, and kept on disk (`activations.py`); the
layers below are then taken out of the base, which frees their memory, and every later pass starts
from what is kept. Layers keep their numbers, so the adapter is peft's for the whole base.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from nightschool.config.errors import LearningError, Stopped
from nightschool.learning import activations
from nightschool.learning.activations import Contents, Kept, TooLarge
from nightschool.learning.auto_choice import AutoChoice
from nightschool.learning.encoding import Encoded
from nightschool.learning.fast.packing import Batch, Layout

# Room that is left on the disk for checkpoints and everything else.
_SPARE_BYTES = 500_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where activations are kept, and what is asked and told while they are computed."""

    folder: Path
    identity: Mapping[str, str]
    """What the numbers depend on beside tokens, layout and layers."""
    say: Callable[[str, str], None]
    """Takes a kind ("state", "warning") and a message."""
    should_stop: Callable[[], bool]


def leave_out(
    model: PeftModel,
    stack: torch.nn.ModuleList,
    trained: int,
    layout: Layout,
    notes: Sequence[Encoded],
    budget: int,
    place: Place,
) -> tuple[Layout, AutoChoice]:
    """Keep what enters the upper `trained` layers of a stack for `notes`, and take out those below.

    Returns the layout whose batches begin there; where that cannot be, the layout as it was and
    every layer in place. Packs of at most `budget` tokens are computed at once. Raises Stopped
    between two passes; what was computed is not lost.
    """
    below = len(stack) - trained
    why_not = "" if below > 0 else "every layer is trained"
    if layout.way == "rows":
        why_not = "padded rows cannot be put together from kept activations"
    if not why_not:
        kept, why_not = _kept(model, stack, below, layout, notes, budget, place)
    if why_not:
        return layout, _choice(layout, why_not)
    layout = replace(layout, kept=kept)
    assert kept is not None
    _take_out(stack, below)
    if layout.device.type == "cuda":
        torch.cuda.empty_cache()
    size = kept.values.numel() * kept.values.element_size()
    return layout, _choice(
        layout, f"{below} of {len(stack)} layers, run once: {size / 1e6:.0f} MB on disk"
    )


def _choice(layout: Layout, reason: str) -> AutoChoice:
    return AutoChoice("lower layers", layout.begins, reason)


def _kept(
    model: PeftModel, stack: torch.nn.ModuleList, below: int, layout: Layout,
    notes: Sequence[Encoded], budget: int, place: Place,
) -> tuple[Kept | None, str]:  # fmt: skip
    """The activations, from disk or computed; or None and why not."""
    packs = [[notes[index] for index in part] for part in layout.split(notes, budget)]
    contents = Contents(
        identity={**place.identity, "layers": str(below), "packs": f"{layout.way} {layout.kernel}"},
        prefix=layout.prefix,
        packs=[[layout.after_prompt(note) for note in pack] for pack in packs],
        width=model.config.get_text_config().hidden_size,
    )
    kept, trouble = activations.find(place.folder, contents)
    if kept is not None:
        return kept, ""
    if trouble:
        place.say("warning", f"the kept activations are damaged ({trouble}): they are made again")
    if trouble := _trouble(model, stack, below, layout, packs[0][:2]):
        return None, trouble

    def compute(number: int) -> torch.Tensor:
        if place.should_stop():
            raise Stopped
        hidden = entering(model, stack[below], layout.batch(packs[number]))
        return hidden[: layout.tokens(packs[number])]

    try:
        _write(place, contents, layout.dtype, below, compute)
    except OSError as error:
        activations.drop(place.folder)
        full = error.errno == errno.ENOSPC
        what = "the disk is full" if full else f"they cannot be written ({error})"
        place.say("warning", f"no activations are kept: {what}; all layers are run in each step")
        return None, what
    kept, trouble = activations.find(place.folder, contents)
    if kept is None:
        raise LearningError(f"{place.folder}: what was just written reads otherwise: {trouble}")
    return kept, ""


def _write(
    place: Place, contents: Contents, dtype: torch.dtype, below: int,
    compute: Callable[[int], torch.Tensor],
) -> None:  # fmt: skip
    """Compute the store. Raises OSError with ENOSPC where the disk has too little room for it."""
    activations.drop(place.folder, begun=contents)
    # Float32 is kept as fp16: its 11 bits are more than the bf16 that GPUs train in has.
    stored = torch.float16 if dtype is torch.float32 else dtype
    begun, there = activations.begun_with(place.folder, contents)
    stored = begun or stored
    size = contents.size(stored)
    place.folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(place.folder).free
    if size - there + _SPARE_BYTES > free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    place.say(
        "state",
        f"runs the {below} layers below the trained ones once for each note and keeps what they "
        f"give: {size / 1e6:.0f} MB in {place.folder} ({free / 1e6:.0f} MB free)",
    )
    try:
        activations.write(place.folder, contents, stored, compute)
    except TooLarge:
        # Some bases have a few huge activations: Sun et al. 2024, arXiv:2402.17762.
        place.say("state", "some activations are beyond fp16's range: kept as bfloat16")
        activations.write(place.folder, contents, torch.bfloat16, compute)


class _Reached(Exception):
    def __init__(self, hidden: torch.Tensor) -> None:
        self.hidden = hidden


@torch.no_grad()
def entering(model: torch.nn.Module, layer: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """The hidden states that enter a layer, shape (tokens, width); nothing above it is run."""

    def stop(_: torch.nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        raise _Reached(args[0] if args else named["hidden_states"])

    handle = layer.register_forward_pre_hook(stop, with_kwargs=True)
    try:
        batch.logits(model)
    except _Reached as reached:
        return reached.hidden[0].detach()
    finally:
        handle.remove()
    raise LearningError(f"{type(layer).__name__} is not run by the model that holds it")


class _Nothing(torch.nn.Module):
    """Stands where a layer was: hands on what it is given."""

    def forward(self, hidden_states: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        return hidden_states


def _take_out(stack: torch.nn.ModuleList, below: int) -> list[torch.nn.Module]:
    """Let a stack begin with its layer `below`; returns the layers that were under it."""
    layers = list(stack)[:below]
    for number in range(below):
        stack[number] = _Nothing()
    return layers


@torch.no_grad()
def _trouble(
    model: PeftModel, stack: torch.nn.ModuleList, below: int, layout: Layout,
    notes: Sequence[Encoded],
) -> str:  # fmt: skip
    """Why a base cannot begin with its layer `below`, or "": found by trying it on some notes.

    Some bases do more than their layers with what they embed, or give their layers more than the
    hidden states.
    """
    batch = layout.batch(notes)
    wanted = batch.logits(model).float()
    hidden = entering(model, stack[below], batch)
    if hidden.shape != (batch.tokens, model.config.get_text_config().hidden_size):
        return "its layers are given more than a token's width of numbers"
    layers = _take_out(stack, below)
    try:
        got = replace(batch, hidden=hidden[None]).logits(model).float()
    except torch.OutOfMemoryError:
        raise
    except (ValueError, TypeError, RuntimeError, KeyError, IndexError, AttributeError) as error:
        return (str(error) or type(error).__name__).splitlines()[0][:120]
    finally:
        for number, layer in enumerate(layers):
            stack[number] = layer
    # The same kernels on the same numbers: nothing should differ at all.
    eps = max(torch.finfo(layout.dtype).eps, torch.finfo(torch.float32).eps)
    if not float((got - wanted).abs().max()) <= 2 * eps * float(wanted.abs().max()):
        return "the base's logits change when it begins at a layer within"
    return ""
