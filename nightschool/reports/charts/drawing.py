"""Drawing shared by all charts: axes placed in inches, text in any script, files written atomically.

Every figure has its own canvas, without pyplot's global state.
"""

import unicodedata
import warnings
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import findSystemFonts, fontManager
from matplotlib.text import Text
from PIL import Image

from nightschool.config import files
from nightschool.reports.charts.palette import Palette

DPI = 192
"""Two device pixels per CSS pixel."""
COLORS = 128
WIDTH = 4.6
"""Inches. On a phone 320 CSS pixels wide, the smallest letters are still about 9 pixels high."""
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


def new_figure(width: float, height: float, palette: Palette) -> Figure:
    """A blank figure; sizes in inches."""
    return Figure(figsize=(width, height), dpi=DPI, facecolor=palette.paper)


def bare_axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes without frame and ticks, placed in inches."""
    across, up = figure.get_size_inches()
    axes = figure.add_axes((left / across, bottom / up, width / across, height / up))
    axes.patch.set_visible(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, labelleft=False, labelbottom=False)
    return axes


def show_scale(axes: Axes, palette: Palette, grid: Literal["y", "both"] = "y") -> None:
    """Tick labels on both axes, and thin lines behind the data."""
    axes.grid(axis=grid, color=palette.line, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelleft=True, labelbottom=True, labelcolor=palette.muted, labelsize=SMALL)
    axes.tick_params(labelfontfamily=families(), pad=6)


def show_shares(axes: Axes, palette: Palette, top: float = 1.0) -> None:
    """Both axes as shares: x from 0 to 100 %, y from 0 to `top`."""
    ticks = (0.0, 0.25, 0.5, 0.75, 1.0)
    step = 0.25 if top > 0.6 else 0.1 if top > 0.25 else 0.05
    heights = [step * count for count in range(round(top / step) + 1)]
    axes.set(xlim=(0, 1), ylim=(0, top), xticks=ticks, yticks=heights)
    axes.set_xticklabels([f"{round(100 * tick)} %" for tick in ticks])
    axes.set_yticklabels([f"{round(100 * tick)} %" for tick in heights])
    show_scale(axes, palette, "both")


def write(
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
    """Text in the axes' units, vertically centred; slanted text rises from its start."""
    label = axes.text(x, y, text, color=color, fontsize=size, ha=ha, va="center_baseline")
    # Names come from the user: a `$` in them is not mathematics.
    label.set(fontfamily=families(), fontweight=weight, parse_math=False)
    if slanted:
        label.set(rotation=45, rotation_mode="anchor", va="bottom")
    return label


def caption(
    figure: Figure,
    x: float,
    y: float,
    text: str,
    color: str,
    size: float = SMALL,
    weight: str = "normal",
    ha: str = "left",
) -> None:
    """Text at a position in inches from the figure's lower left corner."""
    across, up = figure.get_size_inches()
    label = figure.text(x / across, y / up, text, color=color, fontsize=size, ha=ha, va="center")
    label.set(fontfamily=families(), fontweight=weight, parse_math=False)


def arm_color(name: str, palette: Palette) -> str:
    """Before and after have their own colours; all other arms share one."""
    return {"before": palette.before, "after": palette.after}.get(name, palette.muted)


def readable_on(color: Sequence[float], palette: Palette) -> str:
    """Ink or paper, whichever has more contrast with the colour (WCAG relative luminance)."""

    def contrast(text: str) -> float:
        high, low = sorted((luminance(color), luminance(to_rgb(text))), reverse=True)
        return (high + 0.05) / (low + 0.05)

    return max((palette.ink, palette.paper), key=contrast)


def luminance(rgb: Sequence[float]) -> float:
    """Relative luminance (WCAG 2.2) of red, green and blue from 0 to 1."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def columns(text: str) -> int:
    """The text's width in Latin letters; a Japanese character counts as two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def short(name: str, longest: int) -> str:
    """One printable line of at most `longest` Latin letters, with an ellipsis if shortened."""
    name = "".join(letter if letter.isprintable() else " " for letter in name)
    if columns(name) <= longest:
        return name
    while columns(name) >= longest:
        name = name[:-1]
    return name.rstrip() + "…"


@cache
def families() -> list[str]:
    """The preferred fonts that are installed; matplotlib warns about every other."""
    if families := _installed(FAMILIES[:-1]):
        return [*families, FAMILIES[-1]]
    # matplotlib caches its list of fonts: one may have been installed since.
    for file in set(findSystemFonts()) - {font.fname for font in fontManager.ttflist}:
        with suppress(Exception):  # various errors, for fonts that it cannot read
            fontManager.addfont(file)
    return _installed(FAMILIES)


def _installed(names: Sequence[str]) -> list[str]:
    installed = {font.name for font in fontManager.ttflist}
    return [name for name in names if name in installed]


def save(figure: Figure, path: Path) -> None:
    """Write the figure atomically as a PNG."""
    canvas: Any = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        # No installed font has the letter: the chart shows a box, and a warning would add nothing.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    # With a palette the file is two fifths the size and looks the same.
    png = BytesIO()
    image.quantize(COLORS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(png, "png")
    files.write(path, png.getvalue())
