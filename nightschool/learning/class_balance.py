"""Rare kinds: what the training loss adds to logits, or weighs notes with, so that frequent kinds do not win.

Both start from how often a kind occurs among the training notes, as a multiple of an even share.
Logit adjustment (Menon et al. 2021, arXiv:2007.07314, section 5, tau = 1) adds its logarithm to the
kind's logit in the loss: what a kind's frequency says is then no longer left for the model to learn,
and it is as right in a rare kind as in a frequent one. Class weights divide by it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nightschool.learning.auto_choice import AutoChoice
from nightschool.learning.encoding import Encoded


@dataclass(frozen=True, slots=True)
class Balance:
    """How the loss of a training treats its kinds; made from the training notes alone."""

    offsets: Mapping[int, float]
    """Added to the logits where an answer begins, in the loss alone: token id -> nats."""
    weights: Sequence[float]
    """By kind: what a note's loss counts; over the training notes, 1 in the mean."""
    choice: AutoChoice

    @classmethod
    def of(cls, how: str, notes: Sequence[Encoded], first_tokens: Sequence[int]) -> Balance:
        """`how` is `train.balance`; a kind's answer begins with its token of `first_tokens`.

        Where all kinds are equally frequent, nothing is added and every note weighs 1.
        """
        counts = Counter(note.kind for note in notes)
        # A kind without a training note is left as it is: no loss could teach it.
        often = [
            counts[kind] * len(counts) / len(notes) if counts[kind] else 1.0
            for kind in range(len(first_tokens))
        ]
        few, many = min(counts.values()), max(counts.values())
        reason = f"the kinds have {few} to {many} of {len(notes)} training notes"
        return cls(
            offsets={t: math.log(share) for t, share in zip(first_tokens, often, strict=True)}
            if how == "logit_adjustment"
            else {},
            weights=[1 / share if how == "class_weights" else 1.0 for share in often],
            choice=AutoChoice("balance", how, reason),
        )

    def weighted(self, notes: Sequence[Encoded]) -> list[Encoded]:
        """The notes, each with the weight of its kind."""
        return [replace(note, weight=self.weights[note.kind]) for note in notes]
