"""The report's tables for the terminal."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from nightschool.reports.text.explanations import after_better, few_groups
from nightschool.reports.text.wording import (
    SMALLEST_N,
    arm_title,
    counted,
    f1,
    interval,
    percent,
    points,
    recall,
    score_interval,
)
from nightschool.stats.results import Arm, Report, Sorting
from nightschool.stats.terms import ArmName, CheckName

BEFORE_STYLE = "yellow"
AFTER_STYLE = "bold cyan"


def before_after(report: Report) -> Table:
    """All arms on the test notes: accuracy and macro-F1 with their 95 % intervals, and how probable it
    is that the night's model is better."""
    table = Table(title=f"Run {report.run} on {report.items} test notes", title_style="bold")
    table.add_column("")
    # In 80 columns there is room for these, and for an arm's name in two lines.
    for heading in ("accuracy (95 %)", "macro-F1 (95 %)", "after better"):
        table.add_column(heading, justify="right", no_wrap=True)
    for arm in report.arms:
        table.add_row(
            *_arm_cells(report, arm), style=AFTER_STYLE if arm.name == ArmName.AFTER else None
        )
    return table


def per_kind(report: Report) -> Table:
    """Each kind's recall and F1, before and after; no F1 where n < SMALLEST_N."""
    before, after = (report.arm(name).per_kind for name in (ArmName.BEFORE, ArmName.AFTER))
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
    """What the decision asked, and what was found; None where an earlier version made the report."""
    if not report.checks:
        return None
    table = Table(title="What a promotion asks", title_style="bold")
    table.add_column("against")
    table.add_column("asked")
    table.add_column("")
    table.add_column("found", overflow="fold")
    for check in report.checks:
        mark = "yes" if check.passed else "no" if check.settled else "open"
        against = "the cheap arms" if check.name == CheckName.CHEAP_ARMS else check.reference
        name = "better" if check.name == CheckName.CHEAP_ARMS else check.name
        table.add_row(against, name, mark, Text(check.detail))
    return table


def seeds(report: Report) -> Table | None:
    """Each seed's model on the test notes; None where there was one only."""
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
    accuracies = [row.accuracy for row in report.seeds]
    apart = counted(points(max(accuracies)) - points(min(accuracies)), "point")
    table.caption = f"they lie {apart} apart"
    return table


def remarks(report: Report) -> Iterator[str]:
    """Lines on how far intervals and probabilities can be believed, on none, and on looks at the test
    notes."""
    if few := few_groups(report):
        yield f"{few[0].lower()}{few[1:].removesuffix('.')}"
    after = report.calibration.get(ArmName.AFTER)
    if after:
        heat, scaled = after.temperature, after.scaled
        line = f"calibration error {percent(after.plain.ece)}"
        if heat is not None and scaled is not None:
            notes = counted(after.validation, "validation note")
            line += f", {percent(scaled.ece)} with temperature {heat:.2f} (from {notes})"
        yield f"{line}; chance alone gives {percent((scaled or after.plain).ece_by_chance)}"
    yield from _none_lines(report)
    looks = report.looks
    if looks.looks:
        times = "once" if looks.looks == 1 else f"{looks.looks} times"
        yield (
            f"these test notes have been looked at {times}, for {counted(looks.models, 'trained model')}"
        )
    if looks.models > 1:
        yield (
            f"the best of {looks.models} equally good models looks up to "
            f"{counted(points(looks.optimism), 'point')} better than it is, by luck alone: "
            "new test notes make that good"
        )


def _none_lines(report: Report) -> Iterator[str]:
    found, abstention = report.out_of_scope.get(ArmName.AFTER), report.abstention
    if found:
        none = f'"{found.kind}" told from the rest'
        area = "" if found.auroc is None else f", AUROC {found.auroc:.2f}"
        yield (
            f"{none}: {percent(found.recall)} of {found.n} found, "
            f"{percent(found.false_alarms)} of the others taken for it{area}"
        )
    if abstention and abstention.threshold > 0:
        with_, plain = abstention.thresholded, abstention.plain
        use = "in use" if abstention.in_use else "classify.abstain = true puts it to use"
        if with_.cost > plain.cost:
            use += f", but on these notes it costs more, {with_.cost:.2f} a note and not {plain.cost:.2f}"
        yield (
            f"put into a kind other than none: {_sorted(plain)}; where answers below a probability of "
            f"{percent(abstention.threshold)} count as none: {_sorted(with_)} ({use})"
        )


def _sorted(found: Sorting) -> str:
    right = "" if found.right is None else f", {percent(found.right)} of these right"
    return f"{percent(found.answered)} of the notes{right}"


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
