"""What a night did, from the ledger's rows: stretches of work and of waiting, and what came of each run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import FRUITLESS, Outcome
from nightschool.ledger.records import Attempt, PastDecision, Run, StageName
from nightschool.reports.text.night_text import Aside, Night, RunOfNight
from nightschool.reports.timeline import Span
from nightschool.stats.stage_results import summary_of
from nightschool.stats.terms import SpanState

# From one stage or chunk to the next it takes a second or two.
_AT_ONCE_S = 30.0
_WENT_ON = (Outcome.FINISHED, Outcome.CHUNK_DONE)
# Nobody is stepped aside for: it was not its time, or it came to an end.
_NOT_ITS_TIME = frozenset({
    "queued", "outside_window", "window_closed", "finish_by", "hours_used", "no_worker", "stopped",
    "nothing_to_do", "lost", "killed", "failed", "cancelled",
})  # fmt: skip
# A worker that is awake decides anew when the window opens.
_BY_THE_CLOCK = frozenset({"outside_window", "finish_by", "hours_used"})
# These prolong what was before them.
_AFTERWARDS = frozenset({"quiet_time", "too_many_starts"})
# A sleep that was announced, and what the clocks told of it.
_SAME = {"suspending": "woke"}


def spans(
    attempts: Sequence[Attempt], start: float, end: float, decisions: Sequence[PastDecision] = ()
) -> list[Span]:
    """The stretches of one run between two moments, without gaps but for those between two chunks.

    `attempts` are the run's, oldest first; `decisions`, oldest first, tell how the reason changed while
    it waited. What it waits for at first is said by them alone. Work that is under way ends at `end`.
    """
    found: list[Span] = []
    at, reason = start, "queued"
    for attempt in attempts:
        began, ended = attempt.started, end if attempt.ended is None else attempt.ended
        if reason not in _WENT_ON or began - at > _AT_ONCE_S:
            found += _waits(attempt.stage, at, began, reason, decisions)
        if attempt.outcome in FRUITLESS:
            found.append(Span(attempt.stage, began, ended, SpanState.YIELDED, attempt.outcome))
        else:
            found.append(Span(attempt.stage, began, ended, SpanState.WORKED))
        asleep = "woke" if attempt.ended is not None else ""  # its process is there still
        at, reason = ended, attempt.outcome or asleep
    if attempts and attempts[-1].ended is not None and reason not in _WENT_ON:
        found += _waits(attempts[-1].stage, at, end, reason, decisions)
    clipped = (replace(s, start=max(s.start, start), end=min(s.end, end)) for s in found)
    return _joined([span for span in clipped if span.seconds > 0])


def _waits(
    stage: str, start: float, end: float, reason: str, decisions: Sequence[PastDecision]
) -> Iterator[Span]:
    reason = "queued" if reason in _WENT_ON else _SAME.get(reason, reason)
    at = start
    for one in decisions:
        said = _SAME.get(one.reason, one.reason)
        if one.at >= end:
            break
        if one.allowed or said in _AFTERWARDS or said == reason:
            continue
        if one.at > at:
            yield Span(stage, at, one.at, _state(reason), reason)
            at = one.at
        elif one.at < start and reason != "queued":
            continue  # why the attempt ended is known better
        reason = said
    yield Span(stage, at, end, _state(reason), reason)


def _state(reason: str) -> SpanState:
    return SpanState.WAITED if reason in _NOT_ITS_TIME else SpanState.YIELDED


def _joined(found: Sequence[Span]) -> list[Span]:
    """Chunks of one stage that follow each other without a wait are one span."""
    joined: list[Span] = []
    for span in found:
        last = joined[-1] if joined else None
        same = last and (last.stage, last.state, last.reason) == (
            span.stage,
            span.state,
            span.reason,
        )
        if last and same and span.start - last.end <= _AT_ONCE_S:
            joined[-1] = replace(last, end=span.end)
        else:
            joined.append(span)
    return joined


def night_between(ledger: Ledger, start: float, end: float) -> Night:
    """All that was done between two moments; where a run was queued and nothing was, what held it up."""
    attempts = ledger.attempts_between(start, end)
    decisions = ledger.decisions_between(start, end)
    told = []
    for number in sorted({attempt.run for attempt in attempts}):
        mine = [a for a in attempts if a.run == number]
        # What lies before the first work of a night is no stepping aside.
        told.append(
            (ledger.run(number), mine, spans(mine, max(start, mine[0].started), end, decisions))
        )
    stretches = [span for _, _, found in told for span in found]
    work = [span for span in stretches if span.state == SpanState.WORKED]
    aside = [span for span in stretches if span.state == SpanState.YIELDED]
    return Night(
        start,
        end,
        sum(span.seconds for span in work),
        sum(span.seconds for span in work if span.stage == "train"),
        _by_reason(aside if work else _held_up(ledger, start, end, decisions)),
        tuple(_run_of_night(ledger, run, mine) for run, mine, _ in told),
    )


def _held_up(
    ledger: Ledger, start: float, end: float, decisions: Sequence[PastDecision]
) -> list[Span]:
    """Why nothing was done while a run was queued. Without a worker, that is one which is open still."""
    first = decisions[0] if decisions and decisions[0].at <= start else None
    if first is None:
        reason = "no_worker"
    elif first.reason in _BY_THE_CLOCK:
        reason = "woke"
    else:
        reason = "queued" if first.allowed else first.reason
    queued = min((run.created for run in ledger.runs() if run.open), default=end)
    found = []
    for span in _waits("", start, end, reason, decisions):
        if span.reason == "no_worker":
            found.append(replace(span, start=max(span.start, queued)))
        elif span.state == SpanState.YIELDED:
            found.append(span)
    return [span for span in found if span.seconds > _AT_ONCE_S]


def _by_reason(found: Sequence[Span]) -> tuple[Aside, ...]:
    """The longest first."""
    asides: dict[str, Aside] = {}
    for span in found:
        so_far = asides.get(span.reason, Aside(span.reason, 0, 0.0))
        asides[span.reason] = Aside(span.reason, so_far.times + 1, so_far.seconds + span.seconds)
    return tuple(sorted(asides.values(), key=lambda one: -one.seconds))


def _run_of_night(ledger: Ledger, run: Run, attempts: Sequence[Attempt]) -> RunOfNight:
    stages = {stage.name: stage for stage in ledger.stages(run.id)}
    trained = [a for a in attempts if a.stage == "train" and a.last_step is not None]
    reached = max((a.last_step or 0 for a in trained), default=0)
    last = attempts[-1].outcome
    return RunOfNight(
        run=run.id,
        state=run.state,
        reason=run.reason,
        steps=reached - trained[0].first_step if trained else 0,
        reached=stages[StageName.TRAIN].step,
        total_steps=stages[StageName.TRAIN].total_steps,
        stopped="" if last in (None, *_WENT_ON) else last,
        before=summary_of(stages[StageName.BASELINE]).accuracy,
        after=summary_of(stages[StageName.EVALUATE]).accuracy,
        decision=summary_of(stages[StageName.COMPARE]).decision or "",
    )
