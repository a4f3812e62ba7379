"""Truncation of long notes to a number of tokens, after the last whole sentence that fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from transformers import PreTrainedTokenizerBase

from nightschool.learning.base_check import refusing
from nightschool.notes.sentences import character_end, sentence_end, word_end

Border = Literal["", "sentence", "word", "character"]
"""What a truncated text ends with; "" if it is not truncated."""

# Enough characters to fill a token limit twice: tokens have 1 to 6 characters.
_CHARACTERS_A_TOKEN = 16


@dataclass(frozen=True, slots=True)
class Truncated:
    """The part of a text that fits."""

    text: str
    ids: list[int]
    """The tokens of exactly `text`"""
    border: Border


def tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The token ids of untrusted text: a special token's name in it counts as ordinary text."""
    with refusing(f"{tokenizer.name_or_path}: its tokenizer fails on a text"):
        encoded = tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, verbose=False
        )
    return list(encoded["input_ids"])


def fit(tokenizer: PreTrainedTokenizerBase, text: str, limit: int) -> Truncated:
    """The beginning of `text` that fits into `limit` tokens, without surrounding white space.

    A text that is too long ends after its last whole sentence; if no sentence ends in the second half of
    what fits, after a word; if no word does, after a character. No more of the text is tokenised than
    that takes.
    """
    text = text.strip()
    size = limit * _CHARACTERS_A_TOKEN
    while True:
        head = text[:size]
        ids = tokens(tokenizer, head)
        if len(ids) <= limit and len(head) == len(text):
            return Truncated(text, ids, "")
        # The last tokens of `head` may differ from the whole text's: hence twice the limit.
        if len(ids) > 2 * limit or len(head) == len(text):
            break
        size *= 4
    end = _end(tokenizer, head, limit)
    while end > 0:
        end = len(text[:end].rstrip())
        place, border = _border(text, end)
        kept = text[:place].rstrip()
        ids = tokens(tokenizer, kept)
        # The shortened text may have other, and more, tokens than the whole text starts with.
        if len(ids) <= limit:
            return Truncated(kept, ids, border)
        end = place - 1
    return Truncated("", [], "character")


def _border(text: str, end: int) -> tuple[int, Border]:
    """Where to truncate a text of which `end` characters fit, and what it then ends with."""
    place = sentence_end(text, end // 2, end)
    if place is not None:
        return place, "sentence"
    place = word_end(text, end // 2, end)
    if place is not None:
        return place, "word"
    return character_end(text, end), "character"


def _end(tokenizer: PreTrainedTokenizerBase, text: str, limit: int) -> int:
    """How many characters of a longer text fit into `limit` tokens; approximate for fast tokenizers."""
    if tokenizer.is_fast:
        encoded = tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, verbose=False,
            return_offsets_mapping=True,
        )  # fmt: skip
        offsets = encoded["offset_mapping"]
        # A character may have several tokens, which all start at its offset.
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
