"""Promote, keep, or inconclusive: one pure function of two models' answers, with its reasons.

A challenger is promoted only if it is better beyond chance and nothing important got worse:

- better: it answers more test notes correctly, with a probability of at least `confidence`;
- macro-F1: the lower bound of the 95 % interval of its change is above -`margin`;
- kinds: no kind with SMALLEST_N test notes or more loses both recall, beyond chance, and F1 (a base model
  that answers one kind to everything has full recall on it: a challenger may recognize fewer of it);
- none: notes of the kind none are not recognized less often beyond chance.

"Beyond chance" is `paired.sign_flip`: exact, by group, one-sided, at the same confidence. There is no
correction for the number of kinds: these checks protect, so a false alarm is the lesser harm. If a check
shows harm, the earlier model is kept; if the test notes can show neither, the decision is inconclusive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from nightschool.notes.sample_size import can_never_promote
from nightschool.reports.text.wording import SMALLEST_N, counted, fine_percent, hundredths
from nightschool.stats.intervals import DRAWS, LEVEL, Codes, codes_of
from nightschool.stats.paired import differences, paired, sign_flip
from nightschool.stats.power import notes_to_bound, notes_to_tell
from nightschool.stats.results import Check, Paired
from nightschool.stats.terms import ArmName, CheckName, Decision, Reference


@dataclass(frozen=True, slots=True)
class Rules:
    """The required certainty of a promotion; see `[decide]` in the settings."""

    confidence: float = 0.95
    margin: float = 0.05


@dataclass(frozen=True)
class Questions:
    """What every model answers: the test notes' kinds, and the group of near-duplicates of each."""

    kinds: Sequence[str]
    true: Sequence[str]
    groups: Sequence[str]
    none: str | None = None
    """The kind that means "none of the above", if there is one."""

    @cached_property
    def codes(self) -> Codes:
        return codes_of(self.groups)

    def of_kind(self, kind: str) -> NDArray[np.bool_]:
        return np.array([true == kind for true in self.true], dtype=bool)


@dataclass(frozen=True, slots=True)
class Judgement:
    """New answers compared with a reference's: the comparison, its checks and their decision."""

    paired: Paired
    checks: tuple[Check, ...]
    decision: Decision
    more_notes: int | None
    """Roughly how many more test notes would settle it; None if no feasible number would."""


@dataclass(frozen=True, slots=True)
class Rival:
    """A cheap arm that the challenger does not beat beyond chance."""

    name: ArmName
    accuracy: float
    better: bool
    """Whether it is better than the challenger beyond chance."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about the challenger, and its reason."""

    decision: Decision
    reason: str
    checks: tuple[Check, ...]
    more_notes: int | None


def judge(
    reference: Reference,
    test: Questions,
    old: Sequence[str],
    new: Sequence[str],
    rules: Rules,
    draws: int = DRAWS,
) -> Judgement:
    """Compare new answers with those of a reference on the same notes. Raises ValueError without notes."""
    pair = paired(test.kinds, test.true, old, new, test.groups, draws)
    checks = [
        _better(reference, test, pair, rules),
        _macro_f1(reference, pair, rules),
        _kinds(reference, test, old, new, rules),
    ]
    if test.none is not None and test.of_kind(test.none).any():
        checks.append(_none(reference, test, test.none, old, new, rules))
    decision = _decision_from(checks)
    more = _more_notes(test, pair, checks, rules) if decision == Decision.INCONCLUSIVE else None
    return Judgement(pair, tuple(checks), decision, more)


def decide(judged: Sequence[Judgement], cheap: Check | None) -> Verdict:
    """Combine the judgements: a promotion has to pass all of them.

    A cheap arm that does as well does not prevent a promotion: `classify` gets the better of the two
    models, and the reason names the arm.
    """
    checks = [check for judgement in judged for check in judgement.checks]
    decision = _decision_from(checks)
    reasons = [check for check in checks if check.name == CheckName.BETTER]
    if decision != Decision.PROMOTE:
        failed = [c for c in checks if not c.passed and c.settled == (decision == Decision.KEEP)]
        reasons = [c for c in reasons if c.reference == failed[0].reference]
        reasons += [c for c in failed if c not in reasons]
    reason = "; ".join(check.detail for check in reasons)
    if decision == Decision.PROMOTE and cheap is not None and not cheap.passed:
        reason += f"; but {cheap.detail}"
    more = [j.more_notes for j in judged if j.decision == Decision.INCONCLUSIVE]
    estimates = [notes for notes in more if notes is not None]
    settles = (
        max(estimates)
        if decision == Decision.INCONCLUSIVE and len(estimates) == len(more)
        else None
    )
    return Verdict(decision, reason, (*checks, *([cheap] if cheap else [])), settles)


def against_cheap(
    test: Questions,
    cheap: Mapping[ArmName, Paired],
    accuracy: Mapping[ArmName, float],
    rules: Rules,
) -> tuple[Check, list[Rival]]:
    """A check whether the challenger beats every cheap arm, and the arms that it does not beat."""
    rivals = [
        Rival(name, accuracy[name], pair.p_worse >= rules.confidence)
        for name, pair in cheap.items()
        if pair.p_better < rules.confidence
    ]
    rivals.sort(key=lambda rival: (rival.better, rival.accuracy), reverse=True)
    better = [rival.name for rival in rivals if rival.better]
    if better:
        detail = f"{' and '.join(better)} {'is' if len(better) == 1 else 'are'} better"
    elif rivals:
        names = " and ".join(rival.name for rival in rivals)
        detail = f"{names} may be as good: {counted(len(test.true), 'note')} cannot tell"
    else:
        detail = f"better beyond chance than {', '.join(cheap)}"
    settled = not rivals or bool(better)
    return Check(Reference.BEFORE, CheckName.CHEAP_ARMS, not rivals, settled, detail), rivals


def _decision_from(checks: Sequence[Check]) -> Decision:
    failed = [check for check in checks if not check.passed]
    if not failed:
        return Decision.PROMOTE
    settled = any(check.settled for check in failed)
    return Decision.KEEP if settled else Decision.INCONCLUSIVE


def _better(reference: Reference, test: Questions, pair: Paired, rules: Rules) -> Check:
    of = f"of {counted(len(test.true), 'test note')}"
    against = "against the model in use, " if reference == Reference.CHAMPION else ""
    change = f"{against}{pair.wins} {of} fixed, {pair.losses} broken"
    required = fine_percent(rules.confidence)
    passed = pair.p_better >= rules.confidence
    worse = pair.p_worse >= rules.confidence
    if worse:
        result = f"worse with a probability of at least {fine_percent(pair.p_worse)}"
    elif passed:
        result = f"better with a probability of at least {fine_percent(pair.p_better)}"
    elif not pair.wins + pair.losses:
        result = "no difference"
    elif pair.delta_accuracy > 0:
        result = (
            f"better with a probability of {fine_percent(pair.p_better)}; {required} is required"
        )
    else:
        result = "not better, which may be chance"
    return Check(reference, CheckName.BETTER, passed, passed or worse, f"{change}: {result}")


def _macro_f1(reference: Reference, pair: Paired, rules: Rules) -> Check:
    low, high = pair.delta_macro_f1_ci or (-1.0, 1.0)
    passed, harmed = low > -rules.margin, high <= -rules.margin
    position = "above" if passed else "not above"
    spread = f"{hundredths(pair.delta_macro_f1)} ({hundredths(low)} to {hundredths(high)})"
    detail = f"macro-F1 {spread}: the lower bound is {position} {hundredths(-rules.margin)}"
    return Check(reference, CheckName.MACRO_F1, passed, passed or harmed, detail)


def _kinds(
    reference: Reference, test: Questions, old: Sequence[str], new: Sequence[str], rules: Rules
) -> Check:
    large = [kind for kind in test.kinds if test.of_kind(kind).sum() >= SMALLEST_N]
    dropped = [
        drop
        for kind in large
        if _f1(test, kind, new) < _f1(test, kind, old)
        and (drop := _drop(test, kind, old, new, rules))
    ]
    if dropped:
        return Check(reference, CheckName.KINDS, False, True, "; ".join(dropped))
    if not large:
        detail = f"no kind has {SMALLEST_N} test notes, so a loss would go unnoticed"
        return Check(reference, CheckName.KINDS, True, True, detail)
    few = len(test.kinds) - len(large)
    unseen = f" ({counted(few, 'kind')} with fewer than {SMALLEST_N} not checked)" if few else ""
    detail = f"none of {counted(len(large), 'kind')} is recognized less often beyond chance{unseen}"
    return Check(reference, CheckName.KINDS, True, True, detail)


def _none(
    reference: Reference,
    test: Questions,
    none: str,
    old: Sequence[str],
    new: Sequence[str],
    rules: Rules,
) -> Check:
    dropped = _drop(test, none, old, new, rules)
    if dropped:
        return Check(reference, CheckName.NONE, False, True, dropped)
    unseen = can_never_promote(len(set(test.codes[test.of_kind(none)].tolist())), rules.confidence)
    change = "too few notes to see a drop" if unseen else "no drop beyond chance"
    return Check(
        reference,
        CheckName.NONE,
        True,
        not unseen,
        f"{_recognized(test, none, old, new)}: {change}",
    )


def _drop(
    test: Questions, kind: str, old: Sequence[str], new: Sequence[str], rules: Rules
) -> str | None:
    """How far the recall of a kind dropped, or None if not beyond chance."""
    its = test.of_kind(kind)
    difference = differences(test.true, old, new)
    if sign_flip(-difference[its], test.codes[its]) > 1 - rules.confidence:
        return None
    return f"{_recognized(test, kind, old, new)}: a drop beyond chance"


def _f1(test: Questions, kind: str, answers: Sequence[str]) -> float:
    hits = sum(a == t == kind for a, t in zip(answers, test.true, strict=True))
    return 2 * hits / (sum(a == kind for a in answers) + sum(t == kind for t in test.true))


def _recognized(test: Questions, kind: str, old: Sequence[str], new: Sequence[str]) -> str:
    """How many notes of a kind each model recognizes."""
    its = [i for i, true in enumerate(test.true) if true == kind]
    before, after = (sum(answers[i] == kind for i in its) for answers in (old, new))
    return f'of {counted(len(its), "note")} "{kind}", {before} recognized before, {after} after'


def _more_notes(test: Questions, pair: Paired, checks: Sequence[Check], rules: Rules) -> int | None:
    """The largest number that a failed check needs, at the observed differences."""
    n, needed = len(test.true), []
    open_ = {check.name for check in checks if not check.passed}
    if CheckName.BETTER in open_:
        effect = pair.design_effect
        needed.append(notes_to_tell(pair.wins, pair.losses, n, rules.confidence, effect))
    if CheckName.MACRO_F1 in open_:
        low, high = pair.delta_macro_f1_ci or (-1.0, 1.0)
        error = (high - low) / (2 * float(norm.ppf((1 + LEVEL) / 2)))
        needed.append(notes_to_bound(n, pair.delta_macro_f1 + rules.margin, error, LEVEL))
    if None in needed:
        return None
    return max(1, *(total - n for total in needed if total is not None))
