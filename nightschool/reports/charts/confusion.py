"""One arm's confusion matrix as a chart."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nightschool.reports.charts.drawing import (
    FONT_SIZE,
    SMALL,
    WIDTH,
    arm_color,
    bare_axes,
    caption,
    columns,
    new_figure,
    readable_on,
    short,
    write,
)
from nightschool.reports.charts.palette import Palette
from nightschool.reports.text.wording import arm_title
from nightschool.stats.results import Arm, Report
from nightschool.stats.terms import ArmName

CONFUSION_CHARTS = ("confusion-before", "confusion-after")
NAMED_KINDS = 24
"""With more kinds the matrix shows only its pattern, without names and counts."""
SLANTED_KINDS = 8
"""With more kinds the columns have the rows' numbers instead of names."""


def confusion(name: ArmName, report: Report, palette: Palette) -> Figure | None:
    """A row for each true kind, a column for each answer, coloured by the share of the row."""
    arm = report.find_arm(name)
    if arm is None or not any(sum(row.values()) for row in arm.confusion.values()):
        return None
    kinds = all_kinds(report)
    return (_named if len(kinds) <= NAMED_KINDS else _pattern)(arm, kinds, palette)


def all_kinds(report: Report) -> list[str]:
    """The kinds in the report's order, then any other answers."""
    arms = [
        arm
        for name in (ArmName.BEFORE, ArmName.AFTER)
        if (arm := report.find_arm(name)) is not None
    ]
    rows = [row for arm in arms for row in arm.confusion.items()]
    answers = {kind for true, row in rows for kind in (true, *row)}
    return [*report.kinds, *sorted(answers - set(report.kinds))]


def _named(arm: Arm, kinds: list[str], palette: Palette) -> Figure:
    slanted = len(kinds) <= SLANTED_KINDS
    names = [short(kind, 18 if slanted else 14) for kind in kinds]
    heads = [short(kind, 12) for kind in kinds]
    if not slanted:
        heads = [str(place) for place in range(1, len(kinds) + 1)]
        names = [f"{name}  {head}" for name, head in zip(names, heads, strict=True)]
    # Inches for the longest name: horizontal on the left, slanted by 45 degrees at the top.
    lying = 0.09 * max(map(columns, names)) + 0.15
    cell = min(0.54, max(0.27, (WIDTH - lying) / len(kinds)))
    side, bottom = cell * len(kinds), 0.08
    slants = [0.068 * columns(head) + 0.1 for head in heads] if slanted else [0.12]
    # How far each slanted name extends past the last column.
    past = [slant - cell * (len(slants) - 0.5 - place) for place, slant in enumerate(slants)]
    height = side + max(slants) + bottom + 0.45
    figure = new_figure(lying + side + max(bottom, *past), height, palette)
    axes = bare_axes(figure, lying, bottom, side, side)
    size = min(FONT_SIZE, cell * 30)
    _matrix(axes, arm, kinds, palette, size)
    for place, (name, head) in enumerate(zip(names, heads, strict=True)):
        write(axes, -0.15, place + 0.5, name, palette.ink, 10, ha="right")
        if slanted:
            write(axes, place + 0.42, -0.12, head, palette.ink, SMALL, slanted=True)
        else:
            write(axes, place + 0.5, -0.35, head, palette.muted, min(size, SMALL), ha="center")
    _title(figure, lying, height, arm, palette)
    return figure


def _pattern(arm: Arm, kinds: list[str], palette: Palette) -> Figure:
    """The matrix of many kinds, without names and counts."""
    side, left, bottom = WIDTH - 0.5, 0.4, 0.42
    height = side + bottom + 0.5
    figure = new_figure(WIDTH, height, palette)
    axes = bare_axes(figure, left, bottom, side, side)
    _matrix(axes, arm, kinds, palette)
    for spine in axes.spines.values():
        spine.set(visible=True, color=palette.line)
    label_text = f"answer (the {len(kinds)} kinds in the table's order)"
    caption(figure, left + side / 2, 0.2, label_text, palette.muted, ha="center")
    label = write(axes, -0.04 * len(kinds), len(kinds) / 2, "true kind", palette.muted, SMALL)
    label.set(rotation=90, ha="center", va="center")
    _title(figure, left, height, arm, palette)
    return figure


def _title(figure: Figure, left: float, height: float, arm: Arm, palette: Palette) -> None:
    color = arm_color(arm.name, palette)
    caption(figure, left, height - 0.2, arm_title(arm.name), color, FONT_SIZE, "bold")


def _matrix(
    axes: Axes, arm: Arm, kinds: list[str], palette: Palette, size: float | None = None
) -> None:
    """The coloured cells; with counts if their font size is given."""
    colors = [palette.panel, arm_color(arm.name, palette)]
    counts: NDArray[np.int64] = np.array(
        [[arm.confusion.get(true, {}).get(kind, 0) for kind in kinds] for true in kinds]
    )
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    cells = LinearSegmentedColormap.from_list(arm.name, colors)(shares)
    extent = (0, len(kinds), len(kinds), 0)
    axes.imshow(cells, extent=extent, interpolation="nearest", aspect="auto")
    if size is None:
        return
    for place in range(len(kinds) + 1):
        axes.axvline(place, color=palette.paper, linewidth=2)
        axes.axhline(place, color=palette.paper, linewidth=2)
    for y, x in zip(*np.nonzero(counts), strict=True):
        text, weight = readable_on(cells[y, x, :3], palette), "bold" if x == y else "normal"
        count = str(counts[y, x])
        write(axes, x + 0.5, y + 0.5, count, text, size, ha="center", weight=weight)
