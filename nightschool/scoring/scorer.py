"""The one scorer: before, after and when serving. One forward pass a note, no generation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from nightschool.learning.device import Device
from nightschool.learning.encoding import Encoded, Encoder
from nightschool.learning.errors import LearningError, Stopped
from nightschool.learning.packing import layout_for
from nightschool.learning.plan import Shape, cheapest

_GPU_BUDGET = 4096


@torch.no_grad()
def score(
    model: PreTrainedModel | PeftModel,
    encoder: Encoder,
    notes: Sequence[Encoded],
    device: Device,
    budget: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[list[float]]:
    """Each note's probabilities over `encoder.kinds`, in the notes' order; each sums to 1.

    The probability of a kind is that of its answer's first token, among the kinds' first tokens
    only: the encoder sees to it that these differ. Notes of `budget` tokens share a pass
    (0: as many as pay). Raises Stopped between two passes, LearningError where the model's answers
    are not finite.
    """
    model.eval()
    if not budget:
        budget = cheapest(Shape.of(model.config.to_dict()), len(encoder.prefix))
        # On a GPU, a short pass costs as much as one that fills it.
        budget = budget if device.torch.type == "cpu" else max(budget, _GPU_BUDGET)
    layout, _ = layout_for(
        model, encoder.prefix, encoder.padding, encoder.longest, device.precision.attention
    )
    tokens = torch.tensor(encoder.first_tokens, device=device.torch)
    found: list[list[float]] = [[] for _ in notes]
    done = 0
    for part in layout.split(notes, budget):
        if should_stop():
            raise Stopped
        logits = layout.batch([notes[index] for index in part]).logits(model)
        probabilities = logits.float()[:, tokens].softmax(-1).cpu()
        if not probabilities.isfinite().all():
            raise LearningError(
                f"the base model's answers are not finite in {device.precision.name}: "
                'set train.precision (for example "fp32"), then `nightschool run --new`'
            )
        for index, row in zip(part, probabilities.tolist(), strict=True):
            found[index] = row
        done += len(part)
        progress(done, len(notes))
    return found


def best(kinds: Sequence[str], probabilities: Sequence[float]) -> str:
    """The most probable kind; the first of equals."""
    return kinds[max(range(len(kinds)), key=probabilities.__getitem__)]
