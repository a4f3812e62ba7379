"""The report as one self-contained HTML page."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nightschool.config import files
from nightschool.config.durations import format_duration
from nightschool.reports.charts.confusion import CONFUSION_CHARTS, NAMED_KINDS
from nightschool.reports.charts.drawing import DPI
from nightschool.reports.template import fill
from nightschool.reports.text import explanations, wording
from nightschool.reports.text.captions import alt_text, confusions, how_to_read, time_spent
from nightschool.reports.text.verdict import verdict_sentences
from nightschool.stats.results import KindScores, Report
from nightschool.stats.terms import CHEAP_ARMS, ArmName

LONGEST_EXCERPT = 400
SHOWN_CHANGES = 8
SHOWN_KINDS = 24
SHOWN_CONFUSIONS = 10
PIXELS_PER_CSS_PIXEL = DPI / 96
SMALLEST_SCALE = 0.65
"""A chart smaller than this would be illegible: it scrolls in its own box instead."""


def render(report: Report, charts: Mapping[str, Mapping[str, Path]]) -> str:
    """The page's HTML; `charts` maps a chart's name to its PNGs, as `charts.draw` returns them.

    The page loads nothing, and every text of the report is escaped.
    """
    changes, calibration = report.changes, report.calibration
    return fill(
        "report.html.j2",
        _FILTERS,
        report=report,
        sentences=verdict_sentences(report),
        charts={name: _shown(name, report, schemes) for name, schemes in charts.items()},
        cheap=CHEAP_ARMS,
        any_better=any(arm.after_better is not None for arm in report.arms),
        by_chance=explanations.by_chance(report),
        after_better=explanations.after_better,
        better_than_champion=explanations.better_than_champion,
        checks=explanations.checks_by_reference(report),
        kind_rows=_kind_rows(report),
        shown_kinds=SHOWN_KINDS,
        smallest_n=wording.SMALLEST_N,
        matrices=[name for name in CONFUSION_CHARTS if name in charts],
        confusions=confusions(report, ArmName.AFTER)[:SHOWN_CONFUSIONS]
        if len(report.kinds) > NAMED_KINDS
        else [],
        fixed=[change for change in changes if change.after == change.kind],
        broken=[change for change in changes if change.before == change.kind],
        confidences=any(change.after_probability is not None for change in changes),
        shown=SHOWN_CHANGES,
        seed_range=explanations.seed_range(report.seeds),
        corrected=any(found.scaled for found in calibration.values()),
        temperature=explanations.temperature(report),
        abstention_text=explanations.abstention(report),
        exposures=explanations.exposures(report.looks),
        time_spent=time_spent(report) if "night" in charts else [],
    )


def excerpt(text: str) -> str:
    """The text, trimmed; past LONGEST_EXCERPT characters it ends in an ellipsis."""
    text = text.strip()
    if len(text) <= LONGEST_EXCERPT:
        return text
    return text[: LONGEST_EXCERPT - 1].rstrip() + "…"


_FILTERS: dict[str, Callable[..., str]] = {
    "interval": wording.interval,
    "change": explanations.change,
    "changes": explanations.change_interval,
    "duration": format_duration,
    "moment": wording.local_moment,
    "zone": wording.local_zone,
    "arm_title": wording.arm_title,
    "excerpt": excerpt,
}


def _shown(name: str, report: Report, schemes: Mapping[str, Path]) -> dict[str, str | int]:
    """A chart's PNGs as data URIs, its size in CSS pixels, its caption and its alternative text."""
    images = {scheme: files.read(path) for scheme, path in schemes.items()}
    # The IHDR chunk of a PNG begins with width and height, big-endian, at byte 16.
    width, height = struct.unpack(">II", images["light"][16:24])
    return {
        **{scheme: _data_uri(image) for scheme, image in images.items()},
        "width": round(width / PIXELS_PER_CSS_PIXEL),
        "height": round(height / PIXELS_PER_CSS_PIXEL),
        "min_width": round(width / PIXELS_PER_CSS_PIXEL * SMALLEST_SCALE),
        "alt": alt_text(name, report),
        "caption": how_to_read(name, report),
    }


def _data_uri(image: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(image).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class _KindRow:
    kind: str
    n: int
    thin: bool
    """Too few test notes for an F1."""
    before: tuple[str, str]
    after: tuple[str, str]
    f1_before: str
    f1_after: str


def _kind_rows(report: Report) -> list[_KindRow]:
    before, after = (report.arm(name).per_kind for name in (ArmName.BEFORE, ArmName.AFTER))
    rows = []
    for kind in report.kinds:
        old, new = before.get(kind), after.get(kind)
        n = next((scores.n for scores in (old, new) if scores), 0)
        rows.append(
            _KindRow(
                kind,
                n,
                n < wording.SMALLEST_N,
                _recall(old),
                _recall(new),
                wording.f1(old),
                wording.f1(new),
            )
        )
    return rows


def _recall(scores: KindScores | None) -> tuple[str, str]:
    """Recall and its interval as text; the interval is empty if it was not measured."""
    bounds = scores.recall_ci if scores and scores.n else ()
    return wording.recall(scores), wording.interval(bounds) if bounds else ""
