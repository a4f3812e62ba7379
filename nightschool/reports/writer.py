"""Writes a run's report: report.json, the charts as PNGs, and report.html."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from nightschool.config import files
from nightschool.reports.charts.draw import draw
from nightschool.reports.page import render
from nightschool.stats.results import Report


def write(report: Report, folder: Path) -> Path:
    """Write all files into `folder` and return the path of the HTML.

    Each file is written atomically, the HTML last. Raises ValueError if a number is not finite.
    """
    data = json.dumps(asdict(report), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    # A lone surrogate (from an undecodable file name) becomes \udcXX, its JSON escape.
    files.write(folder / "report.json", data.encode("utf-8", "backslashreplace"))
    return write_page(report, folder)


def write_page(report: Report, folder: Path) -> Path:
    """Write the charts and the HTML into `folder`; returns the path of the HTML."""
    html = render(report, draw(report, folder))
    page = folder / "report.html"
    files.write(page, html.encode("utf-8", "replace"))
    return page
