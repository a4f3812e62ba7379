"""From a note to token ids: the prompt around it, truncation, and the answers that name the kinds."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, islice, product
from string import ascii_lowercase, ascii_uppercase, digits

from transformers import PreTrainedTokenizerBase

from nightschool.config.errors import LearningError
from nightschool.learning.base_check import refusing
from nightschool.learning.phases import TEMPLATE, phase
from nightschool.learning.truncation import Border, fit, tokens
from nightschool.notes.prompts import Prompt, instruct_prompt, plain_prompt
from nightschool.stats.results import Choice

_MARK = "\u2063NOTE\u2063"
# Characters of a rendered prompt; the owner's instructions and examples have a few thousand.
_LONGEST = 1_000_000
# Separates two examples, for models without a chat template.
_APART = "\n\n"


@dataclass(frozen=True, slots=True)
class Encoded:
    """One note as the model reads it."""

    prompt: list[int]
    """Token ids of prefix, note and suffix; the answer follows"""
    answer: list[int]
    """Token ids of its kind's answer; empty if the kind is unknown"""
    kind: int
    """Index into the encoder's kinds; -1 if the kind is unknown"""
    cut: bool
    """Whether the note was truncated to the token limit"""
    border: Border = ""
    """What the truncated note ends with"""
    characters: int = 0
    """Characters of the note, without surrounding white space"""
    left_out: int = 0
    """How many of these the model does not read"""
    weight: float = 1.0
    """Relative weight of its loss in training"""


def shortened(note: Encoded, prefix: int, suffix: int, most: int) -> Encoded:
    """A note truncated to at most `most` tokens; the prompt around it stays whole.

    `prefix` and `suffix` are the numbers of the prompt's tokens before and after the note.
    """
    end = len(note.prompt) - suffix
    if end - prefix <= most:
        return note
    prompt = [*note.prompt[: prefix + most], *note.prompt[end:]]
    return replace(note, prompt=prompt, cut=True)


class Encoder:
    """Turns notes into token ids, in the same way for training, scoring and classification.

    The note is tokenised separately from the prompt around it, so that all notes share the prompt's
    exact tokens and truncation never reaches the prompt.
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
        self._chat = chat = bool(getattr(tokenizer, "chat_template", None))
        words, why = self._answers(chat)
        self._words = words
        answers = {kind: word.strip() for kind, word in zip(self.kinds, words, strict=True)}
        self.prompt: Prompt = (
            instruct_prompt(instructions, answers, meanings) if chat else plain_prompt(answers)
        )
        prefix, suffix = self._around([])
        self._prefix, self._suffix = self._ids(prefix), self._ids(suffix)
        end = [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []
        self._answer_ids = [[*tokens(tokenizer, word), *end] for word in words]
        self.first_tokens = tuple(ids[0] for ids in self._answer_ids)
        self.padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        shown = ", ".join(
            f"{kind} = {word!r}" for kind, word in zip(self.kinds, words, strict=True)
        )
        self.choices = (Choice("answers", shown, why),)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that the model reads besides the note (sha256, 16 digits)."""
        cut = [self.max_tokens, "after a sentence"]
        seen = [self._prefix, self._suffix, self._answer_ids, self.kinds, cut]
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
    def highest_token(self) -> int:
        """The highest token id in the prompt and the answers."""
        answers = chain.from_iterable(self._answer_ids)
        highest: int = max(*self._prefix, *self._suffix, *answers, self.padding)
        return highest

    @property
    def longest(self) -> int:
        """The most tokens that a prompt with note and answer can have."""
        around = len(self._prefix) + len(self._suffix) + max(map(len, self._answer_ids))
        return self.max_tokens + around

    def encode(self, text: str, kind: str | None = None) -> Encoded:
        text = text.strip()
        fitted = fit(self._tokenizer, text, self.max_tokens)
        index = self.kinds.index(kind) if kind is not None else -1
        return Encoded(
            prompt=[*self._prefix, *fitted.ids, *self._suffix],
            answer=list(self._answer_ids[index]) if kind is not None else [],
            kind=index,
            cut=fitted.border != "",
            border=fitted.border,
            characters=len(text),
            left_out=len(text) - len(fitted.text),
        )

    def with_examples(self, examples: Sequence[tuple[str, str]], limit: int) -> Encoder:
        """An encoder whose prompt starts with examples, each truncated to `limit` tokens.

        `examples` are (text, kind) pairs; everything else stays the same.
        """
        shown = [fit(self._tokenizer, text, limit).ids for text, _ in examples]
        words = [self._words[self.kinds.index(kind)] for _, kind in examples]
        *between, suffix = self._around(words)
        prefix = self._ids(between[0])
        for note, text in zip(shown, between[1:], strict=True):
            prefix += [*note, *self._ids(text)]
        made = copy.copy(self)
        made._prefix, made._suffix = prefix, self._ids(suffix)
        return made

    def _answers(self, chat: bool) -> tuple[list[str], str]:
        """The model's answer for each kind, all with different first tokens, and the reason.

        The kinds' own names if their first tokens differ, otherwise codes, which the prompt explains.
        """
        count = len(self.kinds)
        named = "the kinds' names have different first tokens"
        coded = "two kinds' names have the same first token, so each kind is named by a code"
        tried = [(self.kinds, named), (tuple(islice(_codes(), count)), coded)]
        # Some tokenizers split off the space; then the answer follows the prompt directly.
        leads = ("",) if chat else (" ", "")
        for lead in leads:
            for words, why in tried:
                led = [lead + word for word in words]
                if len(self._apart(led)) == count:
                    return led, why
        apart = [self._apart(lead + code for code in _codes()) for lead in leads]
        for codes in apart:
            if len(codes) >= count:
                return codes[:count], coded
        raise LearningError(
            f"{count} kinds are too many for this base, whose tokenizer can name "
            f"{max(map(len, apart))} kinds with distinct first tokens",
            "use fewer kinds or another base",
        )

    def _apart(self, words: Iterable[str]) -> list[str]:
        """The words whose first token no earlier word has."""
        first: dict[int, str] = {}
        for word in words:
            for token in tokens(self._tokenizer, word)[:1]:
                first.setdefault(token, word)
        return list(first.values())

    def _around(self, words: Sequence[str]) -> list[str]:
        """The prompt's text before, between and after the notes.

        All notes but the last are examples, whose answers are `words`.
        """
        prompt = self.prompt
        if not self._chat:
            shown = [f"{prompt.after}{word}{_APART}{prompt.before}" for word in words]
            return [prompt.system + prompt.before, *shown, prompt.after]
        turns = [{"role": "system", "content": prompt.system}]
        question = {"role": "user", "content": prompt.before + _MARK + prompt.after}
        for word in words:
            turns += [question, {"role": "assistant", "content": word}]
        return self._rendered([*turns, question], len(words) + 1)

    def _rendered(self, turns: list[dict[str, str]], notes: int) -> list[str]:
        """What the base's chat template makes of turns, split at the notes. Raises BaseModelError."""
        tokenizer = self._tokenizer
        with phase(TEMPLATE), refusing(f"{tokenizer.name_or_path}: no usable chat template"):
            text: object = None  # if it takes all memory
            with suppress(MemoryError):
                text = tokenizer.apply_chat_template(
                    turns, tokenize=False, add_generation_prompt=True
                )
            if not isinstance(text, str):
                raise ValueError("it takes all memory")
            parts = text.split(_MARK)
            if len(parts) != notes + 1:
                raise ValueError(f"it prints {notes} notes {len(parts) - 1} times")
            if len(text) > _LONGEST:
                raise ValueError(f"it prints {len(text)} characters")
        return parts

    def _ids(self, text: str) -> list[int]:
        """The tokens of the prompt's own text, including special ones."""
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def _codes() -> Iterator[str]:
    """Codes for kinds, the simplest first: A, b, 7, AB, Ab, ab."""
    yield from ascii_uppercase + ascii_lowercase + digits
    for one, other in (
        (ascii_uppercase, ascii_uppercase),
        (ascii_uppercase, ascii_lowercase),
        (ascii_lowercase, ascii_lowercase),
    ):
        yield from map("".join, product(one, other))


def cuts_in_words(notes: Sequence[Encoded], which: str, max_tokens: int) -> str:
    """How many notes are truncated, where, and how much text that loses; "" if none is truncated.

    `which` names the notes, for example "training notes".
    """
    cut = [note for note in notes if note.cut]
    if not cut:
        return ""
    within = sum(note.border != "sentence" for note in cut)
    apart = f" ({within} within a long sentence)" if within else ""
    unseen = sum(note.left_out for note in cut) / sum(note.characters for note in notes)
    return (
        f"{len(cut)} of {len(notes)} {which} are longer than train.max_tokens = {max_tokens}: they "
        f"are cut at the end of a sentence{apart}, which leaves {100 * unseen:.1f} % of the text of all "
        f"{len(notes)} unread"
    )
