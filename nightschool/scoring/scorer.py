"""The one scorer: before, after and when serving. One forward pass a note, no generation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from nightschool.learning.device import Device
from nightschool.learning.encoding import Encoded, Encoder, collate
from nightschool.learning.errors import LearningError, Stopped


@torch.no_grad()
def score(
    model: torch.nn.Module,
    encoder: Encoder,
    notes: Sequence[Encoded],
    device: Device,
    rows: int = 8,
    progress: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[list[float]]:
    """Each note's probabilities over `encoder.kinds`, in the notes' order; each sums to 1.

    The probability of a kind is that of its answer's first token, among the kinds' first tokens
    only: the encoder sees to it that these differ. `rows` notes of similar length share a pass.
    Raises Stopped between two passes, LearningError where the model's answers are not finite.
    """
    model.eval()
    order = sorted(range(len(notes)), key=lambda index: len(notes[index].prompt))
    tokens = torch.tensor(encoder.first_tokens, device=device.torch)
    found: list[list[float]] = [[] for _ in notes]
    for start in range(0, len(order), rows):
        if should_stop():
            raise Stopped
        part = order[start : start + rows]
        batch = collate([notes[index] for index in part], encoder.padding, with_answers=False)
        with device.precision.autocast(device.torch):
            logits = model(**batch.inputs(device.torch), logits_to_keep=1, use_cache=False).logits
        probabilities = logits[:, -1].float()[:, tokens].softmax(-1).cpu()
        if not probabilities.isfinite().all():
            raise LearningError(
                f"the base model's answers are not finite in {device.precision.name}: "
                'set train.precision (for example "fp32"), then `nightschool run --new`'
            )
        for index, row in zip(part, probabilities.tolist(), strict=True):
            found[index] = row
        progress(start + len(part), len(order))
    return found


def best(kinds: Sequence[str], probabilities: Sequence[float]) -> str:
    """The most probable kind; the first of equals."""
    return kinds[max(range(len(kinds)), key=probabilities.__getitem__)]
