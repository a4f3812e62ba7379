"""Token counts of texts for a base model, from its tokenizer.json, without torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nightschool.config.errors import LearningError
from nightschool.learning.base_check import refusing
from nightschool.learning.hub import locate

_BATCH = 500


def token_counter(base: str, root: Path) -> Callable[[Sequence[str]], Iterator[int]]:
    """A function that counts the tokens of texts as training does.

    Surrounding white space is stripped, and names of special tokens count as ordinary text. Raises
    LearningError if the base is not on disk or has no usable tokenizer.json.
    """
    folder = locate(base, root)
    if folder is None:
        raise LearningError(f"the base {base} is not on disk yet")
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise LearningError(f"the base {base} has no tokenizer.json")
    from tokenizers import Tokenizer  # lazy: tokenizers

    with refusing(f"{file} cannot be read"):
        tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True

    def count(texts: Sequence[str]) -> Iterator[int]:
        for start in range(0, len(texts), _BATCH):
            batch = [text.strip() for text in texts[start : start + _BATCH]]
            with refusing(f"{file} fails on a text"):
                encoded = tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            yield from map(len, encoded)

    return count
