"""The report as one self-contained HTML page."""

import base64
import struct
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from nightschool.reports import wording
from nightschool.reports.contract import Report, arm_of
from nightschool.reports.palette import DARK, LIGHT
from nightschool.reports.verdict import verdict_sentences

LONGEST_EXCERPT = 400
SHOWN_CHANGES = 8
PIXELS_PER_CSS_PIXEL = 1.5
"""The charts' 144 dots per inch over CSS's 96."""


def render(report: Report, charts: Mapping[str, Mapping[str, Path]]) -> str:
    """The page's HTML; `charts` maps a chart's name to its PNGs, as `charts.draw` returns them.

    Nothing in it is loaded from elsewhere, and every text of the report is escaped.
    """
    template = files("nightschool.reports").joinpath("report.html.j2").read_text("utf-8")
    changes = report["changes"]
    return (
        _environment()
        .from_string(template)
        .render(
            report=report,
            sentences=verdict_sentences(report),
            charts={name: _embedded(schemes) for name, schemes in charts.items()},
            kind_rows=_kind_rows(report),
            fixed=[change for change in changes if change["after"] == change["kind"]],
            broke=[change for change in changes if change["before"] == change["kind"]],
            shown=SHOWN_CHANGES,
            light=asdict(LIGHT),
            dark=asdict(DARK),
        )
    )


def excerpt(text: str) -> str:
    """The text, trimmed; past LONGEST_EXCERPT characters it ends in an ellipsis."""
    text = text.strip()
    if len(text) <= LONGEST_EXCERPT:
        return text
    return text[: LONGEST_EXCERPT - 1].rstrip() + "…"


def _environment() -> Environment:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        percent=wording.percent,
        interval=wording.interval,
        p_value=wording.p_value,
        duration=wording.duration,
        moment=wording.local_moment,
        zone=wording.local_zone,
        arm_title=wording.arm_title,
        excerpt=excerpt,
        # A line never breaks between a number and its sign.
        unbroken=lambda text: text.replace(" %", "\N{NO-BREAK SPACE}%"),
    )
    environment.globals["counted"] = wording.counted
    return environment


def _embedded(schemes: Mapping[str, Path]) -> dict[str, str | int]:
    """A chart's PNGs as data URIs, with the size in CSS pixels at which to show them."""
    images = {scheme: path.read_bytes() for scheme, path in schemes.items()}
    # A PNG's width and height are the two big-endian words that open its IHDR chunk, at byte 16.
    width, height = struct.unpack(">II", images["light"][16:24])
    return {
        **{scheme: _data_uri(image) for scheme, image in images.items()},
        "width": round(width / PIXELS_PER_CSS_PIXEL),
        "height": round(height / PIXELS_PER_CSS_PIXEL),
    }


def _data_uri(image: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(image).decode('ascii')}"


def _kind_rows(report: Report) -> list[dict[str, str | int | bool]]:
    before, after = (arm_of(report, name)["per_kind"] for name in ("before", "after"))
    rows: list[dict[str, str | int | bool]] = []
    for kind in report["kinds"]:
        old, new = before.get(kind), after.get(kind)
        n = next((scores["n"] for scores in (old, new) if scores), 0)
        rows.append(
            {
                "kind": kind,
                "n": n,
                "thin": n < wording.SMALLEST_N,
                "recall_before": wording.recall(old),
                "recall_after": wording.recall(new),
                "f1_before": wording.f1(old),
                "f1_after": wording.f1(new),
            }
        )
    return rows
