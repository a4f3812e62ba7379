"""The page's figures in sentences, for someone who has never heard of their names."""

from collections.abc import Sequence
from typing import Any

from nightschool.reports.text.wording import counted, fine_percent, p_value, percent, points, signed
from nightschool.stats.results import Arm, Check, Paired, Report, Seed, TestExposures
from nightschool.stats.terms import ArmName, CheckName

_QUESTIONS = {
    "better": "Does it sort more notes right, beyond luck?",
    "macro-F1": "Does that hold where every kind counts alike (macro-F1)?",
    "kinds": "Is every kind still found as often?",
    "none": "Are notes of no kind still found as often?",
    "cheap arms": "Is it better than what costs seconds to train?",
}
# With fewer, 95 % intervals hold the truth less often where nearly all is right (docs/numbers.md).
_ENOUGH_GROUPS = 20
_MARKS = {"passed": "✓ passed", "failed": "✗ not passed", "unsettled": "? unsettled"}


def change(difference: float) -> str:
    """0.34 -> '+34 points'."""
    number = points(difference)
    return f"{signed(number)} {'point' if abs(number) == 1 else 'points'}"


def change_interval(bounds: Sequence[float]) -> str:
    """[-0.04, 0.16] -> '−4 to +16'."""
    return " to ".join(signed(points(bound)) for bound in bounds)


def after_better(report: Report, arm: Arm) -> str:
    """How probable it is that the night's model is better than an arm; '' where that was not asked.

    The probability is one of at least that, so what was not better at all would read as surely worse.
    """
    if arm.after_better is None:
        return ""
    better = report.arm(ArmName.AFTER).accuracy > arm.accuracy
    return fine_percent(arm.after_better) if better else "no better"


def better_than_champion(paired: Paired) -> str:
    """The same against the model in use, within a sentence."""
    if paired.wins <= paired.losses:
        return "no better"
    return f"better with a probability of at least {fine_percent(paired.p_better)}"


def by_chance(report: Report) -> str:
    """What the split into fixed and broken says, in words first and the test's name last.

    The test is that of the decision, two-sided: by group. Where every note is a group of its own, it is
    McNemar's.
    """
    pair, items, groups = report.paired, report.items, report.dataset.groups
    if not pair.wins + pair.losses:
        return "Both answered every note alike, right or wrong."
    # Equal models gain and lose as much equally often, so both sides are twice the rarer one.
    p = min(1.0, 2 * (1 - max(pair.p_better, pair.p_worse)))
    nothing = "Had the night changed nothing, fixed and broken would be about as many"
    if groups == items:
        return (
            f"{nothing}: luck alone gives a split as uneven as this {_nights(p)} (exact McNemar test, "
            f"{p_value(p)})."
        )
    worth = max(1, round(items / pair.design_effect))
    return (
        f"{nothing}. But the {items} test notes are of {counted(groups, 'group')} (nearly the same text, or "
        "of one file or source), whose notes are fixed or broken together: luck alone gives a split as "
        f"uneven as this {_nights(p)} (exact sign-flip test by group, {p_value(p)}). For this change "
        f"they are worth {counted(worth, 'single note')} (design effect {pair.design_effect:.1f})."
    )


def _nights(p: float) -> str:
    """How often something of probability `p` happens by luck."""
    if p < 0.001:
        return "less than once in 1,000 nights"
    if p < 0.0095:
        return f"in {round(1000 * p)} of 1,000 nights"
    return f"in {percent(p)} of such nights"


def few_groups(report: Report) -> str:
    """How far intervals can be believed where the test notes are of a few groups; '' where of enough."""
    groups, items = report.dataset.groups, report.items
    if groups == items or groups >= _ENOUGH_GROUPS:
        return ""
    return (
        f"The test notes are of {counted(groups, 'group')} only, which shows little of how alike the notes "
        "of a group fare: the intervals are rough."
    )


def checks_by_reference(report: Report) -> list[dict[str, Any]]:
    """The decision's checks in groups: against before, the model in use, and the cheap arms."""
    used = f" (run {report.champion.run})" if report.champion else ""
    titles = {
        "before": "Against before",
        "champion": f"Against the model in use{used}",
        "cheap arms": "Against the cheap arms",
    }
    groups: dict[str, list[dict[str, str]]] = {}
    for check in report.checks:
        of = check.name if check.name == CheckName.CHEAP_ARMS else check.reference
        state = _state(check)
        row = {"state": state, "mark": _MARKS[state], "detail": check.detail}
        groups.setdefault(of, []).append({**row, "question": _QUESTIONS[check.name]})
    return [{"title": titles[of], "rows": groups[of]} for of in titles if of in groups]


def _state(check: Check) -> str:
    if check.passed:
        return "passed"
    return "failed" if check.settled else "unsettled"


def seeds_apart(seeds: Sequence[Seed]) -> str:
    """How far the seeds' models lie apart; '' without any."""
    if not seeds:
        return ""
    accuracies = [seed.accuracy for seed in seeds]
    low, high = min(accuracies), max(accuracies)
    apart = counted(points(high) - points(low), "point")
    return f"{percent(low)} to {percent(high)} right, {apart} apart"


def temperature(report: Report) -> str:
    """Where the correction comes from; '' where there is none."""
    found = report.calibration.get(ArmName.AFTER)
    if not found or found.temperature is None:
        return ""
    towards = "less" if found.temperature > 1 else "more"
    return (
        f"Corrected is with a temperature of {found.temperature:.2f}, which "
        f"{counted(found.validation, 'validation note')} gave: it makes the model {towards} sure of "
        "itself and changes no answer."
    )


def abstention(report: Report) -> str:
    """What the threshold does and where it comes from; '' where it was not measured."""
    found = report.abstention
    if found is None:
        return ""
    cost = f"a wrong kind costs 1 and a note left unsorted {found.unsorted_cost:g}"
    origin = f"on {counted(found.validation, 'validation note')}, where {cost}"
    if not found.validation:
        return "There were no validation notes to choose a threshold on: all notes are sorted."
    if found.threshold <= 0:
        return f"Leaving notes unsorted does not pay {origin}: all notes are sorted."
    use = (
        "nightschool classify uses it."
        if found.in_use
        else "nightschool classify uses it with classify.abstain = true."
    )
    return f"{at_threshold(report)} This threshold has the least cost {origin}. {use}"


def at_threshold(report: Report) -> str:
    """Coverage and risk at the threshold; '' where there is none."""
    found = report.abstention
    if found is None or found.threshold <= 0:
        return ""
    share = percent(found.coverage)
    if found.risk is None:
        return f"Above a probability of {percent(found.threshold)} no answer stands."
    return (
        f"Above a probability of {percent(found.threshold)} the answers to {share} of the notes stand, and "
        f"{percent(found.risk)} of these are wrong."
    )


def looks(found: TestExposures) -> str:
    """How worn the test notes are, and what that does to the figures."""
    times = "once" if found.looks == 1 else f"{found.looks} times"
    text = f"These test notes have been looked at {times}, for {counted(found.models, 'trained model')}."
    if found.models < 2:
        return text
    gain = points(found.optimism)
    by = counted(gain, "point") if gain else "less than a point"
    return (
        f"{text} The best of {found.models} equally good models looks up to {by} better than it is, by "
        "luck alone: the more often you choose by these notes, the less they can say. New test notes "
        "make that good."
    )
