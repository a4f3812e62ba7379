"""The report as one self-contained HTML page."""

import base64
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nightschool.config.durations import format_duration
from nightschool.reports.charts.confusion import NAMED_KINDS
from nightschool.reports.charts.drawing import DPI
from nightschool.reports.template import fill
from nightschool.reports.text import explanations, wording
from nightschool.reports.text.captions import alt_text, how_to_read, mix_ups, stretches
from nightschool.reports.text.verdict import verdict_sentences
from nightschool.stats.results import KindScores, Report
from nightschool.stats.terms import CHEAP_ARMS, ArmName

LONGEST_EXCERPT = 400
SHOWN_CHANGES = 8
SHOWN_KINDS = 24
SHOWN_MIX_UPS = 10
PIXELS_PER_CSS_PIXEL = DPI / 96
SMALLEST_SCALE = 0.65
"""A chart is not shown smaller, or its letters could not be read: it scrolls in its own box."""


def render(report: Report, charts: Mapping[str, Mapping[str, Path]]) -> str:
    """The page's HTML; `charts` maps a chart's name to its PNGs, as `charts.draw` returns them.

    Nothing in it is loaded from elsewhere, and every text of the report is escaped.
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
        confusions=[name for name in charts if name.startswith("confusion-")],
        mix_ups=mix_ups(report, ArmName.AFTER)[:SHOWN_MIX_UPS]
        if len(report.kinds) > NAMED_KINDS
        else [],
        fixed=[change for change in changes if change.after == change.kind],
        broke=[change for change in changes if change.before == change.kind],
        probabilities=any(change.after_probability is not None for change in changes),
        shown=SHOWN_CHANGES,
        seeds_apart=explanations.seeds_apart(report.seeds),
        corrected=any(one.scaled for one in calibration.values()),
        temperature=explanations.temperature(report),
        abstention_words=explanations.abstention(report),
        looks=explanations.looks(report.looks),
        stretches=stretches(report) if "night" in charts else [],
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
    """A chart's PNGs as data URIs, its size in CSS pixels, and its words."""
    images = {scheme: path.read_bytes() for scheme, path in schemes.items()}
    # A PNG's width and height are the two big-endian words that open its IHDR chunk, at byte 16.
    width, height = struct.unpack(">II", images["light"][16:24])
    return {
        **{scheme: _data_uri(image) for scheme, image in images.items()},
        "width": round(width / PIXELS_PER_CSS_PIXEL),
        "height": round(height / PIXELS_PER_CSS_PIXEL),
        "least": round(width / PIXELS_PER_CSS_PIXEL * SMALLEST_SCALE),
        "alt": alt_text(name, report),
        "read": how_to_read(name, report),
    }


def _data_uri(image: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(image).decode('ascii')}"


def _kind_rows(report: Report) -> list[dict[str, Any]]:
    before, after = (report.arm(name).per_kind for name in (ArmName.BEFORE, ArmName.AFTER))
    rows: list[dict[str, Any]] = []
    for kind in report.kinds:
        old, new = before.get(kind), after.get(kind)
        n = next((scores.n for scores in (old, new) if scores), 0)
        rows.append(
            {
                "kind": kind,
                "n": n,
                "thin": n < wording.SMALLEST_N,
                "before": _recall(old),
                "after": _recall(new),
                "f1_before": wording.f1(old),
                "f1_after": wording.f1(new),
            }
        )
    return rows


def _recall(scores: KindScores | None) -> tuple[str, str]:
    """Recall and its interval in words; the interval is empty where it was not measured."""
    bounds = scores.recall_ci if scores and scores.n else ()
    return wording.recall(scores), wording.interval(bounds) if bounds else ""
