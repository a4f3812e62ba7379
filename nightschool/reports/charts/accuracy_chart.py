"""Every arm's accuracy as a dot with its interval; cheap arms as squares."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nightschool.reports.charts.drawing import (
    SMALL,
    WIDTH,
    arm_color,
    bare_axes,
    caption,
    new_figure,
    write,
)
from nightschool.reports.charts.palette import Palette
from nightschool.reports.text.wording import arm_title, interval, percent
from nightschool.stats.results import Arm, Report
from nightschool.stats.terms import CHEAP_ARMS, ArmName

_ROW = 0.56
_BELOW = 0.2
"""Distance of a row's dot below the row's middle, in rows; its text is above."""


def accuracy(report: Report, palette: Palette) -> Figure | None:
    """A row for each arm, a dotted line at the best cheap arm, small strokes for the other seeds."""
    arms = report.arms
    if not arms:
        return None
    top, bottom, side = 0.1, 0.6, 0.16
    figure = new_figure(WIDTH, _ROW * len(arms) + top + bottom, palette)
    axes = bare_axes(figure, side, bottom, WIDTH - 2 * side, _ROW * len(arms))
    axes.set(xlim=(0, 1), ylim=(len(arms) - 0.5, -0.5))
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        axes.axvline(tick, color=palette.line, linewidth=0.8, zorder=0)
        label = f"{round(100 * tick)} %"
        ha = {0.0: "left", 1.0: "right"}.get(tick, "center")
        write(axes, tick, len(arms) - 0.25, label, palette.muted, SMALL, ha=ha)
    cheap = [arm.accuracy for arm in arms if arm.name in CHEAP_ARMS]
    if cheap:
        axes.axvline(max(cheap), color=palette.ink, linewidth=1.2, linestyle=(0, (1, 2)), zorder=1)
    for y, arm in enumerate(arms):
        _row(axes, y, arm, palette)
        if arm.name == ArmName.AFTER:
            others = [seed.accuracy for seed in report.seeds if not seed.used]
            _strokes(axes, y, others, palette)
    text = f"share of {report.items:,} test notes sorted correctly, with 95 % interval"
    caption(figure, WIDTH / 2, 0.15, text, palette.muted, ha="center")
    return figure


def _row(axes: Axes, y: int, arm: Arm, palette: Palette) -> None:
    name = arm.name
    ours, cheap = name in (ArmName.BEFORE, ArmName.AFTER), name in CHEAP_ARMS
    color = palette.ink if cheap else arm_color(name, palette)
    bar = y + _BELOW
    width = 2.8 if ours else 1.8
    ends = arm.accuracy_ci
    axes.plot(ends, [bar, bar], color=color, linewidth=width, alpha=0.55, clip_on=False)
    # A ring for before, a disc for after, a square for a cheap arm: distinguishable without colour.
    axes.plot(
        [arm.accuracy],
        [bar],
        "s" if cheap else "o",
        markersize=9 if ours else 6.5,
        markeredgewidth=2.2 if ours else 1,
        markerfacecolor=palette.paper if name == ArmName.BEFORE else color,
        markeredgecolor=color,
        clip_on=False,
    )
    weight = "bold" if ours else "normal"
    figures = f"{percent(arm.accuracy)}   {interval(arm.accuracy_ci)}"
    for x, text, ha in ((0, arm_title(name), "left"), (1, figures, "right")):
        label = write(axes, x, y - 0.18, text, color, 11 if ours else 9.5, ha=ha, weight=weight)
        # Keeps grid lines out of the text.
        label.set_bbox({"facecolor": palette.paper, "edgecolor": "none", "pad": 1.5})


def _strokes(axes: Axes, y: int, accuracies: Sequence[float], palette: Palette) -> None:
    bars = [y + _BELOW] * len(accuracies)
    color = palette.after
    axes.plot(accuracies, bars, "|", color=color, markersize=13, markeredgewidth=1.6, clip_on=False)
