"""Questions that a child process answers at once: `classify`, `doctor`, `plan` and the worker ask them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from nightschool.config.errors import ChildError
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.tasks.process import Child, Message, attend


def ask_to_classify(
    school: School, run: int, notes: Sequence[tuple[str, str]], *, abstain: bool = False
) -> list[dict[str, Any]]:
    """Sort notes (source, text) with the model of a run; an answer each, in their order.

    An answer holds `source`, `kind`, `likeliest` (another kind than `kind` where the model is not sure
    and `abstain` is set), its `probability`, `probabilities` by kind, and `unseen`, the share of the
    note's text that did not fit into train.max_tokens.
    """
    job = {
        "job": "classify",
        "school": str(school.root),
        "run": run,
        "abstain": abstain,
        "notes": [{"source": source, "text": text} for source, text in notes],
    }
    answers: list[dict[str, Any]] = []

    def hear(message: Message) -> None:
        if message["event"] == "classified":
            answers.append({key: value for key, value in message.items() if key != "event"})

    _ask(school, job, hear)
    return answers


def ask_to_probe(school: School, settings: Settings) -> dict[str, Any]:
    """What torch finds on this machine; see `learning.probe.probe`."""
    job = {"job": "probe", "school": str(school.root), "settings": settings.model_dump()}
    return dict(_ask(school, job, lambda message: None))


def ask_to_plan(school: School, settings: Settings) -> dict[str, Any]:
    """What a run would need and take; see `stages.run_plan.plan`."""
    job = {"job": "plan", "school": str(school.root), "settings": settings.model_dump()}
    return dict(_ask(school, job, lambda message: None))


def ask_to_look(
    school: School, settings: Settings, run: int, seen: str, limit_s: float
) -> dict[str, Any]:
    """What is new among the notes since a run; see `stages.note_changes.look`.

    Raises ChildError after `limit_s` seconds: a network drive may never answer.
    """
    job = {
        "job": "look",
        "school": str(school.root),
        "settings": settings.model_dump(),
        "run": run,
        "seen": seen,
    }
    return dict(_ask(school, job, lambda message: None, limit_s))


def _ask(school: School, job: Message, hear: Any, limit_s: float | None = None) -> Message:
    deadline = None if limit_s is None else time.monotonic() + limit_s
    ending: dict[str, Any] = {}

    def on_message(message: Message) -> None:
        if message["event"] == "ended":
            ending.update(message)
        else:
            hear(message)

    def should_stop() -> bool:
        if deadline is not None and time.monotonic() > deadline:
            # Not asked, nor waited for: what hangs in a read cannot even be killed.
            raise ChildError(f"no answer in {limit_s:.0f} s")
        return False

    child = Child(job, school.state / "logs" / f"{job['job']}.log")
    code = attend(child, on_message, should_stop)
    if ending.get("outcome") != "finished":
        reason = ending.get("reason") or f"its process ended with code {code}"
        raise ChildError(f"{job['job']}: {reason} (more in {child.log})")
    result: Message = ending["result"]
    return result
