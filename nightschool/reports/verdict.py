"""The report's first line, in plain words."""

from nightschool.reports.contract import Report, arm_of, find_arm
from nightschool.reports.wording import counted, percent, points, signed


def verdict(report: Report) -> str:
    """What the night did, in one line; names the word-count baseline where it does at least as well."""
    return " ".join(verdict_sentences(report))


def verdict_sentences(report: Report) -> list[str]:
    """The verdict's one or two sentences."""
    sentences = [_outcome(report)]
    after, words = arm_of(report, "after"), find_arm(report, "tfidf-lr")
    if words is not None and words["accuracy"] >= after["accuracy"]:
        share = percent(words["accuracy"])
        sentences.append(f"A simple word-count model (tfidf-lr) does at least as well: {share}.")
    return sentences


def _outcome(report: Report) -> str:
    delta = points(report["paired"]["delta_accuracy"])
    low, high = (signed(points(bound)) for bound in report["paired"]["delta_ci"])
    spread = f"(95 % interval {low} to {high})"
    notes = counted(report["items"], "test note")
    share = f"{percent(arm_of(report, 'after')['accuracy'])} of {notes}"
    match report["decision"]:
        case "promote":
            return f"After the night the model sorts {share} right, {_against(delta)} {spread}."
        case "inconclusive":
            change = f"{signed(delta)} {'point' if abs(delta) == 1 else 'points'} {spread}"
            return f"After the night the model {_guess(delta)}: {change}; {notes} cannot settle it."
        case "keep":
            # A gain that the rule of promotion did not accept must not read as a loss.
            no_better = "counts as no better" if delta > 0 else "is no better"
            result = f"{share} right, {_against(delta)} {spread}"
            return f"After the night the model {no_better}: {result}."


def _against(delta: int) -> str:
    if delta == 0:
        return "as many as before"
    return f"{counted(abs(delta), 'point')} {'more' if delta > 0 else 'fewer'} than before"


def _guess(delta: int) -> str:
    if delta == 0:
        return "may be better or worse"
    return "may be better" if delta > 0 else "may be worse"
