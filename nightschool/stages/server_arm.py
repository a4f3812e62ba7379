"""The server arm: asks a general-purpose model about each test note and stores its answers."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from nightschool.config import files
from nightschool.config.checksums import verify_checksum, with_checksum
from nightschool.config.errors import Stopped, passes
from nightschool.ledger.artifacts import unusable
from nightschool.notes.dataset import Item
from nightschool.notes.prompts import instruct_prompt
from nightschool.scoring.answer_parsing import kind_in
from nightschool.scoring.server_client import Server, ServerError

if TYPE_CHECKING:
    from nightschool.config.settings import Settings
    from nightschool.stages.context import StageContext

# After this many failures in a row the other notes are not asked about: that could take hours.
_MAX_FAILURES = 5
_STORED_CHARACTERS = 300


class AnswerOutcome(StrEnum):
    """How a question to the server ended."""

    KIND = "kind"
    NONSENSE = "nonsense"
    """The answer names no kind."""
    TIMEOUT = "timeout"
    ERROR = "error"


_FAILURES = (AnswerOutcome.TIMEOUT, AnswerOutcome.ERROR)


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """The answer about one note: a line of `server.jsonl`."""

    id: str
    kind: str
    """"" if the answer names no kind."""
    outcome: AnswerOutcome
    reply: str
    """The beginning of the reply, or the error."""
    seconds: float


_ADAPTER = TypeAdapter(ServerAnswer)


def ask_server(
    context: StageContext, kinds: Sequence[str], test: Sequence[Item]
) -> tuple[list[str], str]:
    """The server's kind for each test note ("" without one), and a summary in words.

    Each answer is stored at once, and no note is asked about twice. Raises Stopped between two notes.
    """
    settings = context.settings.server
    key = os.environ.get(settings.api_key_env, "").strip() if settings.api_key_env else ""
    if settings.api_key_env and not key:
        context.parent.say("warning", f"{settings.api_key_env} (server.api_key_env) is not set")
    server = Server(settings, key)
    file = context.folder / "server.jsonl"
    answers = {answer.id: answer for answer in _read(file)}
    failures = 0
    for done, item in enumerate(test):
        context.parent.progress(done, len(test), None, _remaining_s(answers, len(test)))
        if item.id in answers:
            continue
        if context.parent.should_stop():
            raise Stopped
        if failures == _MAX_FAILURES:
            break
        answer = _ask(server, context.settings, kinds, item)
        _append(file, answer)
        answers[item.id] = answer
        failures = failures + 1 if answer.outcome in _FAILURES else 0
    in_order = [answers.get(item.id) for item in test]
    note = _summary(settings.model, settings.url, in_order)
    if any(answer is None or answer.outcome in _FAILURES for answer in in_order):
        context.parent.say("warning", f"server: {note}")
    return [answer.kind if answer else "" for answer in in_order], note


def _ask(server: Server, settings: Settings, kinds: Sequence[str], item: Item) -> ServerAnswer:
    prompt = instruct_prompt(
        settings.prompt.instructions, {kind: kind for kind in kinds}, settings.meanings
    )
    messages = [
        {"role": "system", "content": prompt.system},
        {"role": "user", "content": prompt.before + item.text.strip() + prompt.after},
    ]
    began = time.monotonic()
    try:
        reply = server.ask(messages)
    except ServerError as error:
        outcome = AnswerOutcome(error.trouble)
        return ServerAnswer(item.id, "", outcome, str(error), _seconds_since(began))
    kind = kind_in(reply, kinds)
    outcome = AnswerOutcome.KIND if kind else AnswerOutcome.NONSENSE
    stored = reply.strip()[:_STORED_CHARACTERS]
    return ServerAnswer(item.id, kind or "", outcome, stored, _seconds_since(began))


def _summary(model: str, url: str, answers: Sequence[ServerAnswer | None]) -> str:
    """How many notes got a kind, and why the others did not; None is a note that was not asked about."""
    outcomes = Counter(answer.outcome if answer else None for answer in answers)
    kinds = outcomes[AnswerOutcome.KIND]
    summary = f"{model} at {url}: a kind for {kinds} of {len(answers)} test notes"
    names = {
        AnswerOutcome.NONSENSE: "without a kind in the answer",
        AnswerOutcome.TIMEOUT: "timed out",
        AnswerOutcome.ERROR: "with an error",
        None: f"not asked after {_MAX_FAILURES} failures in a row",
    }
    wrong = [f"{outcomes[outcome]} {name}" for outcome, name in names.items() if outcomes[outcome]]
    if not wrong:
        return summary
    errors = Counter(a.reply for a in answers if a and a.outcome is AnswerOutcome.ERROR)
    most_often = f" (most often: {errors.most_common(1)[0][0]})" if errors else ""
    return f"{summary}; counted as wrong: {', '.join(wrong)}{most_often}"


def _remaining_s(answers: Mapping[str, ServerAnswer], total: int) -> float | None:
    if not answers:
        return None
    mean = sum(answer.seconds for answer in answers.values()) / len(answers)
    return mean * (total - len(answers))


def _seconds_since(began: float) -> float:
    return round(time.monotonic() - began, 3)


def _read(file: Path) -> list[ServerAnswer]:
    """The stored answers, without lines that are damaged or cut off: their notes are asked about again."""
    try:
        lines = files.read(file).split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        if passes(error):
            raise unusable(file, error) from None
        files.remove(file)
        return []
    answers = []
    for line in lines:
        with contextlib.suppress(ValueError):
            verify_checksum(line)
            answers.append(_ADAPTER.validate_json(line))
    return answers


def _append(file: Path, answer: ServerAnswer) -> None:
    files.append(file, with_checksum(json.dumps(asdict(answer), ensure_ascii=False)))
