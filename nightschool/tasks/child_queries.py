"""Queries that a child process answers while its caller waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nightschool.config.errors import ChildError
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.learning.probe import DeviceProbe
from nightschool.ledger.outcomes import Outcome
from nightschool.stages.child_jobs import (
    ChildJob,
    ClassifiedNote,
    ClassifyJob,
    NoteChangesJob,
    NoteText,
    PlanJob,
    ProbeJob,
)
from nightschool.stages.note_changes import NoteChanges
from nightschool.stages.run_estimate import RunEstimate
from nightschool.tasks.channel import ChildMessage, Classified, Ended
from nightschool.tasks.process import Child, supervise


def ask_to_classify(
    school: School, run: int, notes: Sequence[tuple[str, str]], *, abstain: bool = False
) -> list[ClassifiedNote]:
    """Classify notes (source, text) with the model of a run; one answer each, in their order."""
    texts = tuple(NoteText(source=source, text=text) for source, text in notes)
    answers: list[ClassifiedNote] = []

    def on_message(message: ChildMessage) -> None:
        if isinstance(message, Classified):
            answers.append(message.note)

    job = ClassifyJob(root=school.root, run=run, notes=texts, abstain=abstain)
    _ask(job, on_message=on_message)
    return answers


def ask_to_probe(school: School, settings: Settings) -> DeviceProbe:
    """What PyTorch finds on this computer; see `learning.probe.probe`."""
    return DeviceProbe.model_validate(_ask(ProbeJob(root=school.root, settings=settings)))


def ask_to_plan(school: School, settings: Settings) -> RunEstimate:
    """The memory and time of a run; see `stages.run_plan.plan`."""
    return RunEstimate.model_validate(_ask(PlanJob(root=school.root, settings=settings)))


def ask_for_note_changes(
    school: School, settings: Settings, run: int, fingerprint: str, limit_s: float
) -> NoteChanges:
    """What changed in the notes since a run; see `stages.note_changes.changes_since`.

    Raises ChildError after `limit_s` seconds: a network drive may never answer.
    """
    job = NoteChangesJob(root=school.root, settings=settings, run=run, fingerprint=fingerprint)
    return NoteChanges.model_validate(_ask(job, limit_s=limit_s))


def _ask(
    job: ChildJob,
    on_message: Callable[[ChildMessage], None] = lambda message: None,
    limit_s: float | None = None,
) -> Mapping[str, Any]:
    """The result of a job. Raises ChildError if it fails, or takes longer than `limit_s`."""
    deadline = None if limit_s is None else time.monotonic() + limit_s
    ending: Ended | None = None

    def receive(message: ChildMessage) -> None:
        nonlocal ending
        if isinstance(message, Ended):
            ending = message
        else:
            on_message(message)

    def should_stop() -> bool:
        if deadline is not None and time.monotonic() > deadline:
            # Neither asked to stop nor waited for: a process that hangs in a read cannot even be killed.
            raise ChildError(f"no answer in {limit_s:.0f} s")
        return False

    child = Child(job, job.school.state / "logs" / f"{job.job}.log", needs_log=False)
    code = supervise(child, receive, should_stop)
    if ending is None:
        raise ChildError(f"{job.job}: its process ended with code {code}", f"see {child.log}")
    if ending.outcome is not Outcome.FINISHED:
        raise ChildError(f"{job.job}: {ending.reason} (details in {child.log})")
    return ending.result or {}
