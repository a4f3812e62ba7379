"""Which training notes a prompt shows as examples, and how many: as many as pay and fit."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from nightschool.config.errors import LearningError
from nightschool.learning.auto_choice import AutoChoice
from nightschool.learning.encoding import Encoder

# Examples a kind at most, and the tokens of all together: every note that is scored looks back at
# them.
_MOST, _MOST_TOKENS = 4, 4096
# Tokens of an example that tell what it is about, and the least that it is worth showing with.
_ENOUGH, _LEAST = 64, 16


def with_examples(
    encoder: Encoder, notes: Sequence[tuple[str, str, str]], context: int | None
) -> tuple[Encoder, AutoChoice]:
    """The encoder with training notes (id, text, kind) in its prompt, as many of each kind.

    They are taken in the order of a hash, one of each kind after another, and cut after a sentence
    so that they fit beside the longest note into `context` tokens (None: not known). Raises
    LearningError where they do not.
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
                reason = f"{tokens} tokens with notes cut at {limit}: what fits into {room}"
                return made, AutoChoice("examples", f"{each} of each kind", reason)
    raise LearningError(
        f"an example of each of {len(by_kind)} kinds does not fit into the {max(0, room)} tokens that "
        f"the base leaves beside a note of train.max_tokens = {encoder.max_tokens}"
    )
