"""What each chart answers, and the same figures in words for whoever does not see it."""

from collections.abc import Callable, Mapping, Sequence

from nightschool.config.durations import format_duration
from nightschool.reports.text import explanations
from nightschool.reports.text.wording import arm_title, counted, finite_losses, interval, percent
from nightschool.reports.timeline import in_words, spans
from nightschool.stats.results import Report
from nightschool.stats.terms import CHEAP_ARMS, ArmName, SpanState

_Words = Callable[[Report], str]


def alt_text(chart: str, report: Report) -> str:
    """The chart's figures in words."""
    return _ALT[chart](report)


def how_to_read(chart: str, report: Report) -> str:
    """One or two plain sentences: what the chart answers, and how to read it."""
    return _READ[chart](report)


def mix_ups(report: Report, name: ArmName) -> list[tuple[str, str, int]]:
    """(true kind, answer, notes) of one arm's wrong answers, the most frequent first."""
    arm = report.find_arm(name)
    rows = arm.confusion.items() if arm else ()
    found = [
        (true, other, n) for true, row in rows for other, n in row.items() if other != true and n
    ]
    return sorted(found, key=lambda one: -one[2])


def _accuracy(report: Report) -> str:
    arms = [
        f"{arm_title(arm.name)} {percent(arm.accuracy)} ({interval(arm.accuracy_ci)})"
        for arm in report.arms
    ]
    return f"Accuracy with its 95 % interval: {'; '.join(arms)}."


def _read_accuracy(report: Report) -> str:
    cheap = [arm for arm in report.arms if arm.name in CHEAP_ARMS]
    squares = (
        " Squares are cheap: seconds to train. What lies left of the dotted line does worse than the "
        "best of them."
        if cheap
        else ""
    )
    seeds = " Small strokes are the same training with another seed." if _more_seeds(report) else ""
    few = explanations.few_groups(report)
    return (
        "How many notes does each sort right, and how sure is that? The dot is what was measured; the "
        "true share lies within the line in 95 of 100 such measurements."
        f"{f' {few}' if few else ''}{squares}{seeds}"
    )


def _more_seeds(report: Report) -> bool:
    return len(report.seeds) > 1


def _confusion(name: ArmName) -> _Words:
    def words(report: Report) -> str:
        arm = report.arm(name)
        right = sum(row.get(kind, 0) for kind, row in arm.confusion.items())
        text = (
            f"{arm_title(name)}: {right} of {counted(report.items, 'note')} on the diagonal, right."
        )
        worst = [
            f"{true} taken for {other} {counted(n, 'time')}"
            for true, other, n in mix_ups(report, name)[:3]
        ]
        return f"{text} Most often mixed up: {'; '.join(worst)}." if worst else text

    return words


def _read_confusion(report: Report) -> str:
    return (
        "Which kinds are mixed up? Each row is a true kind, each column an answer: what is right lies "
        "on the diagonal. A cell counts notes and is coloured by its share of the row."
    )


def _loss(report: Report) -> str:
    parts = []
    training = report.training
    for name, losses in (("training", training.losses), ("validation", training.validation)):
        if pairs := finite_losses(losses):
            (first, start), (last, end) = pairs[0], pairs[-1]
            parts.append(f"{name} loss {start:.2f} at step {first:g}, {end:.2f} at step {last:g}")
    return f"{'; '.join(parts).capitalize()}."


def _read_loss(report: Report) -> str:
    return (
        "Did it learn, or learn by heart? The line is the loss on notes it trains on, the diamonds that "
        "on notes it never trains on: lower is better, and diamonds that rise while the line falls "
        "mean learning by heart."
    )


def _reliability(report: Report) -> str:
    found = report.calibration[ArmName.AFTER]
    parts = []
    for name, measured in (("as it says", found.plain), ("corrected", found.scaled)):
        if measured:
            bins = ", ".join(
                f"{percent(b.confidence)} sure {percent(b.accuracy)} right of {b.n}"
                for b in measured.bins
            )
            parts.append(f"{name}, calibration error {percent(measured.ece)}: {bins}")
    return f"Confidence against the share that is right. {'; '.join(parts)}."


def _read_reliability(report: Report) -> str:
    scaled = report.calibration[ArmName.AFTER].scaled
    rings = (
        "Rings are what the model says, discs the same corrected"
        if scaled
        else "Rings are the model"
    )
    return (
        "Can its probabilities be believed? Notes are put together by how sure the model is; on the "
        f"dashed line it is right just as often as it says, below it it claims too much. {rings}; "
        "a bigger one stands for more notes."
    )


def _risk(report: Report) -> str:
    parts = []
    for name, found in report.risk_coverage.items():
        at = [
            f"{percent(share)} answered {percent(risk)} wrong"
            for share, risk in _quarters(found.points)
        ]
        parts.append(f"{arm_title(name)}: {', '.join(at)}")
    chosen = explanations.at_threshold(report)
    return f"The surest notes first. {'; '.join(parts)}.{f' {chosen}' if chosen else ''}"


def _quarters(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The point nearest to each quarter of the notes."""
    return [min(points, key=lambda p: abs(p[0] - share)) for share in (0.25, 0.5, 0.75, 1.0)]


def _read_risk(report: Report) -> str:
    abstention = report.abstention
    diamond = (
        " The diamond is the chosen threshold: the notes whose answer stands, and what of that is wrong."
        if abstention and abstention.threshold > 0
        else ""
    )
    return (
        "What is gained by leaving the unsure notes to the owner? Going left, fewer notes are answered, "
        f"the surest ones; the lower the line, the fewer of these are wrong.{diamond}"
    )


def _night(report: Report) -> str:
    return f"{'; '.join(f'{name} {words}' for name, words in stretches(report))}."


def _read_night(report: Report) -> str:
    return (
        "When did it work, and when not? Bars are work, hatched is where it stepped aside and for what, "
        "dashes are waiting for its time; at the right, how long each stage worked."
    )


def stretches(report: Report) -> list[tuple[str, str]]:
    """How long each stage worked, and how long the run did not and why, in words."""
    worked: dict[str, float] = {}
    rested: dict[tuple[str, str], list[float]] = {}
    for span in spans(report):
        if span.state == SpanState.WORKED:
            worked[span.stage] = worked.get(span.stage, 0) + span.seconds
        else:
            rested.setdefault((in_words(span.reason), span.state), []).append(span.seconds)
    lines = [(stage, f"worked {format_duration(seconds)}") for stage, seconds in worked.items()]
    for (reason, state), each in rested.items():
        times = f", {len(each)} times" if len(each) > 1 else ""
        did = "stepped aside" if state == SpanState.YIELDED else "waited"
        lines.append((reason, f"{did} {format_duration(sum(each))}{times}"))
    return lines


_ALT: Mapping[str, _Words] = {
    "accuracy": _accuracy,
    "confusion-before": _confusion(ArmName.BEFORE),
    "confusion-after": _confusion(ArmName.AFTER),
    "loss": _loss,
    "reliability": _reliability,
    "risk-coverage": _risk,
    "night": _night,
}
_READ: Mapping[str, _Words] = {
    "accuracy": _read_accuracy,
    "confusion-before": _read_confusion,
    "confusion-after": _read_confusion,
    "loss": _read_loss,
    "reliability": _read_reliability,
    "risk-coverage": _read_risk,
    "night": _read_night,
}
