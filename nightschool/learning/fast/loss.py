"""The loss: the weighted cross-entropy of the answers' tokens."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from transformers import PreTrainedModel

from nightschool.learning.fast.batch import Batch


def summed_loss(
    model: torch.nn.Module, batch: Batch, offsets: torch.Tensor | None = None
) -> torch.Tensor:
    """The sum of a batch's note losses times their weights, in nats; float32 or float64, shape ().

    `offsets`, float32 of shape (vocabulary,), are added to the logits of each answer's first token.
    """
    logits = batch.logits(model)
    logits = logits if logits.dtype is torch.float64 else logits.float()
    if offsets is not None:
        first = batch.first[:, None].to(logits.dtype)
        logits = torch.addcmul(logits, first, offsets.to(logits.dtype))
    losses = torch.nn.functional.cross_entropy(logits, batch.target, reduction="none")
    return (losses * batch.weight.to(losses.dtype)).sum()


def vocabulary_offsets(offsets: Mapping[int, float], base: PreTrainedModel) -> torch.Tensor | None:
    """A task's offsets as float32 of shape (vocabulary,) on the base's device; None if all are 0."""
    if not any(offsets.values()):
        return None
    vector = torch.zeros(base.config.get_text_config().vocab_size)
    vector[list(offsets)] = torch.tensor(list(offsets.values()))
    return vector.to(base.device)
