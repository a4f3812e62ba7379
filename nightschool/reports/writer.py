"""Writes a run's report: report.json, the charts' PNGs and report.html."""

import json
from dataclasses import asdict
from pathlib import Path

from nightschool.config import files
from nightschool.reports.charts.draw import draw
from nightschool.reports.page import render
from nightschool.stats.results import Report


def write(report: Report, folder: Path) -> Path:
    """Write all files into `folder` and return the HTML's path.

    Each file appears whole or not at all, the HTML last. ValueError if a number is not finite.
    """
    data = json.dumps(asdict(report), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    # A lone surrogate (an undecodable file name) becomes \udcXX, which is JSON for itself.
    files.write(folder / "report.json", data.encode("utf-8", "backslashreplace"))
    html = render(report, draw(report, folder))
    page = folder / "report.html"
    files.write(page, html.encode("utf-8", "replace"))
    return page
