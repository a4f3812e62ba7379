"""The report's first line, in plain words."""

from __future__ import annotations

from nightschool.reports.text.explanations import change, change_interval
from nightschool.reports.text.leak_wording import leaks_in_words
from nightschool.reports.text.wording import arm_in_words, counted, percent, points
from nightschool.stats.results import Check, Paired, Report
from nightschool.stats.terms import ArmName, CheckName, Decision, Reference


def verdict(report: Report) -> str:
    """What training achieved, in one line; it names a cheap arm that does as well or better."""
    return " ".join(verdict_sentences(report))


def verdict_sentences(report: Report) -> list[str]:
    """The verdict's sentences: the outcome, label leaks, the model in use, what a promotion could not check,
    and the cheap rival; all but the first only if they apply."""
    return [
        _outcome(report),
        *leaks_in_words(report.label_leaks),
        *_champion(report),
        *_unchecked(report),
        *_rival(report),
    ]


def _outcome(report: Report) -> str:
    delta = points(report.paired.delta_accuracy)
    spread = _interval(report.paired)
    share = percent(report.arm(ArmName.AFTER).accuracy)
    notes = counted(report.items, "test note")
    match report.decision:
        case Decision.PROMOTE:
            return (
                f"After training, the model sorts {share} of {notes} correctly, "
                f"{_compared(delta)} {spread}."
            )
        case Decision.INCONCLUSIVE:
            moved = f"{change(report.paired.delta_accuracy)} {spread}"
            return (
                f"After training, the model {_guess(report, delta)}: {moved}. {_to_settle(report)}"
            )
        case Decision.KEEP:
            correct = f"{share} of {notes} correct, {_compared(delta)} {spread}"
            if _only_champion_failed(report):
                return f"After training, the model is no better than the one in use: {correct}."
            # A gain that the decision rejects must not read as a loss.
            no_better = "counts as no better" if delta > 0 else "is no better"
            return f"After training, the model {no_better}: {correct}."


def _interval(paired: Paired) -> str:
    return f"(95 % interval {change_interval(paired.delta_ci)})"


def _compared(delta: int) -> str:
    if delta == 0:
        return "as many as before"
    return f"{counted(abs(delta), 'point')} {'more' if delta > 0 else 'fewer'} than before"


def _failed(report: Report) -> list[Check]:
    return [c for c in report.checks if not c.passed and c.name != CheckName.CHEAP_ARMS]


def _only_champion_failed(report: Report) -> bool:
    """Whether only checks against the model in use failed."""
    failed = _failed(report)
    return bool(failed) and all(check.reference == Reference.CHAMPION for check in failed)


def _guess(report: Report, delta: int) -> str:
    if _only_champion_failed(report):
        return "is better than before, but not clearly better than the one in use"
    failed = _failed(report)
    if failed and all(check.name != CheckName.BETTER for check in failed):
        return "sorts more notes correctly, but may be worse at some kinds"
    if delta == 0:
        return "may be better or worse"
    return "may be better" if delta > 0 else "may be worse"


def _to_settle(report: Report) -> str:
    """How many more test notes would settle the decision, and how many labelled notes those take."""
    notes = f"{counted(report.items, 'test note')} cannot settle it"
    more = report.more_notes
    if more is None:
        return f"{notes}."
    data = report.dataset
    own = data.train - data.made + data.validation + data.test
    labelled = _rounded(more * own / data.test)
    return f"{notes}; about {_rounded(more)} more would (roughly {labelled} more labelled notes)."


def _rounded(number: float) -> str:
    """Two significant digits; the estimate is no more precise."""
    return f"{int(float(f'{number:.1e}')):,}" if number >= 10 else f"{round(number)}"


def _champion(report: Report) -> list[str]:
    champion = report.champion
    if champion is None:
        return []
    if champion.paired is None or champion.accuracy is None:
        return [
            f"It was not compared with the model in use (run {champion.run}): {champion.why_not}."
        ]
    moved = f"{change(champion.paired.delta_accuracy)} {_interval(champion.paired)}"
    accuracy = f"run {champion.run}, {percent(champion.accuracy)} correct"
    sentences = [f"Compared with the model in use ({accuracy}), the change is {moved}."]
    if champion.why_not:
        sentences.append(f"This covers only part of the notes: {champion.why_not}.")
    return sentences


def _unchecked(report: Report) -> list[str]:
    """A warning if a promotion passed a check that its few test notes could not have failed."""
    unseen = any(
        check.name == CheckName.NONE and check.passed and not check.settled
        for check in report.checks
    )
    if report.decision != Decision.PROMOTE or not unseen:
        return []
    return ["Too few test notes are of no kind to tell whether the model still recognizes those."]


def _rival(report: Report) -> list[str]:
    if not report.rivals:
        return []
    name = report.rivals[0]
    accuracy, own = report.arm(name).accuracy, report.arm(ArmName.AFTER).accuracy
    words = arm_in_words(name)
    rival = f"{words[0].upper()}{words[1:]}"
    if any(_shows_better_rival(check) for check in report.checks):
        return [f"{rival} does better: {percent(accuracy)}."]
    if accuracy >= own:
        return [f"{rival} does at least as well: {percent(accuracy)}."]
    notes = counted(report.items, "note")
    return [f"{rival} may do as well: {percent(accuracy)}, and {notes} cannot tell the two apart."]


def _shows_better_rival(check: Check) -> bool:
    """Whether the check found a cheap arm that is better beyond chance."""
    return check.name == CheckName.CHEAP_ARMS and check.settled and not check.passed
