"""What a night did, from the ledger: spans of work and of waiting, and the outcome of each run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import FRUITLESS, Outcome, Reason
from nightschool.ledger.records import Attempt, PastDecision, Run, RunState, StageName
from nightschool.reports.timeline import Span
from nightschool.stats.result_summary import summary_of
from nightschool.stats.terms import Decision, SpanReason, SpanState, Waiting

# The next stage or chunk starts within a second or two.
_GAP_S = 30.0
_CONTINUES = (Outcome.FINISHED, Outcome.CHUNK_DONE)
# With these the run waits; with all others it yields.
_WAITING: frozenset[SpanReason] = frozenset({
    Waiting.QUEUED, Reason.OUTSIDE_WINDOW, Reason.FINISH_BY, Reason.HOURS_USED, Reason.NO_WORKER,
    Reason.NOTHING_TO_DO, Outcome.STOPPED, Outcome.LOST, Outcome.KILLED, Outcome.FAILED, Outcome.CANCELLED,
    Outcome.ERROR, Reason.AFTER_ERROR,
})  # fmt: skip
# A worker that is awake replaces these when the window opens.
_ENDED_BY_CLOCK = frozenset({Reason.OUTSIDE_WINDOW, Reason.FINISH_BY, Reason.HOURS_USED})
# These prolong the reason before them.
_CONSEQUENCES = frozenset({Reason.QUIET_TIME, Reason.TOO_MANY_STARTS})


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run that was worked on in a night.

    `steps` of `total_steps` were trained in this night; `reached` is the last step of all nights.
    `stopped` is how its last attempt ended, unless that continues with the next. `before` and `after`
    are shares of test notes sorted right; None if not measured yet.
    """

    run: int
    state: RunState
    reason: str
    steps: int
    reached: int
    total_steps: int
    stopped: Outcome | Reason | None = None
    before: float | None = None
    after: float | None = None
    decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class Interruption:
    """How often and for how many seconds one reason kept a night's runs from working."""

    reason: SpanReason
    times: int
    seconds: float


@dataclass(frozen=True, slots=True)
class NightSummary:
    """A night, or the part of it that has passed: times in seconds since the epoch, work in seconds.

    `interruptions` are what the runs yielded to; in a night without work, what held them up.
    """

    start: float
    end: float
    worked_s: float
    trained_s: float
    interruptions: tuple[Interruption, ...]
    runs: tuple[RunSummary, ...]


def spans(
    attempts: Sequence[Attempt], start: float, end: float, decisions: Sequence[PastDecision] = ()
) -> list[Span]:
    """The spans of one run between two times, without gaps other than those between two chunks.

    `attempts` are the run's, `decisions` the policy's, both oldest first. The decisions show how the
    reason changed while the run waited; before its first attempt they alone give the reason. An
    attempt under way lasts until `end`.
    """
    result: list[Span] = []
    at: float = start
    reason: SpanReason | None = Waiting.QUEUED
    for attempt in attempts:
        began, ended = attempt.started, end if attempt.ended is None else attempt.ended
        if reason and (reason not in _CONTINUES or began - at > _GAP_S):
            result += _waits(attempt.stage, at, began, reason, decisions)
        if attempt.outcome is not None and attempt.outcome in FRUITLESS:
            result.append(Span(attempt.stage, began, ended, SpanState.YIELDED, attempt.outcome))
        else:
            result.append(Span(attempt.stage, began, ended, SpanState.WORKED))
        # An attempt that ended without an outcome slept: its process still exists.
        asleep = Reason.WOKE if attempt.ended is not None else None
        at, reason = ended, attempt.outcome or asleep
    if attempts and attempts[-1].ended is not None and reason and reason not in _CONTINUES:
        result += _waits(attempts[-1].stage, at, end, reason, decisions)
    clipped = (replace(s, start=max(s.start, start), end=min(s.end, end)) for s in result)
    return _joined([span for span in clipped if span.seconds > 0])


def _waits(
    stage: str, start: float, end: float, first: SpanReason, decisions: Sequence[PastDecision]
) -> Iterator[Span]:
    """Spans without work: `first` is the reason until a decision gives another."""
    reason: SpanReason = Waiting.QUEUED if first in _CONTINUES else _canonical(first)
    at = start
    for decision in decisions:
        decided = _canonical(decision.reason)
        if decision.at >= end:
            break
        if decision.allowed or decided in _CONSEQUENCES or decided == reason:
            continue
        if decision.at > at:
            yield Span(stage, at, decision.at, _state(reason), reason)
            at = decision.at
        elif decision.at < start and reason != Waiting.QUEUED:
            continue  # the attempt's own outcome is more precise
        reason = decided
    yield Span(stage, at, end, _state(reason), reason)


def _canonical(reason: SpanReason) -> SpanReason:
    """The announcement of a sleep and the clocks' evidence of one are one reason."""
    return Reason.WOKE if reason == Reason.SUSPENDING else reason


def _state(reason: SpanReason) -> SpanState:
    return SpanState.WAITED if reason in _WAITING else SpanState.YIELDED


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Consecutive chunks of one stage without a wait between them as one span."""
    joined: list[Span] = []
    for span in spans:
        last = joined[-1] if joined else None
        if last and _same_kind(last, span) and span.start - last.end <= _GAP_S:
            joined[-1] = replace(last, end=span.end)
        else:
            joined.append(span)
    return joined


def _same_kind(one: Span, other: Span) -> bool:
    return (one.stage, one.state, one.reason) == (other.stage, other.state, other.reason)


def night_between(ledger: Ledger, start: float, end: float) -> NightSummary:
    """What was done between two times; if nothing was and a run was queued, what held it up."""
    attempts = ledger.attempts_between(start, end)
    decisions = ledger.decisions_between(start, end)
    runs: list[RunSummary] = []
    all_spans: list[Span] = []
    for number in sorted({attempt.run for attempt in attempts}):
        own = [attempt for attempt in attempts if attempt.run == number]
        # Whatever precedes the night's first attempt interrupts nothing.
        all_spans += spans(own, max(start, own[0].started), end, decisions)
        runs.append(_run_summary(ledger, ledger.run(number), own))
    work = [span for span in all_spans if span.state == SpanState.WORKED]
    yielded = [span for span in all_spans if span.state == SpanState.YIELDED]
    return NightSummary(
        start,
        end,
        sum(span.seconds for span in work),
        sum(span.seconds for span in work if span.stage == StageName.TRAIN),
        _by_reason(yielded if work else _held_up(ledger, start, end, decisions)),
        tuple(runs),
    )


def _held_up(
    ledger: Ledger, start: float, end: float, decisions: Sequence[PastDecision]
) -> list[Span]:
    """Spans in which a queued run could not work. Without a worker only runs that are still open count."""
    last = decisions[0] if decisions and decisions[0].at <= start else None
    reason: SpanReason
    if last is None:
        reason = Reason.NO_WORKER
    elif last.reason in _ENDED_BY_CLOCK:
        reason = Reason.WOKE
    else:
        reason = Waiting.QUEUED if last.allowed else last.reason
    queued = min((run.created for run in ledger.open_runs()), default=end)
    held_up = []
    for span in _waits("", start, end, reason, decisions):
        if span.reason == Reason.NO_WORKER:
            held_up.append(replace(span, start=max(span.start, queued)))
        elif span.state == SpanState.YIELDED:
            held_up.append(span)
    return [span for span in held_up if span.seconds > _GAP_S]


def _by_reason(spans: Sequence[Span]) -> tuple[Interruption, ...]:
    """One interruption for each reason, the longest first."""
    totals: dict[SpanReason, Interruption] = {}
    for span in spans:
        if span.reason is None:
            continue
        total = totals.get(span.reason, Interruption(span.reason, 0, 0.0))
        totals[span.reason] = Interruption(
            span.reason, total.times + 1, total.seconds + span.seconds
        )
    return tuple(sorted(totals.values(), key=lambda interruption: -interruption.seconds))


def _run_summary(ledger: Ledger, run: Run, attempts: Sequence[Attempt]) -> RunSummary:
    stages = {stage.name: stage for stage in ledger.stages(run.id)}
    trained = [a for a in attempts if a.stage == StageName.TRAIN and a.last_step is not None]
    reached = max((a.last_step or 0 for a in trained), default=0)
    last = attempts[-1].outcome
    return RunSummary(
        run=run.id,
        state=run.state,
        reason=run.reason,
        steps=reached - trained[0].first_step if trained else 0,
        reached=stages[StageName.TRAIN].step,
        total_steps=stages[StageName.TRAIN].total_steps,
        stopped=None if last in _CONTINUES else last,
        before=summary_of(stages[StageName.BASELINE]).accuracy,
        after=summary_of(stages[StageName.EVALUATE]).accuracy,
        decision=summary_of(stages[StageName.COMPARE]).decision,
    )
