"""The messages between a worker and its child process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from nightschool.config.settings import Settings
from nightschool.learning.phases import loading
from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.ledger.records import EventKind, StageName
from nightschool.stages.child_jobs import (
    CHILD_JOB,
    ChildJob,
    ClassifiedNote,
    ClassifyJob,
    NoteChangesJob,
    NoteText,
    PlanJob,
    ProbeJob,
    StageJob,
)
from nightschool.stages.endings import Ending
from nightschool.tasks.channel import (
    Alive,
    ChildMessage,
    Classified,
    Ended,
    LogLine,
    PhaseBegan,
    Progress,
    ended,
    parse_message,
)

ROOT = Path("/my 学校")
NOTE = ClassifiedNote(
    source="a.md", kind="none", likeliest="lesson", probability=0.5, unseen=0.0,
    probabilities={"lesson": 0.5, "決定": 0.5},
)  # fmt: skip


@pytest.mark.parametrize(
    "message",
    [
        Progress(step=3, total=9, loss=0.5, eta_s=12.0),
        Progress(step=1, total=2),
        LogLine(kind=EventKind.WARNING, text="two lines\nand 日本語"),
        Classified(note=NOTE),
        Alive(),
        PhaseBegan(phase=loading(10**9)),
        Ended(outcome=Outcome.FINISHED, result={"accuracy": 0.5}),
        Ended(outcome=Reason.DEVICE_BUSY, reason="another process trains"),
    ],
)
def test_message_is_one_line_and_is_read_as_it_was_sent(message: ChildMessage) -> None:
    line = message.model_dump_json()
    assert "\n" not in line
    assert parse_message(line.encode()) == message


@pytest.mark.parametrize(
    "line",
    [
        b"", b"no JSON", b"[]", b"\xff",
        b'{"event": "unknown", "version": 1}',
        b'{"event": "progress", "version": 2, "step": 1, "total": 2}',
        b'{"event": "progress", "version": 1, "step": "many", "total": 2}',
        b'{"event": "log", "version": 1, "kind": "gossip", "text": ""}',
        b'{"event": "ended", "version": 1, "outcome": "well"}',
        b'{"event": "ended", "version": 1, "outcome": "finished", "more": 1}',
    ],
)  # fmt: skip
def test_invalid_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValidationError):
        parse_message(line)


def test_loss_that_is_not_finite_is_sent_as_unknown() -> None:
    line = Progress(step=1, total=2, loss=float("nan")).model_dump_json()
    assert parse_message(line.encode()) == Progress(step=1, total=2, loss=None)


@pytest.mark.parametrize(
    "job",
    [
        StageJob(root=ROOT, run=3, stage=StageName.TRAIN),
        ClassifyJob(root=ROOT, run=3, notes=(NoteText(source="-", text="本"),), abstain=True),
        ProbeJob(root=ROOT, settings=Settings()),
        PlanJob(root=ROOT, settings=Settings(base="demo")),
        NoteChangesJob(root=ROOT, settings=Settings(), run=3, fingerprint="ab"),
    ],
)
def test_job_is_one_line_and_is_read_as_it_was_sent(job: ChildJob) -> None:
    line = job.model_dump_json()
    assert "\n" not in line
    assert CHILD_JOB.validate_json(line) == job
    assert job.school.root == ROOT


@pytest.mark.parametrize(
    "changes", [{"job": "unknown"}, {"version": 2}, {"run": 0}, {"stage": "sleep"}, {"more": 1}]
)
def test_invalid_job_is_refused(changes: dict[str, object]) -> None:
    job = StageJob(root=ROOT, run=3, stage=StageName.PREP).model_dump(mode="json")
    with pytest.raises(ValidationError):
        CHILD_JOB.validate_json(json.dumps(job | changes))


def test_ending_carries_a_typed_result_as_json() -> None:
    class Result(BaseModel):
        folder: Path

    message = ended(Ending(Outcome.FINISHED, result=Result(folder=Path("a/b"))))
    assert message.result == {"folder": str(Path("a/b"))}
    assert ended(Ending(Outcome.STOPPED, "asked to")).result is None
