"""The report's tables for the terminal."""

from rich.table import Table
from rich.text import Text

from nightschool.reports.contract import Arm, Report, arm_of
from nightschool.reports.wording import SMALLEST_N, arm_title, f1, interval, percent, recall

BEFORE_STYLE = "yellow"
AFTER_STYLE = "bold cyan"


def before_after(report: Report) -> Table:
    """All arms on the test notes: accuracy, its 95 % interval, macro-F1."""
    table = Table(title=f"Run {report['run']} on {report['items']} test notes", title_style="bold")
    table.add_column("")
    for heading in ("accuracy", "95 % interval", "macro-F1"):
        table.add_column(heading, justify="right", no_wrap=True)
    for arm in report["arms"]:
        table.add_row(*_arm_cells(arm), style=AFTER_STYLE if arm["name"] == "after" else None)
    return table


def per_kind(report: Report) -> Table:
    """Each kind's recall and F1, before and after; no F1 where n < SMALLEST_N."""
    before, after = (arm_of(report, name)["per_kind"] for name in ("before", "after"))
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
    for kind in report["kinds"]:
        pair = (before.get(kind), after.get(kind))
        n = next((scores["n"] for scores in pair if scores), 0)
        cells = [*map(recall, pair), *map(f1, pair)]
        # Text, not str: a kind named "[red]" is a name, not markup.
        table.add_row(Text(kind), str(n), *cells, style="dim" if n < SMALLEST_N else None)
    return table


def _arm_cells(arm: Arm) -> tuple[str, str, str, str]:
    return (
        arm_title(arm["name"]),
        percent(arm["accuracy"]),
        interval(arm["accuracy_ci"]),
        f"{arm['macro_f1']:.2f}",
    )
