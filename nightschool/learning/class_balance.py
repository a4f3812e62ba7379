"""Rare kinds: logit adjustment or class weights, so that the training loss does not favour frequent kinds.

Both use a kind's relative frequency: its share of the training notes divided by an even share. Logit
adjustment (Menon et al. 2021, arXiv:2007.07314, section 5, tau = 1) adds the logarithm of that to the
kind's logit in the loss, so that the model need not learn the frequencies, and is as accurate for rare
kinds as for frequent ones. Class weights divide a note's loss by it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nightschool.learning.encoding import Encoded
from nightschool.stats.results import Choice


@dataclass(frozen=True, slots=True)
class Balance:
    """How the training loss balances the kinds; computed from the training notes alone."""

    offsets: Mapping[int, float]
    """Token id -> nats: added to the logits of an answer's first token, in the loss only"""
    weights: Sequence[float]
    """By kind: the weight of a note's loss; the mean over the training notes is 1"""
    choice: Choice

    @classmethod
    def of(cls, how: str, notes: Sequence[Encoded], first_tokens: Sequence[int]) -> Balance:
        """The balance for `how`, the value of `train.balance`.

        `first_tokens` are the first token ids of the kinds' answers. If all kinds are equally frequent,
        every offset is 0 and every weight 1.
        """
        counts = Counter(note.kind for note in notes)
        # A kind without training notes gets no offset: the model cannot learn it anyway.
        often = [
            counts[kind] * len(counts) / len(notes) if counts[kind] else 1.0
            for kind in range(len(first_tokens))
        ]
        few, many = min(counts.values()), max(counts.values())
        each = f"{few}" if few == many else f"{few} to {many}"
        reason = f"the kinds have {each} of {len(notes)} training notes"
        return cls(
            offsets={t: math.log(share) for t, share in zip(first_tokens, often, strict=True)}
            if how == "logit_adjustment"
            else {},
            weights=[1 / share if how == "class_weights" else 1.0 for share in often],
            choice=Choice("balance", how, reason),
        )

    def weighted(self, notes: Sequence[Encoded]) -> list[Encoded]:
        """The notes with the weights of their kinds."""
        return [replace(note, weight=self.weights[note.kind]) for note in notes]
