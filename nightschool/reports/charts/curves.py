"""The report's curves: loss over steps, accuracy over confidence, risk over coverage."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nightschool.reports.charts.drawing import (
    SMALL,
    WIDTH,
    arm_color,
    bare_axes,
    caption,
    new_figure,
    show_scale,
    show_shares,
    write,
)
from nightschool.reports.charts.palette import Palette
from nightschool.reports.text.wording import finite_losses, percent
from nightschool.stats.results import Bin, Report
from nightschool.stats.terms import ArmName


def smooth(losses: Sequence[float]) -> list[float]:
    """Exponential moving average without start-up bias (Adam's correction, Kingma & Ba 2015).

    The span is a twelfth of the run, at least 5 steps.
    """
    keep = 1 - 2 / (max(5.0, len(losses) / 12) + 1)
    average, averages = 0.0, []
    for count, loss in enumerate(losses, start=1):
        average = keep * average + (1 - keep) * loss
        averages.append(average / (1 - keep**count))
    return averages


def loss(report: Report, palette: Palette) -> Figure | None:
    """Training loss, raw and smoothed, and validation loss."""
    losses = finite_losses(report.training.losses)
    validation = finite_losses(report.training.validation)
    if not losses and not validation:
        return None
    height, left, right, bottom = 2.9, 0.5, 1.42, 0.58
    figure = new_figure(WIDTH, height, palette)
    axes = bare_axes(figure, left, bottom, WIDTH - left - right, height - bottom - 0.3)
    steps, values = zip(*(losses + validation), strict=True)
    axes.set(xlim=(0, max(1.0, *steps)), ylim=(0, max(values) * 1.06 or 1.0))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    show_scale(axes, palette)
    ends: list[tuple[float, str, str]] = []
    if losses:
        steps, raw = zip(*losses, strict=True)
        smoothed = smooth(raw)
        axes.plot(steps, raw, color=palette.after, linewidth=0.9, alpha=0.4)
        axes.plot(steps, smoothed, color=palette.after, linewidth=2.2, solid_capstyle="round")
        ends.append((smoothed[-1], f"training {smoothed[-1]:.2f}", palette.after))
    if validation:
        steps, raw = zip(*validation, strict=True)
        axes.plot(steps, raw, "D", color=palette.ink, markersize=5.5, clip_on=False, zorder=3)
        ends.append((raw[-1], f"validation {raw[-1]:.2f}", palette.ink))
    _label_ends(axes, ends)
    caption(figure, left, height - 0.14, "loss (nats)", palette.muted)
    caption(figure, (left + WIDTH - right) / 2, 0.13, "optimizer step", palette.muted, ha="center")
    return figure


def reliability(report: Report, palette: Palette) -> Figure | None:
    """The trained model's accuracy over its confidence, without and with the temperature."""
    calibration = report.calibration.get(ArmName.AFTER)
    if not calibration or not calibration.plain.bins:
        return None
    figure, axes = _square(palette, "confidence", "share correct")
    show_shares(axes, palette)
    axes.plot([0, 1], [0, 1], color=palette.muted, linewidth=1.2, linestyle=(0, (4, 3)))
    label = write(axes, 0.05, 0.07, "perfect", palette.muted, SMALL)
    label.set(rotation=45, rotation_mode="anchor", va="bottom")
    series = [("raw", calibration.plain, palette.ink, palette.paper)]
    if calibration.scaled is not None:
        series.append(("corrected", calibration.scaled, palette.after, palette.after))
    for place, (name, measured, color, face) in enumerate(series):
        _bins(axes, measured.bins, color, face)
        _key(axes, 0.96 - 0.2 * place, name, f"{percent(measured.ece)} error", color, face)
    return figure


def _key(axes: Axes, y: float, name: str, figure: str, color: str, face: str) -> None:
    """The legend of one series, right of the plot."""
    axes.plot(1.07, y, "o", markersize=8, markeredgewidth=1.8, markeredgecolor=color,
              markerfacecolor=face, clip_on=False)  # fmt: skip
    write(axes, 1.13, y, name, color, 10, weight="bold")
    write(axes, 1.13, y - 0.07, figure, color, SMALL)


def _bins(axes: Axes, bins: Sequence[Bin], color: str, face: str) -> None:
    """A dot for each bin, its area proportional to its notes, with the interval of its accuracy."""
    most = max(bin_.n for bin_ in bins)
    for bin_ in bins:
        x = bin_.confidence
        axes.plot([x, x], bin_.accuracy_ci, color=color, linewidth=1.6, alpha=0.5)
        axes.plot(
            [x],
            [bin_.accuracy],
            "o",
            markersize=4 + 7 * math.sqrt(bin_.n / most),
            markeredgewidth=1.8,
            markerfacecolor=face,
            markeredgecolor=color,
            clip_on=False,
            zorder=3,
        )


def risk_coverage(report: Report, palette: Palette) -> Figure | None:
    """The share of wrong answers among the most confident ones, and the chosen threshold."""
    curves = {name: found.points for name, found in report.risk_coverage.items()}
    curves = {name: points for name, points in curves.items() if points}
    if not curves:
        return None
    figure, axes = _square(
        palette, "share answered, most confident first", "share of these that is wrong"
    )
    # The risk of the first few notes is mostly noise: it must not set the scale.
    worst = max(risk for points in curves.values() for share, risk in points if share >= 0.1)
    show_shares(axes, palette, min(1.0, max(0.1, math.ceil(worst * 10.5) / 10)))
    ends = []
    for name, points in curves.items():
        shares, risks = zip(*points, strict=True)
        color, style = arm_color(name, palette), "-" if name == ArmName.AFTER else (0, (5, 2))
        axes.plot(
            shares, risks, color=color, linewidth=2.2, linestyle=style, solid_capstyle="round"
        )
        ends.append((risks[-1], f"{name} {percent(risks[-1])}", color))
    _label_ends(axes, ends)
    _chosen(axes, report, palette)
    return figure


def _chosen(axes: Axes, report: Report, palette: Palette) -> None:
    """The threshold as a diamond on the curve of the trained model."""
    abstention = report.abstention
    if abstention is None or abstention.threshold <= 0:
        return
    if abstention.risk is not None:
        spot = (abstention.coverage, abstention.risk)
        axes.plot(*spot, "D", color=palette.ink, markersize=8, clip_on=False, zorder=4)


def _square(palette: Palette, below: str, above: str) -> tuple[Figure, Axes]:
    """A figure for two shares, with axis labels and room for text on the right."""
    side, left, right, bottom, top = 2.8, 0.58, 1.22, 0.6, 0.34
    figure = new_figure(left + side + right, side + bottom + top, palette)
    axes = bare_axes(figure, left, bottom, side, side)
    caption(figure, left + side / 2, 0.14, below, palette.muted, ha="center")
    caption(figure, 0.1, bottom + side + 0.2, above, palette.muted)
    return figure, axes


def _label_ends(axes: Axes, ends: list[tuple[float, str, str]]) -> None:
    # Labels are right of the plot, at the ends of their lines, at least 9 % of its height apart.
    top = axes.get_ylim()[1]
    lowest = 0.0
    for value, text, color in sorted(ends):
        y = max(value / top, lowest)
        lowest = y + 0.09
        label = write(axes, 1.04, y, text, color, 10, weight="bold")
        label.set_transform(axes.transAxes)
