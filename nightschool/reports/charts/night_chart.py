"""The run's time: a row for each stage, with solid bars for work, hatched ones for interruptions, and
dashed lines for waiting."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nightschool.config.durations import format_duration
from nightschool.ledger.records import STAGES
from nightschool.reports.charts.drawing import SMALL, WIDTH, bare_axes, columns, new_figure, write
from nightschool.reports.charts.palette import Palette
from nightschool.reports.text.reason_names import reason_name
from nightschool.reports.timeline import Span, spans_of
from nightschool.stats.results import Report
from nightschool.stats.terms import SpanState

_ROW = 0.46
_LETTER = 0.068
"""Inches."""
_MOST_TICKS = 5
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_STEPS = (
    *(5, 10, 30),
    *(_MINUTE * count for count in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * count for count in (1, 2, 3, 6, 12)),
    *(_DAY * count for count in (1, 2, 7, 14, 30, 90)),
)
"""Seconds between two ticks."""


def night(report: Report, palette: Palette) -> Figure | None:
    """The run's spans over local time; None without spans."""
    spans = spans_of(report)
    if not spans:
        return None
    rows: list[str] = [stage for stage in STAGES if any(span.stage == stage for span in spans)]
    left, right, top, bottom = 0.92, 0.86, 0.14, 0.42
    figure = new_figure(WIDTH, _ROW * len(rows) + top + bottom, palette)
    axes = bare_axes(figure, left, bottom, WIDTH - left - right, _ROW * len(rows))
    start, end = spans[0].start, spans[-1].end
    axes.set(xlim=(start, end), ylim=(len(rows) - 0.5, -0.5))
    for at, text in ticks(start, end):
        axes.axvline(at, color=palette.line, linewidth=0.8, zorder=0)
        write(axes, at, len(rows) - 0.15, text, palette.muted, 9, ha="center")
    for y, stage in enumerate(rows):
        write(axes, -0.04, y, stage, palette.ink, 10, ha="right").set_transform(
            axes.get_yaxis_transform()
        )
        worked = sum(s.seconds for s in spans if (s.stage, s.state) == (stage, "worked"))
        write(axes, 1.04, y, format_duration(worked), palette.muted, SMALL).set_transform(
            axes.get_yaxis_transform()
        )
    for span in spans:
        _draw(axes, rows.index(span.stage), span, palette)
    for y, stage in enumerate(rows):
        _label_reasons(axes, y, [span for span in spans if span.stage == stage], palette)
    return figure


def _draw(axes: Axes, y: int, span: Span, palette: Palette) -> None:
    start, end = axes.get_xlim()
    if span.state == SpanState.WORKED:
        # A minimum width, so that a stage of a second is visible in a night of eight hours.
        least = (end - start) / 150
        left = min(span.start, end - least)
        axes.barh(y, max(span.seconds, least), left=left, height=0.56, color=palette.after)
        return
    color = palette.before if span.state == SpanState.YIELDED else palette.muted
    if span.state == SpanState.YIELDED:
        axes.barh(
            y, span.seconds, left=span.start, height=0.3, facecolor="none", edgecolor=color,
            hatch="/////", linewidth=0.8,
        )  # fmt: skip
    else:
        ends = [span.start, span.end]
        axes.plot(ends, [y, y], color=color, linewidth=1.8, linestyle=(0, (2, 1.5)))


def _label_reasons(axes: Axes, y: int, spans: Sequence[Span], palette: Palette) -> None:
    """The reasons above a row's spans. Of two that would overlap, an interruption precedes a wait, and a
    longer span a shorter one."""
    start, end = axes.get_xlim()
    inch = (end - start) / (axes.get_position().width * WIDTH)
    taken: list[tuple[float, float]] = []
    for span in sorted(spans, key=lambda span: (span.state != SpanState.YIELDED, -span.seconds)):
        if span.reason is None:
            continue
        reason = reason_name(span.reason)
        half = _LETTER * inch * columns(reason) / 2
        middle = min(max((span.start + span.end) / 2, start + half), end - half)
        left, right = middle - half, middle + half
        if 2 * half > end - start or any(left < b and a < right for a, b in taken):
            continue
        taken.append((left, right))
        color = palette.before if span.state == SpanState.YIELDED else palette.muted
        write(axes, middle, y - 0.43, reason, color, 8, ha="center")


def ticks(start: float, end: float) -> list[tuple[float, str]]:
    """At most _MOST_TICKS times between two, in seconds since the epoch, with their labels in local time."""
    step = next((s for s in _STEPS if (end - start) / s < _MOST_TICKS), _STEPS[-1])
    zone = datetime.fromtimestamp(start).astimezone().utcoffset()
    shift = zone.total_seconds() if zone else 0
    first = -(-(start + shift) // step) * step - shift
    ticks = []
    for count in range(_MOST_TICKS):
        if (at := first + count * step) <= end:
            style = "%d %b" if step >= _DAY else "%H:%M" if step >= _MINUTE else "%H:%M:%S"
            ticks.append((at, datetime.fromtimestamp(at).strftime(style)))
    return ticks
