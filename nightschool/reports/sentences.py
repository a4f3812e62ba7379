"""The page's figures in sentences, for someone who has never heard of their names."""

from collections.abc import Sequence
from typing import Any

from nightschool.reports.contract import Check, Looks, Paired, Report, Seed
from nightschool.reports.wording import counted, p_value, percent, points, signed

_QUESTIONS = {
    "better": "Does it sort more notes right, beyond luck?",
    "macro-F1": "Does that hold where every kind counts alike (macro-F1)?",
    "kinds": "Is every kind still found as often?",
    "none": "Are notes of no kind still found as often?",
    "cheap arms": "Is it better than what costs seconds to train?",
}
_MARKS = {"passed": "✓ passed", "failed": "✗ not passed", "unsettled": "? unsettled"}


def change(difference: float) -> str:
    """0.34 -> '+34 points'."""
    number = points(difference)
    return f"{signed(number)} {'point' if abs(number) == 1 else 'points'}"


def change_interval(bounds: Sequence[float]) -> str:
    """[-0.04, 0.16] -> '−4 to +16'."""
    return " to ".join(signed(points(bound)) for bound in bounds)


def by_chance(paired: Paired) -> str:
    """What the split into fixed and broken says, in words first and McNemar's name last."""
    if not paired["wins"] + paired["losses"]:
        return "Both answered every note alike, right or wrong."
    p = paired["mcnemar_p"]
    often = "less than once in 1,000 nights" if p < 0.001 else f"in {percent(p)} of such nights"
    return (
        "Had the night changed nothing, fixed and broken would be about as many: luck alone gives a "
        f"split as uneven as this {often} (exact McNemar test, {p_value(p)})."
    )


def checks_by_reference(report: Report) -> list[dict[str, Any]]:
    """The decision's checks in groups: against before, the model in use, and the cheap arms."""
    used = f" (run {report['champion']['run']})" if report["champion"] else ""
    titles = {
        "before": "Against before",
        "champion": f"Against the model in use{used}",
        "cheap arms": "Against the cheap arms",
    }
    groups: dict[str, list[dict[str, str]]] = {}
    for check in report["checks"]:
        of = check["name"] if check["name"] == "cheap arms" else check["reference"]
        state = _state(check)
        row = {"state": state, "mark": _MARKS[state], "detail": check["detail"]}
        groups.setdefault(of, []).append({**row, "question": _QUESTIONS[check["name"]]})
    return [{"title": titles[of], "rows": groups[of]} for of in titles if of in groups]


def _state(check: Check) -> str:
    if check["passed"]:
        return "passed"
    return "failed" if check["settled"] else "unsettled"


def seeds_apart(seeds: Sequence[Seed]) -> str:
    """How far the seeds' models lie apart; '' without any."""
    if not seeds:
        return ""
    accuracies = [seed["accuracy"] for seed in seeds]
    low, high = min(accuracies), max(accuracies)
    apart = counted(points(high) - points(low), "point")
    return f"{percent(low)} to {percent(high)} right, {apart} apart"


def temperature(report: Report) -> str:
    """Where the correction comes from; '' where there is none."""
    found = report["calibration"].get("after")
    if not found or found["temperature"] is None:
        return ""
    towards = "less" if found["temperature"] > 1 else "more"
    return (
        f"Corrected is with a temperature of {found['temperature']:.2f}, which "
        f"{counted(found['validation'], 'validation note')} gave: it makes the model {towards} sure of "
        "itself and changes no answer."
    )


def abstention(report: Report) -> str:
    """What the threshold does and where it comes from; '' where it was not measured."""
    found = report["abstention"]
    if found is None:
        return ""
    cost = f"a wrong kind costs 1 and a note left unsorted {found['unsorted_cost']:g}"
    origin = f"on {counted(found['validation'], 'validation note')}, where {cost}"
    if not found["validation"]:
        return "There were no validation notes to choose a threshold on: all notes are sorted."
    if found["threshold"] <= 0:
        return f"Leaving notes unsorted does not pay {origin}: all notes are sorted."
    use = (
        "nightschool classify uses it."
        if found["in_use"]
        else "nightschool classify uses it with classify.abstain = true."
    )
    return f"{at_threshold(report)} This threshold has the least cost {origin}. {use}"


def at_threshold(report: Report) -> str:
    """Coverage and risk at the threshold; '' where there is none."""
    found = report["abstention"]
    if found is None or found["threshold"] <= 0:
        return ""
    share = percent(found["coverage"])
    if found["risk"] is None:
        return f"Above a probability of {percent(found['threshold'])} no answer stands."
    return (
        f"Above a probability of {percent(found['threshold'])} the answers to {share} of the notes stand, and "
        f"{percent(found['risk'])} of these are wrong."
    )


def looks(found: Looks) -> str:
    """How worn the test notes are, and what that does to the figures."""
    times = "once" if found["looks"] == 1 else f"{found['looks']} times"
    text = f"These test notes have been looked at {times}, for {counted(found['models'], 'trained model')}."
    if found["models"] < 2:
        return text
    gain = points(found["optimism"])
    by = counted(gain, "point") if gain else "less than a point"
    return (
        f"{text} The best of {found['models']} equally good models looks up to {by} better than it is, by "
        "luck alone: the more often you choose by these notes, the less they can say. New test notes "
        "make that good."
    )
