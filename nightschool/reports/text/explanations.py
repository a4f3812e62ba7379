"""The report's figures in sentences, for readers who do not know the figures' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from nightschool.reports.text.wording import counted, fine_percent, p_value, percent, points, signed
from nightschool.stats.results import Arm, Check, Paired, Report, Seed, TestExposures
from nightschool.stats.terms import ArmName, CheckName, Reference

_QUESTIONS: Mapping[CheckName, str] = {
    CheckName.BETTER: "Does it sort more notes correctly, beyond chance?",
    CheckName.MACRO_F1: "Does that hold if every kind counts equally (macro-F1)?",
    CheckName.KINDS: "Is every kind still recognized as often?",
    CheckName.NONE: "Are notes of no kind still recognized as often?",
    CheckName.CHEAP_ARMS: "Is it better than the arms that train in seconds?",
}
# Below this, 95 % intervals of high accuracies hold the truth less often (docs/numbers.md).
_ENOUGH_GROUPS = 20


class CheckState(StrEnum):
    """The result of a check; also a CSS class of the page."""

    PASSED = "passed"
    FAILED = "failed"
    UNSETTLED = "unsettled"


MARKS: Mapping[CheckState, str] = {
    CheckState.PASSED: "✓ passed",
    CheckState.FAILED: "✗ failed",
    CheckState.UNSETTLED: "? unsettled",
}


@dataclass(frozen=True, slots=True)
class CheckRow:
    """A check as the page shows it."""

    state: CheckState
    mark: str
    question: str
    detail: str


@dataclass(frozen=True, slots=True)
class CheckGroup:
    """The checks against one reference."""

    title: str
    rows: tuple[CheckRow, ...]


def change(difference: float) -> str:
    """0.34 -> '+34 points'."""
    number = points(difference)
    return f"{signed(number)} {'point' if abs(number) == 1 else 'points'}"


def change_interval(bounds: Sequence[float]) -> str:
    """[-0.04, 0.16] -> '−4 to +16'."""
    return " to ".join(signed(points(bound)) for bound in bounds)


def after_better(report: Report, arm: Arm) -> str:
    """The probability that the challenger is better than an arm; '' if it was not measured.

    The probability is a lower bound: 0 % would read as surely worse, so a challenger that is not more
    accurate is 'no better'.
    """
    if arm.after_better is None:
        return ""
    better = report.arm(ArmName.AFTER).accuracy > arm.accuracy
    return fine_percent(arm.after_better) if better else "no better"


def better_than_champion(paired: Paired) -> str:
    """The same for the model in use, as part of a sentence."""
    if paired.wins <= paired.losses:
        return "no better"
    return f"better with a probability of at least {fine_percent(paired.p_better)}"


def by_chance(report: Report) -> str:
    """How often chance alone would fix and break answers as unevenly.

    The p-value is that of the decision's test, two-sided and by group. If every note is its own group,
    this is McNemar's test.
    """
    pair, items, groups = report.paired, report.items, report.dataset.groups
    if not pair.wins + pair.losses:
        return "Both models are right about exactly the same notes."
    # The null distribution is symmetric: a two-sided p-value is twice the smaller one-sided one.
    p = min(1.0, 2 * (1 - max(pair.p_better, pair.p_worse)))
    null = "If training had changed nothing, about as many answers would be fixed as broken"
    if groups == items:
        return (
            f"{null}: chance alone gives a split this uneven {_frequency(p)} (exact McNemar test, "
            f"{p_value(p)})."
        )
    worth = max(1, round(items / pair.design_effect))
    return (
        f"{null}. The {items} test notes come from {counted(groups, 'group')} (nearly the same text, one file "
        "or one source), and the notes of a group tend to be fixed or broken together: chance alone gives "
        f"a split this uneven {_frequency(p)} (exact sign-flip test by group, {p_value(p)}). For this change "
        f"they are worth {counted(worth, 'independent note')} (design effect {pair.design_effect:.1f})."
    )


def _frequency(p: float) -> str:
    """How often an event of probability `p` happens."""
    if p < 0.001:
        return "less than once in 1,000 runs"
    if p < 0.0095:
        return f"in {round(1000 * p)} of 1,000 runs"
    return f"in {percent(p)} of such runs"


def few_groups(report: Report) -> str:
    """A warning if the test notes come from too few groups for reliable intervals, else ''."""
    groups, items = report.dataset.groups, report.items
    if groups == items or groups >= _ENOUGH_GROUPS:
        return ""
    return (
        f"The test notes come from only {counted(groups, 'group')}, too few to estimate how similar the "
        "answers within a group are: the intervals are rough."
    )


def checks_by_reference(report: Report) -> list[CheckGroup]:
    """The decision's checks, grouped: against before, the model in use, and the cheap arms."""
    champion = f" (run {report.champion.run})" if report.champion else ""
    cheap = [check for check in report.checks if check.name == CheckName.CHEAP_ARMS]
    groups = [
        ("Compared with before", _against(report, Reference.BEFORE)),
        (f"Compared with the model in use{champion}", _against(report, Reference.CHAMPION)),
        ("Compared with the cheap arms", cheap),
    ]
    return [CheckGroup(title, tuple(map(_row, checks))) for title, checks in groups if checks]


def _against(report: Report, reference: Reference) -> list[Check]:
    return [
        check
        for check in report.checks
        if check.reference == reference and check.name != CheckName.CHEAP_ARMS
    ]


def _row(check: Check) -> CheckRow:
    state = check_state(check)
    return CheckRow(state, MARKS[state], _QUESTIONS[check.name], check.detail)


def check_state(check: Check) -> CheckState:
    """A check that failed for lack of test notes is unsettled."""
    if check.passed:
        return CheckState.PASSED
    return CheckState.FAILED if check.settled else CheckState.UNSETTLED


def seed_range(seeds: Sequence[Seed]) -> str:
    """'77 % to 82 % correct, 5 points apart'; '' without seeds."""
    if not seeds:
        return ""
    accuracies = [seed.accuracy for seed in seeds]
    low, high = min(accuracies), max(accuracies)
    apart = counted(points(high) - points(low), "point")
    return f"{percent(low)} to {percent(high)} correct, {apart} apart"


def temperature(report: Report) -> str:
    """What the corrected column is; '' without one."""
    calibration = report.calibration.get(ArmName.AFTER)
    if not calibration or calibration.temperature is None:
        return ""
    effect = "lowers" if calibration.temperature > 1 else "raises"
    return (
        f"The corrected column uses temperature {calibration.temperature:.2f}, fitted on "
        f"{counted(calibration.validation, 'validation note')}: it {effect} the model's confidence and changes "
        "no answer."
    )


def abstention(report: Report) -> str:
    """What the threshold does and how it was chosen; '' if it was not measured."""
    abstention = report.abstention
    if abstention is None:
        return ""
    cost = f"a wrong kind costs 1 and an unsorted note {abstention.unsorted_cost:g}"
    origin = f"on {counted(abstention.validation, 'validation note')}, where {cost}"
    if not abstention.validation:
        return "There were no validation notes to choose a threshold on, so all notes are sorted."
    if abstention.threshold <= 0:
        return f"Leaving notes unsorted does not pay {origin}: all notes are sorted."
    use = (
        "nightschool classify uses it."
        if abstention.in_use
        else "To use it in nightschool classify, set classify.abstain = true."
    )
    return f"{at_threshold(report)} This threshold has the lowest cost {origin}. {use}"


def at_threshold(report: Report) -> str:
    """Coverage and risk at the threshold; '' without one."""
    abstention = report.abstention
    if abstention is None or abstention.threshold <= 0:
        return ""
    threshold = percent(abstention.threshold)
    if abstention.risk is None:
        return f"No answer has a probability of {threshold} or more."
    return (
        f"{percent(abstention.coverage)} of the answers have a probability of {threshold} or more; "
        f"{percent(abstention.risk)} of these are wrong."
    )


def exposures(counts: TestExposures) -> str:
    """How often the test notes were evaluated, and how much that flatters the best model."""
    times = "once" if counts.looks == 1 else f"{counts.looks} times"
    models = counted(counts.models, "trained model")
    text = f"These test notes have been evaluated {times}, for {models}."
    if counts.models < 2:
        return text
    gain = points(counts.optimism)
    by = counted(gain, "point") if gain else "less than a point"
    return (
        f"{text} By chance alone, the best of {counts.models} equally good models looks up to {by} better than "
        "it is: the more often you choose by these notes, the less they can tell you. New test notes remedy "
        "that."
    )
