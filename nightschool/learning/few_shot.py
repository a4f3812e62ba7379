"""Which training notes a few-shot prompt shows as examples, and how many."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from nightschool.config.errors import LearningError
from nightschool.learning.encoding import Encoder
from nightschool.stats.results import Choice

# Most examples per kind, and most tokens of all examples: every scored note attends to them.
_MOST, _MOST_TOKENS = 4, 4096
# Tokens after which an example usually shows its subject, and the fewest that are worth showing.
_ENOUGH, _LEAST = 64, 16


def with_examples(
    encoder: Encoder, notes: Sequence[tuple[str, str, str]], context: int | None
) -> tuple[Encoder, Choice]:
    """The encoder with training notes (id, text, kind) in its prompt, equally many of each kind.

    The notes are chosen by hash order, one kind after the other, and truncated after a sentence so that
    they fit into `context` tokens (None: unknown) together with the longest note. Raises LearningError
    if they do not fit.
    """
    by_kind: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for _, text, kind in sorted(notes, key=lambda note: hashlib.sha256(note[0].encode()).digest()):
        by_kind[kind].append((text, kind))
    room = min(_MOST_TOKENS, context - encoder.longest if context else _MOST_TOKENS)
    halves = [encoder.max_tokens >> n for n in range(encoder.max_tokens.bit_length())]
    for each in range(_MOST, 0, -1):
        chosen = [
            same[turn] for turn in range(each) for same in by_kind.values() if turn < len(same)
        ]
        for limit in halves:
            if limit < min(encoder.max_tokens, _ENOUGH if each > 1 else _LEAST):
                break
            made = encoder.with_examples(chosen, limit)
            tokens = len(made.prefix) - len(encoder.prefix)
            if tokens <= room:
                reason = f"{tokens} tokens, with notes truncated to {limit}: the most that fit into {room}"
                return made, Choice("examples", f"{each} of each kind", reason)
    raise LearningError(
        f"one example of each of {len(by_kind)} kinds does not fit into the {max(0, room)} tokens that "
        f"the base's context leaves next to a note of train.max_tokens = {encoder.max_tokens}"
    )
