"""The report's first line, in plain words."""

from nightschool.reports.text.wording import arm_in_words, counted, percent, points, signed
from nightschool.stats.results import Check, Paired, Report
from nightschool.stats.terms import ArmName, CheckName, Decision, Reference


def verdict(report: Report) -> str:
    """What the night did, in one line; names the cheap arm that does as well or better, if one does."""
    return " ".join(verdict_sentences(report))


def verdict_sentences(report: Report) -> list[str]:
    """The verdict's sentences: the outcome, the model in use if there is one, what a promotion could not
    see, and the cheap rival."""
    return [_outcome(report), *_champion(report), *_unseen(report), *_rival(report)]


def _outcome(report: Report) -> str:
    delta = points(report.paired.delta_accuracy)
    spread = _spread(report.paired)
    share = f"{percent(report.arm(ArmName.AFTER).accuracy)} of {counted(report.items, 'test note')}"
    result = f"{share} right, {_against(delta)} {spread}"
    match report.decision:
        case Decision.PROMOTE:
            return f"After the night the model sorts {result}."
        case Decision.INCONCLUSIVE:
            change = f"{_change(delta)} {spread}"
            return f"After the night the model {_guess(report, delta)}: {change}; {_to_settle(report)}."
        case Decision.KEEP if _only_champion(report):
            return f"After the night the model is no better than the one in use: {result}."
        case Decision.KEEP:
            # A gain that the rule of promotion did not accept must not read as a loss.
            no_better = "counts as no better" if delta > 0 else "is no better"
            return f"After the night the model {no_better}: {result}."


def _spread(paired: Paired) -> str:
    low, high = (signed(points(bound)) for bound in paired.delta_ci)
    return f"(95 % interval {low} to {high})"


def _change(delta: int) -> str:
    return f"{signed(delta)} {'point' if abs(delta) == 1 else 'points'}"


def _against(delta: int) -> str:
    if delta == 0:
        return "as many as before"
    return f"{counted(abs(delta), 'point')} {'more' if delta > 0 else 'fewer'} than before"


def _failed(report: Report) -> list[Check]:
    return [c for c in report.checks if not c.passed and c.name != CheckName.CHEAP_ARMS]


def _only_champion(report: Report) -> bool:
    """Whether only the model in use stands in the way."""
    failed = _failed(report)
    return bool(failed) and all(check.reference == Reference.CHAMPION for check in failed)


def _guess(report: Report, delta: int) -> str:
    if _only_champion(report):
        return "is better than before, but not surely than the one in use"
    failed = _failed(report)
    if failed and all(check.name != CheckName.BETTER for check in failed):
        return "sorts more notes right, but perhaps some kinds worse"
    if delta == 0:
        return "may be better or worse"
    return "may be better" if delta > 0 else "may be worse"


def _to_settle(report: Report) -> str:
    """How many more test notes would settle it, and how many labelled notes that is."""
    notes = f"{counted(report.items, 'test note')} cannot settle it"
    more = report.more_notes
    if more is None:
        return notes
    data = report.dataset
    own = data.train - data.made + data.validation + data.test
    share = data.test / own
    return f"{notes}, about {_round(more)} more would (some {_round(more / share)} more labelled notes)"


def _round(number: float) -> str:
    """Two significant digits: no more is known."""
    return f"{int(float(f'{number:.1e}')):,}" if number >= 10 else f"{round(number)}"


def _champion(report: Report) -> list[str]:
    champion = report.champion
    if champion is None:
        return []
    if champion.paired is None or champion.accuracy is None:
        why = champion.why_not
        return [f"It was not compared with the model in use (run {champion.run}): {why}."]
    change = _change(points(champion.paired.delta_accuracy))
    used = f"the model in use (run {champion.run}, {percent(champion.accuracy)} right)"
    said = [f"Against {used} that is {change} {_spread(champion.paired)}."]
    return [*said, f"Only in part: {champion.why_not}."] if champion.why_not else said


def _unseen(report: Report) -> list[str]:
    """What a promotion passed although its test notes could not have shown a loss."""
    unseen = any(
        check.name == CheckName.NONE and check.passed and not check.settled
        for check in report.checks
    )
    if report.decision != Decision.PROMOTE or not unseen:
        return []
    return ["The test notes of no kind are too few to tell whether it still finds those."]


def _is_beaten(check: Check) -> bool:
    """Whether the check says that a cheap arm is better beyond chance."""
    return check.name == CheckName.CHEAP_ARMS and check.settled and not check.passed


def _rival(report: Report) -> list[str]:
    if not report.rivals:
        return []
    name = report.rivals[0]
    accuracy, ours = report.arm(name).accuracy, report.arm(ArmName.AFTER).accuracy
    words = arm_in_words(name)
    if any(_is_beaten(check) for check in report.checks):
        does = "does better"
    elif accuracy >= ours:
        does = "does at least as well"
    else:
        does = f"may do as well, as far as {counted(report.items, 'note')} can tell"
    return [f"{words[0].upper()}{words[1:]} {does}: {percent(accuracy)}."]
