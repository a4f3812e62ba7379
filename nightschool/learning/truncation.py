"""Long notes: cut to a number of tokens, after the last whole sentence that fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from transformers import PreTrainedTokenizerBase

from nightschool.notes.sentences import character_end, sentence_end, word_end

Border = Literal["", "sentence", "word", "character"]
"""What a cut is behind; "" where nothing is cut."""

# Enough of a text to fill a token limit twice: tokens have 1 to 6 characters.
_CHARACTERS_A_TOKEN = 16


@dataclass(frozen=True, slots=True)
class Truncated:
    """As much of a text as fits."""

    text: str
    ids: list[int]
    """Exactly the tokens of `text`."""
    border: Border


def tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The token ids of text that others wrote: a special token's name in it is just letters."""
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)
    return list(encoded["input_ids"])


def fit(tokenizer: PreTrainedTokenizerBase, text: str, limit: int) -> Truncated:
    """The beginning of `text` in at most `limit` tokens, without the white space around it.

    A text that is too long ends after its last whole sentence; where none ends in the last half of
    what fits, after a word; where none does either, after a character. Only as much of the text is
    tokenised as is needed to know that.
    """
    text = text.strip()
    size = limit * _CHARACTERS_A_TOKEN
    while True:
        head = text[:size]
        ids = tokens(tokenizer, head)
        if len(ids) <= limit and len(head) == len(text):
            return Truncated(text, ids, "")
        # Tokens at the end of `head` may differ from the text's own: hence not at the first beyond.
        if len(ids) > 2 * limit or len(head) == len(text):
            break
        size *= 4
    end = _end(tokenizer, head, limit)
    while end > 0:
        end = len(text[:end].rstrip())
        place, border = _border(text, end)
        kept = text[:place].rstrip()
        ids = tokens(tokenizer, kept)
        # The beginning of a text may have other tokens, and more, than the text begins with.
        if len(ids) <= limit:
            return Truncated(kept, ids, border)
        end = place - 1
    return Truncated("", [], "character")


def _border(text: str, end: int) -> tuple[int, Border]:
    """Where to cut a text of which `end` characters fit."""
    place = sentence_end(text, end // 2, end)
    if place is not None:
        return place, "sentence"
    place = word_end(text, end // 2, end)
    if place is not None:
        return place, "word"
    return character_end(text, end), "character"


def _end(tokenizer: PreTrainedTokenizerBase, text: str, limit: int) -> int:
    """How many characters of a longer text fit into `limit` tokens: for fast tokenizers, about."""
    if tokenizer.is_fast:
        encoded = tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, verbose=False,
            return_offsets_mapping=True,
        )  # fmt: skip
        offsets = encoded["offset_mapping"]
        # A character may be several tokens: then both begin where it does.
        end = min(offsets[limit - 1][1], offsets[limit][0])
        if end > 0:
            return int(end)
    fits, exceeds = 0, limit
    while exceeds < len(text) and len(tokens(tokenizer, text[:exceeds])) <= limit:
        fits, exceeds = exceeds, 2 * exceeds
    exceeds = min(exceeds, len(text))
    while exceeds - fits > 1:
        middle = (fits + exceeds) // 2
        if len(tokens(tokenizer, text[:middle])) <= limit:
            fits = middle
        else:
            exceeds = middle
    return fits
