"""The report's charts as PNGs, for a light and a dark page."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from nightschool.config import files
from nightschool.reports.charts.accuracy_chart import accuracy
from nightschool.reports.charts.confusion import confusion
from nightschool.reports.charts.curves import loss, reliability, risk_coverage
from nightschool.reports.charts.drawing import save
from nightschool.reports.charts.night_chart import night
from nightschool.reports.charts.palette import SCHEMES, Palette
from nightschool.stats.results import Report
from nightschool.stats.terms import ArmName

DRAWERS: dict[str, Callable[[Report, Palette], Figure | None]] = {
    "accuracy": accuracy,
    "confusion-before": partial(confusion, ArmName.BEFORE),
    "confusion-after": partial(confusion, ArmName.AFTER),
    "loss": loss,
    "reliability": reliability,
    "risk-coverage": risk_coverage,
    "night": night,
}


def draw(report: Report, folder: Path) -> dict[str, dict[str, Path]]:
    """Write the PNGs into `folder`; returns {chart: {"light": path, "dark": path}}.

    A chart without data is left out, and its files from an earlier report are removed.
    """
    files.make_folder(folder)
    charts: dict[str, dict[str, Path]] = {}
    for name, drawer in DRAWERS.items():
        for scheme, palette in SCHEMES.items():
            path = folder / f"{name}-{scheme}.png"
            figure = drawer(report, palette)
            if figure is None:
                files.remove(path)
            else:
                save(figure, path)
                charts.setdefault(name, {})[scheme] = path
    return charts
