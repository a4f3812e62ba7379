"""How an attempt is recorded, from the messages of its child, its exit code and the requests to stop it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from nightschool.config.paths import School
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.ledger.records import STAGES, Claim, EventKind, StageName, Timing
from nightschool.tasks import attempt
from nightschool.tasks.attempt import StageAttempt, StopRequest
from nightschool.tasks.channel import ChildMessage, Ended, LogLine, Progress
from nightschool.tasks.persistent_writes import Write


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(School(tmp_path).ledger_file) as ledger:
        yield ledger


@pytest.fixture
def claim(ledger: Ledger) -> Claim:
    run = ledger.add_run({}, STAGES[-1], Timing.NOW).id
    claim = ledger.claim(run, "test")
    assert claim
    return claim


class Children:
    """Stands in for child processes; `messages` are what the next one sends."""

    def __init__(self) -> None:
        self.messages: Sequence[ChildMessage] = ()
        self.code = 0
        self.online: list[bool] = []

    def start(self, job: object, log: Path, *, online: bool) -> object:
        self.online.append(online)
        return SimpleNamespace(pid=1)

    def supervise(
        self,
        child: object,
        on_message: Callable[[ChildMessage], None],
        should_stop: Callable[[], bool],
        gone_by: object,
    ) -> int:
        for message in self.messages:
            on_message(message)
        should_stop()
        return self.code


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Children:
    children = Children()
    monkeypatch.setattr(attempt, "Child", children.start)
    monkeypatch.setattr(attempt, "supervise", children.supervise)
    return children


def write_immediately(write: Write) -> None:
    write()


def perform(ledger: Ledger, claim: Claim, stop: StopRequest | None = None) -> bool:
    folder = Path(ledger._file).parent.parent
    performed = StageAttempt(School(folder), ledger, claim, write_immediately)
    return performed.perform(lambda: stop, lambda: None)


ON_BATTERY = StopRequest(Reason.ON_BATTERY, "the computer runs on battery")
FINISHED = Ended(outcome=Outcome.FINISHED, result={})
CHUNK = Ended(outcome=Outcome.CHUNK_DONE, reason="after step 3 of 9")
BUSY = Ended(outcome=Reason.DEVICE_BUSY, reason="another process trains")
STOPPED = Ended(outcome=Outcome.STOPPED)


@pytest.mark.parametrize(
    ("ending", "code", "stop", "outcome", "reason", "more"),
    [
        (FINISHED, 0, None, Outcome.FINISHED, "", True),
        (CHUNK, 0, None, Outcome.CHUNK_DONE, "after step 3 of 9", True),
        (BUSY, 0, None, Reason.DEVICE_BUSY, "another process trains", False),
        (None, -9, None, Outcome.KILLED, "its process was killed, or memory was short", False),
        (None, 1, None, Outcome.LOST, "its process ended with code 1", False),
        (STOPPED, 0, ON_BATTERY, Reason.ON_BATTERY, ON_BATTERY.detail, False),
        (None, -9, ON_BATTERY, Reason.ON_BATTERY, ON_BATTERY.detail, False),
        # It finished before it noticed the request.
        (FINISHED, 0, ON_BATTERY, Outcome.FINISHED, "", False),
    ],
)
def test_end_is_recorded(
    ledger: Ledger,
    claim: Claim,
    children: Children,
    ending: Ended | None,
    code: int,
    stop: StopRequest | None,
    outcome: Outcome | Reason,
    reason: str,
    more: bool,
) -> None:
    children.messages, children.code = [ending] if ending else [], code
    assert perform(ledger, claim, stop) is more
    [last] = ledger.attempts_of(claim.run)
    assert (last.outcome, last.reason) == (outcome, reason)


def test_failure_fails_the_run(ledger: Ledger, claim: Claim, children: Children) -> None:
    children.messages = [Ended(outcome=Outcome.FAILED, reason="the base is gone")]
    assert not perform(ledger, claim)
    run = ledger.run(claim.run)
    assert (run.state, run.reason) == ("failed", "the base is gone")


@pytest.mark.parametrize(("decision", "promoted"), [("promote", [1]), ("inconclusive", [])])
def test_model_is_promoted_if_the_comparison_decides_so(
    ledger: Ledger, claim: Claim, children: Children, decision: str, promoted: list[int]
) -> None:
    ledger.finish(claim, {})
    for _ in STAGES[2:]:
        ledger.finish(_next(ledger, claim.run), {})
    children.messages = [Ended(outcome=Outcome.FINISHED, result={"decision": decision})]
    perform(ledger, _next(ledger, claim.run))
    assert ledger.run(claim.run).state == "done"
    assert ledger.promotions() == promoted


def _next(ledger: Ledger, run: int) -> Claim:
    claim = ledger.claim(run, "test")
    assert claim
    return claim


def test_choices_and_warnings_are_logged_once_over_all_chunks(
    ledger: Ledger, claim: Claim, children: Children
) -> None:
    lines = [
        LogLine(kind=EventKind.CHOICE, text="precision = fp32"),
        LogLine(kind=EventKind.WARNING, text="one note is cut"),
        LogLine(kind=EventKind.STATE, text="3 notes right"),
    ]
    children.messages = [*lines, *lines, CHUNK]
    perform(ledger, claim)
    perform(ledger, _next(ledger, claim.run))
    texts = [event.message for event in ledger.events(claim.run)]
    assert [texts.count(line.text) for line in lines] == [1, 1, 4]


def test_progress_is_recorded_now_and_then_and_at_the_end(
    ledger: Ledger, claim: Claim, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded: list[int] = []
    real = ledger.progress

    def progress(
        claim: Claim, step: int, total_steps: int, loss: float | None, eta_s: float | None
    ) -> None:
        recorded.append(step)
        real(claim, step, total_steps, loss, eta_s)

    monkeypatch.setattr(ledger, "progress", progress)
    children.messages = [Progress(step=n, total=9, loss=0.5, eta_s=1.0) for n in range(1, 10)]
    perform(ledger, claim)
    assert recorded == [1, 9]
    assert ledger.attempts_of(claim.run)[-1].last_step == 9


def test_only_prep_may_use_a_network(ledger: Ledger, claim: Claim, children: Children) -> None:
    children.messages = [FINISHED]
    perform(ledger, claim)
    for _ in STAGES[1:]:
        perform(ledger, _next(ledger, claim.run))
    assert children.online == [stage is StageName.PREP for stage in STAGES]
