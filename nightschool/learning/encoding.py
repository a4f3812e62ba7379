"""From a note to token ids: the prompt's parts, the cut, and the words that name the kinds."""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from transformers import PreTrainedTokenizerBase

from nightschool.learning.choice import Choice
from nightschool.learning.errors import LearningError
from nightschool.notes.prompts import Prompt, instruct_prompt, plain_prompt

_MARK = "\u2063NOTE\u2063"


@dataclass(frozen=True, slots=True)
class Encoded:
    """One note as the model sees it."""

    prompt: list[int]
    """Token ids of prefix + note + suffix: the answer comes next."""
    answer: list[int]
    """Token ids of its kind's answer; empty where the kind is not known."""
    kind: int
    """Index into the encoder's kinds; -1 where the kind is not known."""
    cut: bool
    """Whether the note was longer than the token limit."""


def shortened(note: Encoded, prefix: int, suffix: int, most: int) -> Encoded:
    """A note of which at most `most` tokens are read; the prompt around it stays whole.

    `prefix` and `suffix` count the prompt's tokens before and after the note.
    """
    end = len(note.prompt) - suffix
    if end - prefix <= most:
        return note
    prompt = [*note.prompt[: prefix + most], *note.prompt[end:]]
    return replace(note, prompt=prompt, cut=True)


class Encoder:
    """Turns notes into token ids, the same way before, after and when serving.

    The note is tokenised apart from the prompt around it, so that every note shares the
    prompt's exact tokens and a cut never reaches the prompt.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        kinds: Sequence[str],
        meanings: Mapping[str, str],
        instructions: str,
        max_tokens: int,
    ) -> None:
        self.kinds = tuple(kinds)
        self.max_tokens = max_tokens
        self._tokenizer = tokenizer
        chat = bool(getattr(tokenizer, "chat_template", None))
        words, why = self._answers(chat)
        answers = {kind: word.strip() for kind, word in zip(self.kinds, words, strict=True)}
        self.prompt: Prompt = (
            instruct_prompt(instructions, answers, meanings) if chat else plain_prompt(answers)
        )
        prefix, suffix = self._around(chat)
        self._prefix, self._suffix = self._ids(prefix), self._ids(suffix)
        end = [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []
        self._answer_ids = [[*self._ids(word), *end] for word in words]
        self.first_tokens = tuple(ids[0] for ids in self._answer_ids)
        self.padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        shown = ", ".join(
            f"{kind} = {word!r}" for kind, word in zip(self.kinds, words, strict=True)
        )
        self.choices = (Choice("answers", shown, why),)

    @property
    def fingerprint(self) -> str:
        """Names everything that the model sees beside the note itself (sha256, 16 digits)."""
        seen = [self._prefix, self._suffix, self._answer_ids, self.kinds, self.max_tokens]
        return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:16]

    @property
    def prefix(self) -> list[int]:
        """Token ids of the prompt before the note, the same for every note."""
        return list(self._prefix)

    @property
    def suffix(self) -> list[int]:
        """Token ids of the prompt after the note, the same for every note."""
        return list(self._suffix)

    @property
    def longest(self) -> int:
        """The most tokens that a prompt with its answer can have."""
        around = len(self._prefix) + len(self._suffix) + max(map(len, self._answer_ids))
        return self.max_tokens + around

    def encode(self, text: str, kind: str | None = None) -> Encoded:
        ids = self._ids(text.strip())
        index = self.kinds.index(kind) if kind is not None else -1
        return Encoded(
            prompt=[*self._prefix, *ids[: self.max_tokens], *self._suffix],
            answer=list(self._answer_ids[index]) if kind is not None else [],
            kind=index,
            cut=len(ids) > self.max_tokens,
        )

    def _answers(self, chat: bool) -> tuple[list[str], str]:
        """What the model answers for each kind, such that the first tokens differ; and why so.

        The kind's own name where that does; else a code, which the prompt explains.
        """
        letters = list(string.ascii_uppercase + string.ascii_lowercase + string.digits)
        codes = "two kinds' names begin with the same token, so each is named by a code"
        tried = [
            (list(self.kinds), "each kind's name begins with a token of its own"),
            (letters, codes),
        ]
        # Some tokenizers split the space off: then the answer follows the prompt directly.
        for lead in ("",) if chat else (" ", ""):
            for words, why in tried:
                words = [lead + word for word in words[: len(self.kinds)]]
                if len({self._ids(word)[0] for word in words}) == len(self.kinds):
                    return words, why
        raise LearningError(
            f"this base's tokenizer has no {len(self.kinds)} distinct tokens to name the kinds with: "
            "use fewer kinds or another base"
        )

    def _around(self, chat: bool) -> tuple[str, str]:
        if not chat:
            return self.prompt.before, self.prompt.after
        rendered = str(
            self._tokenizer.apply_chat_template(
                [
                    {"role": "system", "content": self.prompt.system},
                    {"role": "user", "content": self.prompt.before + _MARK + self.prompt.after},
                ],
                tokenize=False,
                add_generation_prompt=True,
            )
        )
        prefix, _, suffix = rendered.partition(_MARK)
        return prefix, suffix

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])
