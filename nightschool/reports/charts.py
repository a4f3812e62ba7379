"""The report's charts as PNGs, each for a light and a dark page.

Figures are drawn on their own canvas, without pyplot's global state.
"""

import math
import os
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from nightschool.reports.contract import Arm, Report, find_arm
from nightschool.reports.palette import SCHEMES, Palette
from nightschool.reports.wording import arm_title, interval, percent

DPI = 144
WIDTH = 6.0
FONT_SIZE = 11.0
SMALL = 9.5
FAMILIES = (
    "Noto Sans CJK JP",
    "Yu Gothic",
    "Meiryo",
    "Hiragino Sans",
    "IPAexGothic",
    "DejaVu Sans",
)
LONGEST_NAME = 18


def draw(report: Report, folder: Path) -> dict[str, dict[str, Path]]:
    """Write the PNGs into `folder`; returns {chart: {"light": path, "dark": path}}.

    A chart without data is left out, and its file from an earlier report is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawers: dict[str, Callable[[Report, Palette], Figure | None]] = {
        "accuracy": _accuracy,
        "confusion": _confusion,
        "loss": _loss,
    }
    charts: dict[str, dict[str, Path]] = {}
    for name, drawer in drawers.items():
        for scheme, palette in SCHEMES.items():
            path = folder / f"{name}-{scheme}.png"
            figure = drawer(report, palette)
            if figure is None:
                path.unlink(missing_ok=True)
            else:
                _save(figure, path)
                charts.setdefault(name, {})[scheme] = path
    return charts


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


def _accuracy(report: Report, palette: Palette) -> Figure | None:
    arms = report["arms"]
    if not arms:
        return None
    row, top, bottom, left, right = 0.46, 0.12, 0.58, 1.82, 1.62
    height = row * len(arms) + top + bottom
    figure = _figure(WIDTH, height, palette)
    axes = _axes(figure, left, bottom, WIDTH - left - right, row * len(arms))
    axes.set(xlim=(0, 1), ylim=(len(arms) - 0.5, -0.5))
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        axes.axvline(tick, color=palette.line, linewidth=0.8, zorder=0)
        label = f"{tick:.0%}".replace("%", " %") if tick in (0, 0.5, 1) else ""
        _write(axes, tick, len(arms) - 0.22, label, palette.muted, SMALL, ha="center")
    for y, arm in enumerate(arms):
        _accuracy_row(axes, y, arm, palette)
    caption = f"share of {report['items']} test notes sorted right, with its 95 % interval"
    _caption(figure, (left + WIDTH - right) / 2, 0.15, caption, palette.muted, ha="center")
    return figure


def _accuracy_row(axes: Axes, y: int, arm: Arm, palette: Palette) -> None:
    ours = arm["name"] in ("before", "after")
    color = _arm_color(arm["name"], palette)
    low, high = arm["accuracy_ci"]
    axes.plot(
        [low, high],
        [y, y],
        color=color,
        linewidth=2.4 if ours else 1.4,
        alpha=0.55,
        solid_capstyle="round",
        clip_on=False,
    )
    # Before is a ring and after a disc: told apart without colour, too.
    face = palette.paper if arm["name"] == "before" else color
    axes.plot(
        [arm["accuracy"]],
        [y],
        "o",
        markersize=10 if ours else 7,
        markeredgewidth=2.2,
        markerfacecolor=face,
        markeredgecolor=color,
        clip_on=False,
    )
    weight = "bold" if ours else "normal"
    text = palette.ink if ours else palette.muted
    _write(axes, -0.07, y, arm_title(arm["name"]), text, ha="right", weight=weight)
    _write(axes, 1.07, y, percent(arm["accuracy"]), color, weight=weight)
    _write(axes, 1.32, y, interval(arm["accuracy_ci"]), palette.muted, SMALL)


def _confusion(report: Report, palette: Palette) -> Figure | None:
    arms = [arm for name in ("before", "after") if (arm := find_arm(report, name)) is not None]
    if not any(sum(row.values()) for arm in arms for row in arm["confusion"].values()):
        return None
    kinds = _all_kinds(report["kinds"], arms)
    names = [_short(kind) for kind in kinds]
    # Inches for the longest name: lying at the left, and slanted by 45 degrees at the top.
    longest = max(_columns(name) for name in names)
    lying, slanted = 0.09 * longest + 0.15, 0.055 * longest
    cell = min(0.54, max(0.26, (6.7 - lying - slanted) / (2 * len(kinds))))
    side, gap, top, bottom = cell * len(kinds), 0.32, 0.5 + slanted, 0.1
    height = side + top + bottom
    figure = _figure(lying + 2 * side + gap + slanted, height, palette)
    size = min(FONT_SIZE, cell * 26)
    for position, arm in enumerate(arms):
        left = lying + position * (side + gap)
        axes = _axes(figure, left, bottom, side, side)
        axes.set(xlim=(0, len(kinds)), ylim=(len(kinds), 0))
        _matrix(axes, arm, kinds, size, palette)
        for place, name in enumerate(names):
            _write(axes, place + 0.42, -0.12, name, palette.ink, min(size, SMALL), slanted=True)
            if position == 0:
                _write(axes, -0.15, place + 0.5, name, palette.ink, min(size, 10.5), ha="right")
        color = _arm_color(arm["name"], palette)
        _caption(figure, left, height - 0.22, arm_title(arm["name"]), color, FONT_SIZE, "bold")
    return figure


def _matrix(axes: Axes, arm: Arm, kinds: list[str], size: float, palette: Palette) -> None:
    ramp = LinearSegmentedColormap.from_list(
        arm["name"], [palette.panel, _arm_color(arm["name"], palette)]
    )
    for y, kind in enumerate(kinds):
        row = arm["confusion"].get(kind, {})
        total = sum(row.values())
        for x, answer in enumerate(kinds):
            count = row.get(answer, 0)
            color = ramp(count / total if total else 0.0)
            axes.fill_between([x + 0.03, x + 0.97], y + 0.03, y + 0.97, color=color, linewidth=0)
            if count:
                text = _readable_on(color[:3], palette)
                weight = "bold" if x == y else "normal"
                _write(axes, x + 0.5, y + 0.5, str(count), text, size, ha="center", weight=weight)


def _loss(report: Report, palette: Palette) -> Figure | None:
    losses = _finite(report["training"]["losses"])
    validation = _finite(report["training"]["validation"])
    if not losses and not validation:
        return None
    height, left, right, bottom = 3.0, 0.62, 1.5, 0.6
    figure = _figure(WIDTH, height, palette)
    axes = _axes(figure, left, bottom, WIDTH - left - right, height - bottom - 0.3)
    _scale(axes, losses + validation, palette)
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
    _caption(figure, left, height - 0.14, "loss", palette.muted)
    middle = (left + WIDTH - right) / 2
    _caption(figure, middle, 0.15, "optimizer step", palette.muted, ha="center")
    return figure


def _scale(axes: Axes, pairs: list[tuple[float, float]], palette: Palette) -> None:
    steps, losses = zip(*pairs, strict=True)
    axes.set(xlim=(0, max(1.0, *steps)), ylim=(0, max(losses) * 1.06 or 1.0))
    axes.grid(axis="y", color=palette.line, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.tick_params(labelleft=True, labelbottom=True, labelcolor=palette.muted, labelsize=SMALL)
    axes.tick_params(labelfontfamily=_families())


def _label_ends(axes: Axes, ends: list[tuple[float, str, str]]) -> None:
    # Labels stand right of the plot at their line's end, at least 9 % of its height apart.
    top = axes.get_ylim()[1]
    lowest = 0.0
    for value, text, color in sorted(ends):
        y = max(value / top, lowest)
        lowest = y + 0.09
        label = _write(axes, 1.03, y, text, color, 10, weight="bold")
        label.set_transform(axes.transAxes)


def _finite(pairs: list[list[float]]) -> list[tuple[float, float]]:
    return [(step, loss) for step, loss in pairs if math.isfinite(loss)]


def _all_kinds(kinds: list[str], arms: list[Arm]) -> list[str]:
    answers = {
        kind for arm in arms for true, row in arm["confusion"].items() for kind in (true, *row)
    }
    return [*kinds, *sorted(answers - set(kinds))]


def _arm_color(name: str, palette: Palette) -> str:
    return {"before": palette.before, "after": palette.after}.get(name, palette.muted)


def _readable_on(color: Sequence[float], palette: Palette) -> str:
    """Ink or paper, whichever contrasts more (WCAG relative luminance) with the colour."""

    def contrast(text: str) -> float:
        high, low = sorted((_luminance(color), _luminance(to_rgb(text))), reverse=True)
        return (high + 0.05) / (low + 0.05)

    return max((palette.ink, palette.paper), key=contrast)


def _luminance(rgb: Sequence[float]) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _columns(text: str) -> int:
    """The text's width in Latin letters: a Japanese character takes two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _short(name: str) -> str:
    """One printable line of at most LONGEST_NAME Latin letters."""
    name = "".join(letter if letter.isprintable() else " " for letter in name)
    if _columns(name) <= LONGEST_NAME:
        return name
    while _columns(name) >= LONGEST_NAME:
        name = name[:-1]
    return name.rstrip() + "…"


def _figure(width: float, height: float, palette: Palette) -> Figure:
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor=palette.paper)
    FigureCanvasAgg(figure)
    return figure


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Bare axes, placed in inches."""
    across, up = figure.get_size_inches()
    axes = figure.add_axes((left / across, bottom / up, width / across, height / up))
    axes.patch.set_visible(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, labelleft=False, labelbottom=False)
    return axes


def _write(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    color: str,
    size: float = FONT_SIZE,
    *,
    ha: str = "left",
    weight: str = "normal",
    slanted: bool = False,
) -> Text:
    """Text in the axes' units, centred on its line; slanted text rises from its start."""
    label = axes.text(x, y, text, color=color, fontsize=size, ha=ha, va="center_baseline")
    # Names are the owner's: a `$` in them is no mathematics.
    label.set(fontfamily=_families(), fontweight=weight, parse_math=False)
    if slanted:
        label.set(rotation=45, rotation_mode="anchor", va="bottom")
    return label


def _caption(
    figure: Figure,
    x: float,
    y: float,
    text: str,
    color: str,
    size: float = SMALL,
    weight: str = "normal",
    ha: str = "left",
) -> None:
    """Text in inches from the figure's lower left corner."""
    across, up = figure.get_size_inches()
    label = figure.text(x / across, y / up, text, color=color, fontsize=size, ha=ha, va="center")
    label.set(fontfamily=_families(), fontweight=weight)


@cache
def _families() -> list[str]:
    # Only installed families: matplotlib warns once for every other.
    installed = {font.name for font in fontManager.ttflist}
    return [family for family in FAMILIES if family in installed]


def _save(figure: Figure, path: Path) -> None:
    unfinished = path.with_name(path.name + ".tmp")
    with warnings.catch_warnings():
        # No installed font has the letter: a box in the chart says it better than the terminal.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(unfinished, format="png", metadata={"Software": None})
    os.replace(unfinished, path)
