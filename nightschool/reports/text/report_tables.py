"""The report's tables and remarks for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from nightschool.reports.text.explanations import (
    after_better,
    check_state,
    exposures,
    few_groups,
    seed_range,
)
from nightschool.reports.text.wording import (
    SMALLEST_N,
    arm_title,
    counted,
    f1,
    interval,
    percent,
    recall,
    score_interval,
)
from nightschool.stats.results import Abstention, Arm, Report, Sorting
from nightschool.stats.terms import ArmName, CheckName

BEFORE_STYLE = "yellow"
AFTER_STYLE = "bold cyan"


def before_after(report: Report) -> Table:
    """All arms on the test notes: accuracy and macro-F1 with their 95 % intervals, and the probability
    that the challenger is better."""
    table = Table(title=f"Run {report.run} on {report.items} test notes", title_style="bold")
    table.add_column("")
    # In 80 columns these fit beside an arm's title of two lines.
    for heading in ("accuracy (95 %)", "macro-F1 (95 %)", "after better"):
        table.add_column(heading, justify="right", no_wrap=True)
    for arm in report.arms:
        style = AFTER_STYLE if arm.name == ArmName.AFTER else None
        table.add_row(*_arm_cells(report, arm), style=style)
    return table


def per_kind(report: Report) -> Table:
    """Each kind's recall and F1, before and after; no F1 if n < SMALLEST_N."""
    before = report.arm(ArmName.BEFORE).per_kind
    after = report.arm(ArmName.AFTER).per_kind
    table = Table(title="Per kind", title_style="bold")
    table.add_column("kind")
    for heading, style in (
        ("n", None),
        ("recall before", BEFORE_STYLE),
        ("recall after", AFTER_STYLE),
        ("F1 before", BEFORE_STYLE),
        ("F1 after", AFTER_STYLE),
    ):
        table.add_column(heading, justify="right", style=style)
    for kind in report.kinds:
        pair = (before.get(kind), after.get(kind))
        n = next((scores.n for scores in pair if scores), 0)
        cells = [*map(recall, pair), *map(f1, pair)]
        # Text, not str: a kind named "[red]" is a name, not markup.
        table.add_row(Text(kind), str(n), *cells, style="dim" if n < SMALLEST_N else None)
    return table


def checks(report: Report) -> Table | None:
    """The conditions of a promotion and their results; None if an earlier version made the report."""
    if not report.checks:
        return None
    table = Table(title="Conditions of a promotion", title_style="bold")
    table.add_column("compared with")
    table.add_column("condition")
    table.add_column("")
    table.add_column("result", overflow="fold")
    for check in report.checks:
        cheap = check.name == CheckName.CHEAP_ARMS
        reference = "the cheap arms" if cheap else check.reference
        name = CheckName.BETTER if cheap else check.name
        table.add_row(reference, name, check_state(check), Text(check.detail))
    return table


def seeds(report: Report) -> Table | None:
    """Each seed's model on the test notes; None if there was only one."""
    if len(report.seeds) < 2:
        return None
    table = Table(title="Seeds", title_style="bold")
    for heading in ("seed", "accuracy", "macro-F1", "validation loss", ""):
        table.add_column(heading, justify="right")
    for row in report.seeds:
        loss = row.validation_loss
        table.add_row(
            str(row.seed),
            percent(row.accuracy),
            f"{row.macro_f1:.2f}",
            "none" if loss is None else f"{loss:.3f}",
            "used" if row.used else "",
        )
    table.caption = seed_range(report.seeds)
    return table


def remarks(report: Report) -> Iterator[str]:
    """Sentences on the reliability of intervals and probabilities, on none of the above, and on test
    exposures."""
    if few := few_groups(report):
        yield few
    yield from _calibration(report)
    yield from _out_of_scope(report)
    abstention = report.abstention
    if abstention and abstention.threshold > 0:
        yield _abstention(abstention)
    if report.looks.looks:
        yield exposures(report.looks)


def _calibration(report: Report) -> Iterator[str]:
    after = report.calibration.get(ArmName.AFTER)
    if not after:
        return
    line = f"Calibration error {percent(after.plain.ece)}"
    if after.temperature is not None and after.scaled is not None:
        notes = counted(after.validation, "validation note")
        line += f", {percent(after.scaled.ece)} with temperature {after.temperature:.2f} (fitted on {notes})"
    yield f"{line}; chance alone gives {percent((after.scaled or after.plain).ece_by_chance)}."


def _out_of_scope(report: Report) -> Iterator[str]:
    scores = report.out_of_scope.get(ArmName.AFTER)
    if scores:
        area = "" if scores.auroc is None else f"; AUROC {scores.auroc:.2f}"
        yield (
            f'Notes of kind "{scores.kind}": {percent(scores.recall)} of {scores.n} recognized, '
            f"{percent(scores.false_alarms)} of the others mistaken for it{area}."
        )


def _abstention(abstention: Abstention) -> str:
    plain, thresholded = abstention.plain, abstention.thresholded
    use = "in use" if abstention.in_use else "to use it, set classify.abstain = true"
    if thresholded.cost > plain.cost:
        use += f"; on these notes it costs more, {thresholded.cost:.2f} instead of {plain.cost:.2f} per note"
    return (
        f"Sorted into a kind other than none: {_sorted(plain)}; if answers below a probability of "
        f"{percent(abstention.threshold)} count as none: {_sorted(thresholded)} ({use})."
    )


def _sorted(sorting: Sorting) -> str:
    right = "" if sorting.right is None else f", {percent(sorting.right)} of these correct"
    return f"{percent(sorting.answered)} of the notes{right}"


def _arm_cells(report: Report, arm: Arm) -> tuple[str, ...]:
    macro = f"{arm.macro_f1:.2f}"
    if arm.macro_f1_ci:
        macro += f" ({score_interval(arm.macro_f1_ci)})"
    return (
        arm_title(arm.name),
        f"{percent(arm.accuracy)} ({interval(arm.accuracy_ci).removesuffix(' %')})",
        macro,
        after_better(report, arm),
    )
