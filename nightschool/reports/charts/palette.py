"""The colours of the pages and charts, light and dark.

Orange (before) and teal (after) differ under every common colour blindness; every text colour has a
contrast of at least 4.5:1 with the paper (WCAG 2.2, 1.4.3).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Palette:
    """Hex colours; the field names are also the page's CSS variables."""

    paper: str
    panel: str
    ink: str
    muted: str
    line: str
    before: str
    after: str


LIGHT = Palette(
    paper="#fbfaf7",
    panel="#f2f0ea",
    ink="#1d2226",
    muted="#626a70",
    line="#dcd8ce",
    before="#ad5208",
    after="#0b6b80",
)
DARK = Palette(
    paper="#14181b",
    panel="#1d2327",
    ink="#e6e8e6",
    muted="#98a2a8",
    line="#333b40",
    before="#f0a05a",
    after="#58c0d4",
)
SCHEMES = {"light": LIGHT, "dark": DARK}
