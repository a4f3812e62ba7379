from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, ByT5Tokenizer, PreTrainedTokenizerBase

from nightschool.learning.truncation import _end, fit, tokens
from nightschool.notes.sentences import sentence_end, word_end

DEMO = Path(__file__).parents[2] / "nightschool/demo/base"
PIECES = [
    "The router broke", ". ", "! ", "? ", ".”", "。", "！", "」", "「", "次からは先に試す", "設計判断",
    "\n", "\n\n", "\n- ", "\t", " ", "   ", "restic", "3.14", "e.g. ", "👨‍👩‍👧", "𠮷野家", "cafe\u0301",
    "ｶﾞ", "\u3099", "<|im_end|>", "a" * 40,
]  # fmt: skip


@pytest.fixture(scope="module", params=["fast", "slow"])
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerBase:
    """The demo's byte-level BPE, and one in Python that knows no offsets (a token a byte)."""
    made: Any = AutoTokenizer.from_pretrained(DEMO) if request.param == "fast" else ByT5Tokenizer()
    assert made.is_fast == (request.param == "fast")
    return made  # type: ignore[no-any-return]


@settings(deadline=None, max_examples=150)
@given(
    pieces=st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=60),
    limit=st.integers(16, 60),
)
def test_what_is_kept_is_whole_sentences_of_the_note(
    tokenizer: PreTrainedTokenizerBase, pieces: list[str], limit: int
) -> None:
    text = "".join(pieces).strip()
    fitted = fit(tokenizer, text, limit)
    kept = fitted.text
    assert text.startswith(kept)
    assert fitted.ids == tokens(tokenizer, kept) and len(fitted.ids) <= limit
    assert fitted == fit(tokenizer, text, limit)
    if len(tokens(tokenizer, text)) <= limit:
        assert (kept, fitted.border) == (text, "")
        return
    assert kept != text and kept == kept.rstrip()
    after = len(kept)
    if fitted.border == "sentence":
        # White space that came before the end is left out with it.
        spaces = len(text[after:]) - len(text[after:].lstrip())
        assert any(
            sentence_end(text, least, place) == place
            for place in range(after, after + spaces + 1)
            for least in range(place)
        )
    else:
        fits = max(n for n in range(len(text)) if len(tokens(tokenizer, text[:n])) <= limit)
        half = max(fits, _end(tokenizer, text, limit)) // 2
        assert sentence_end(text, half, after) is None
        assert fitted.border == "word" or word_end(text, half, after) is None
    if kept and "\ufffd" not in text:
        assert "\ufffd" not in tokenizer.decode(fitted.ids)


def test_a_cut_loses_no_sentence_that_fits(tokenizer: PreTrainedTokenizerBase) -> None:
    sentence = "The router broke again. 次からは先に試す。"
    text = sentence * 40
    fitted = fit(tokenizer, text, 200)
    assert fitted.border == "sentence"
    longer = sentence_end(text, len(fitted.text), len(text))
    following = next(
        p for p in range(len(fitted.text) + 1, len(text)) if sentence_end(text, p - 1, p)
    )
    assert longer is not None and len(tokens(tokenizer, text[:following].rstrip())) > 200


def test_a_note_without_sentences_is_cut_after_a_word(tokenizer: PreTrainedTokenizerBase) -> None:
    fitted = fit(tokenizer, "restic postgres router " * 50, 40)
    assert fitted.border == "word"
    assert fitted.text.split()[-1] in ("restic", "postgres", "router")


def test_a_note_without_words_is_cut_between_characters(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    fitted = fit(tokenizer, "x" * 10_000, 40)
    assert fitted.border == "character" and set(fitted.text) == {"x"}
    assert 38 <= len(fitted.ids) <= 40


def test_long_white_space_hides_no_words(tokenizer: PreTrainedTokenizerBase) -> None:
    fitted = fit(tokenizer, "One." + " " * 3000 + "Two." * 100, 16)
    assert (fitted.text, fitted.border) == ("One.", "sentence")


def test_a_hundred_long_notes_take_a_few_seconds() -> None:
    fast: Any = AutoTokenizer.from_pretrained(DEMO)
    texts = [
        (f"Note {number}. The router broke again! 次からは先に試す。 " * 1200)[:50_000]
        for number in range(100)
    ]
    began = time.process_time()
    for text in texts:
        assert fit(fast, text, 1024).border == "sentence"
    assert time.process_time() - began < 10  # it takes about 1 s
