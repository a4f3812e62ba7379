"""The one scorer: before, after and when serving. One forward pass a note, no generation."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from transformers import PreTrainedModel

from nightschool.config.errors import LearningError, Stopped
from nightschool.learning.device import Device, out_of_memory
from nightschool.learning.encoding import Encoded, Encoder
from nightschool.learning.fast.layout_choice import layout_for
from nightschool.learning.fast.prompt_cache import cache_prompt

# Tokens per pass. On a CPU more tokens save no time, and a stop waits for the pass; on a GPU a short
# pass takes as long as one that fills it.
_CPU_BUDGET, _GPU_BUDGET = 1024, 4096
# Maximum copies of the prompt's keys in a pass: the kernels need one copy per note.
_MOST_KEYS = 32_768

Floats = NDArray[np.float32]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of notes, in their order."""

    probabilities: list[list[float]]
    """Over the encoder's kinds; each sums to 1."""
    features: Floats | None
    """The base's last hidden state at the position before the answer, shape (notes, width)."""


def score(
    model: PreTrainedModel | PeftModel,
    encoder: Encoder,
    notes: Sequence[Encoded],
    device: Device,
    budget: int = 0,
    progress: Progress = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[list[float]]:
    """Each note's probabilities over `encoder.kinds`; see `read`."""
    return read(model, encoder, notes, device, budget, progress, should_stop).probabilities


@torch.no_grad()
def read(
    model: PreTrainedModel | PeftModel,
    encoder: Encoder,
    notes: Sequence[Encoded],
    device: Device,
    budget: int = 0,
    progress: Progress = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
    features: bool = False,
) -> Scored:
    """Each note's probabilities over `encoder.kinds` and, if `features` is true, its features.

    The probability of a kind is that of its answer's first token among the kinds' first tokens, all of
    which differ. The prompt is computed once. A pass takes notes of up to `budget` tokens without the
    prompt (0: a default by device), and fewer if memory runs out. Raises Stopped between two passes,
    LearningError if the model's answers are not finite.
    """
    model.eval()
    budget = budget or (_CPU_BUDGET if device.torch.type == "cpu" else _GPU_BUDGET)
    layout, _ = layout_for(
        model, encoder.prefix, encoder.padding, encoder.longest, device.precision.attention
    )
    layout, _ = cache_prompt(model, layout)
    most = max(1, _MOST_KEYS // max(1, len(encoder.prefix)))
    tokens = torch.tensor(encoder.first_tokens, device=device.torch)
    rows: list[list[float]] = [[] for _ in notes]
    states: dict[int, Floats] = {}
    done = 0
    parts = deque(layout.split(notes, budget + layout.prompt_tokens, most))
    while parts:
        if should_stop():
            raise Stopped
        part = parts.popleft()
        batch = layout.batch([notes[index] for index in part])
        try:
            with _entering_the_head(model) as entered:
                logits = batch.logits(model)
        except RuntimeError as error:
            if len(part) == 1 or not out_of_memory(error):
                raise
            parts.extendleft((part[len(part) // 2 :], part[: len(part) // 2]))
            continue
        probabilities = logits.float()[:, tokens].softmax(-1).cpu()
        if not probabilities.isfinite().all():
            raise LearningError(
                f"the base model's answers are not finite in {device.precision.name}: "
                'set train.precision (for example "fp32"), then `nightschool run --new`'
            )
        for index, row in zip(part, probabilities.tolist(), strict=True):
            rows[index] = row
        if features:
            states |= zip(part, batch.select(entered[-1]).float().cpu().numpy(), strict=True)
        done += len(part)
        progress(done, len(notes))
    stacked = np.stack([states[index] for index in range(len(notes))]) if features else None
    return Scored(rows, stacked)


@contextmanager
def _entering_the_head(model: torch.nn.Module) -> Iterator[list[torch.Tensor]]:
    """Collects the inputs of the model's head: the last hidden states of the tokens before the answers."""
    entered: list[torch.Tensor] = []

    def keep(_: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        entered.append(args[0].detach())

    handle = model.get_output_embeddings().register_forward_pre_hook(keep)  # type: ignore[operator]
    try:
        yield entered
    finally:
        handle.remove()


def best(kinds: Sequence[str], probabilities: Sequence[float]) -> str:
    """The most probable kind; the first one if several are equally probable."""
    return kinds[max(range(len(kinds)), key=probabilities.__getitem__)]
