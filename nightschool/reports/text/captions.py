"""What each chart shows and how to read it, and its figures in words for screen readers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nightschool.config.durations import format_duration
from nightschool.reports.text import explanations
from nightschool.reports.text.reason_names import reason_name
from nightschool.reports.text.wording import arm_title, counted, finite_losses, interval, percent
from nightschool.reports.timeline import spans_of
from nightschool.stats.results import Report
from nightschool.stats.terms import CHEAP_ARMS, ArmName, SpanState

_Text = Callable[[Report], str]


def alt_text(chart: str, report: Report) -> str:
    """The chart's figures in words."""
    return _ALT_TEXTS[chart](report)


def how_to_read(chart: str, report: Report) -> str:
    """The question that the chart answers, and how to read it."""
    return _HOW_TO_READ[chart](report)


def confusions(report: Report, name: ArmName) -> list[tuple[str, str, int]]:
    """(true kind, answer, notes) of one arm's wrong answers, the most frequent first."""
    arm = report.find_arm(name)
    rows = arm.confusion.items() if arm else ()
    wrong = [(true, answer, n) for true, row in rows for answer, n in row.items() if answer != true]
    return sorted((row for row in wrong if row[2]), key=lambda row: -row[2])


def time_spent(report: Report) -> list[tuple[str, str]]:
    """How long each stage worked, and how long the run was interrupted or waited for each reason."""
    worked: dict[str, float] = {}
    idle: dict[tuple[str, SpanState], list[float]] = {}
    for span in spans_of(report):
        if span.reason is None:
            worked[span.stage] = worked.get(span.stage, 0) + span.seconds
        else:
            idle.setdefault((reason_name(span.reason), span.state), []).append(span.seconds)
    lines = [(stage, f"worked {format_duration(seconds)}") for stage, seconds in worked.items()]
    for (reason, state), seconds in idle.items():
        times = f", {len(seconds)} times" if len(seconds) > 1 else ""
        verb = "interrupted" if state == SpanState.YIELDED else "waited"
        lines.append((reason, f"{verb} {format_duration(sum(seconds))}{times}"))
    return lines


def _accuracy(report: Report) -> str:
    arms = [
        f"{arm_title(arm.name)} {percent(arm.accuracy)} ({interval(arm.accuracy_ci)})"
        for arm in report.arms
    ]
    return f"Accuracy with 95 % interval: {'; '.join(arms)}."


def _read_accuracy(report: Report) -> str:
    sentences = [
        "How many notes does each arm sort correctly, and how certain is that? The dot is the measured "
        "share; in 95 of 100 such measurements the true share lies within the line."
    ]
    if few := explanations.few_groups(report):
        sentences.append(few)
    if any(arm.name in CHEAP_ARMS for arm in report.arms):
        sentences.append(
            "Squares are cheap arms, which train in seconds. Whatever lies left of the dotted line is worse "
            "than the best of them."
        )
    if len(report.seeds) > 1:
        sentences.append("Small strokes are the other seeds of the same training.")
    return " ".join(sentences)


def _confusion(name: ArmName) -> _Text:
    def text(report: Report) -> str:
        arm = report.arm(name)
        right = sum(row.get(kind, 0) for kind, row in arm.confusion.items())
        correct = f"{arm_title(name)}: {right} of {counted(report.items, 'note')} on the diagonal (correct)."
        frequent = [
            f"{true} answered as {answer} {counted(n, 'time')}"
            for true, answer, n in confusions(report, name)[:3]
        ]
        return (
            f"{correct} Most frequent confusions: {'; '.join(frequent)}." if frequent else correct
        )

    return text


def _read_confusion(report: Report) -> str:
    return (
        "Which kinds are confused? Each row is a true kind, each column an answer; correct answers are on "
        "the diagonal. A cell shows the number of notes, its colour their share of the row."
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
        "Does the model learn, or memorize? The line is the loss on training notes, the diamonds the loss on "
        "validation notes, which are never trained on. Lower is better; diamonds that rise while the line "
        "falls mean memorizing."
    )


def _reliability(report: Report) -> str:
    calibration = report.calibration[ArmName.AFTER]
    parts = []
    for name, measured in (("raw", calibration.plain), ("corrected", calibration.scaled)):
        if measured:
            bins = ", ".join(
                f"{percent(b.confidence)} confidence {percent(b.accuracy)} correct of {b.n}"
                for b in measured.bins
            )
            parts.append(f"{name}, calibration error {percent(measured.ece)}: {bins}")
    return f"Confidence and the share of correct answers. {'; '.join(parts)}."


def _read_reliability(report: Report) -> str:
    markers = (
        "Rings are the model's raw probabilities, discs the corrected ones"
        if report.calibration[ArmName.AFTER].scaled
        else "Rings are the model's probabilities"
    )
    return (
        "Can its probabilities be trusted? Notes are grouped by the model's confidence in its answer. On the "
        "dashed line the model is right exactly as often as its confidence says; below the line it is "
        f"overconfident. {markers}; larger markers stand for more notes."
    )


def _risk(report: Report) -> str:
    parts = []
    for name, curve in report.risk_coverage.items():
        quarters = [
            f"{percent(share)} answered {percent(risk)} wrong"
            for share, risk in _quarters(curve.points)
        ]
        parts.append(f"{arm_title(name)}: {', '.join(quarters)}")
    chosen = explanations.at_threshold(report)
    return f"The most confident answers first. {'; '.join(parts)}.{f' {chosen}' if chosen else ''}"


def _quarters(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The point nearest to each quarter of the notes."""
    return [min(points, key=lambda p: abs(p[0] - share)) for share in (0.25, 0.5, 0.75, 1.0)]


def _read_risk(report: Report) -> str:
    abstention = report.abstention
    diamond = (
        " The diamond is the chosen threshold." if abstention and abstention.threshold > 0 else ""
    )
    return (
        "What do you gain by sorting the uncertain notes yourself? Towards the left fewer notes are answered, "
        "the most confident ones; the lower the line, the fewer of these answers are wrong."
        f"{diamond}"
    )


def _night(report: Report) -> str:
    return f"{'; '.join(f'{name} {text}' for name, text in time_spent(report))}."


def _read_night(report: Report) -> str:
    return (
        "When did it work, and when not? Bars are work, hatched spans interruptions with their reason, dashed "
        "lines waiting. On the right: how long each stage worked."
    )


_ALT_TEXTS: Mapping[str, _Text] = {
    "accuracy": _accuracy,
    "confusion-before": _confusion(ArmName.BEFORE),
    "confusion-after": _confusion(ArmName.AFTER),
    "loss": _loss,
    "reliability": _reliability,
    "risk-coverage": _risk,
    "night": _night,
}
_HOW_TO_READ: Mapping[str, _Text] = {
    "accuracy": _read_accuracy,
    "confusion-before": _read_confusion,
    "confusion-after": _read_confusion,
    "loss": _read_loss,
    "reliability": _read_reliability,
    "risk-coverage": _read_risk,
    "night": _read_night,
}
