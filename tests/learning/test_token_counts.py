"""Counted tokens are those that training sees."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from nightschool.config.errors import LearningError
from nightschool.config.paths import DEMO_BASE
from nightschool.learning.token_counts import token_counter
from nightschool.learning.truncation import tokens

TEXTS = [
    "We chose restic. 次からは先に試す。",
    "  spaces around \n",
    "",
    "<end> <pad> <|endoftext|>",
    "🚲" * 50,
]


@pytest.mark.parametrize("base", ["tiny", "demo"])
def test_a_text_has_as_many_tokens_as_in_training(base: str, tiny_base: Path) -> None:
    folder = tiny_base if base == "tiny" else DEMO_BASE
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = TEXTS * 200
    counted = list(token_counter(str(folder), Path())(texts))
    assert counted == [len(tokens(tokenizer, text.strip())) for text in TEXTS] * 200


def test_a_base_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LearningError, match="the base nobody/nothing is not on disk yet"):
        token_counter("nobody/nothing", tmp_path)


@pytest.mark.parametrize(
    ("content", "said"), [(None, "has no tokenizer.json"), ("{", "tokenizer.json cannot be used")]
)
def test_a_base_without_a_tokenizer_that_can_be_read_is_named(
    tmp_path: Path, content: str | None, said: str
) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(LearningError, match=said):
        token_counter(str(tmp_path), tmp_path)
