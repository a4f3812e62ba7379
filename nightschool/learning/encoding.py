"""From a note to token ids: the prompt's parts, the cut, and the words that name the kinds."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from string import ascii_lowercase, ascii_uppercase, digits

from transformers import PreTrainedTokenizerBase

from nightschool.config.errors import LearningError
from nightschool.learning.auto_choice import AutoChoice
from nightschool.learning.truncation import Border, fit, tokens
from nightschool.notes.prompts import Prompt, instruct_prompt, plain_prompt

_MARK = "\u2063NOTE\u2063"
# Between two examples, for models without a chat template.
_APART = "\n\n"


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
    border: Border = ""
    """What the cut is behind."""
    characters: int = 0
    """Of the note, without the white space around it."""
    left_out: int = 0
    """How many of these the model does not see."""
    weight: float = 1.0
    """What its loss counts in training, against that of another note."""


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
        self.choices = (AutoChoice("answers", shown, why),)

    @property
    def fingerprint(self) -> str:
        """Names everything that the model sees beside the note itself (sha256, 16 digits)."""
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
    def longest(self) -> int:
        """The most tokens that a prompt with its answer can have."""
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
        """An encoder whose prompt shows some notes with their kinds first, each cut at `limit` tokens.

        `examples` are (text, kind); everything else stays as it is.
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
        """What the model answers for each kind, such that the first tokens differ; and why so.

        The kind's own name where that does; else a code, which the prompt explains.
        """
        count = len(self.kinds)
        named = "each kind's name begins with a token of its own"
        coded = "two kinds' names begin with the same token, so each is named by a code"
        tried = [(self.kinds, named), (tuple(islice(_codes(), count)), coded)]
        # Some tokenizers split the space off: then the answer follows the prompt directly.
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
            f"{count} kinds are too many for this base: its tokenizer has distinct tokens to name "
            f"{max(map(len, apart))}; use fewer kinds or another base"
        )

    def _apart(self, words: Iterable[str]) -> list[str]:
        """Of some words, those that begin with a token that none before them begins with."""
        first: dict[int, str] = {}
        for word in words:
            for token in tokens(self._tokenizer, word)[:1]:
                first.setdefault(token, word)
        return list(first.values())

    def _around(self, words: Sequence[str]) -> list[str]:
        """The prompt's text before, between and after the notes, of which all but the last are
        examples: their answers are `words`."""
        prompt = self.prompt
        if not self._chat:
            shown = [f"{prompt.after}{word}{_APART}{prompt.before}" for word in words]
            return [prompt.system + prompt.before, *shown, prompt.after]
        turns = [{"role": "system", "content": prompt.system}]
        question = {"role": "user", "content": prompt.before + _MARK + prompt.after}
        for word in words:
            turns += [question, {"role": "assistant", "content": word}]
        rendered = self._tokenizer.apply_chat_template(
            [*turns, question], tokenize=False, add_generation_prompt=True
        )
        return str(rendered).split(_MARK)

    def _ids(self, text: str) -> list[int]:
        """The tokens of the prompt's own text, special ones among them."""
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def _codes() -> Iterator[str]:
    """Names for kinds, the plainest first: A, b, 7, AB, Ab, ab."""
    yield from ascii_uppercase + ascii_lowercase + digits
    for one, other in (
        (ascii_uppercase, ascii_uppercase),
        (ascii_uppercase, ascii_lowercase),
        (ascii_lowercase, ascii_lowercase),
    ):
        yield from map("".join, product(one, other))


def cuts_in_words(notes: Sequence[Encoded], which: str, max_tokens: int) -> str:
    """How many of the notes are cut, where, and what is lost by that; "" where none is.

    `which` names the notes: "training notes".
    """
    cut = [note for note in notes if note.cut]
    if not cut:
        return ""
    within = sum(note.border != "sentence" for note in cut)
    apart = f" ({within} within a sentence, because it is so long)" if within else ""
    unseen = sum(note.left_out for note in cut) / sum(note.characters for note in notes)
    return (
        f"{len(cut)} of {len(notes)} {which} are longer than train.max_tokens = {max_tokens}: they "
        f"are cut at the end of a sentence{apart}, and {100 * unseen:.1f} % of the text of all {len(notes)} is "
        "not seen"
    )
