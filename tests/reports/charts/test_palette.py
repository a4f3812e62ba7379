"""Every colour of text can be read on every ground that it stands on."""

import pytest
from matplotlib.colors import to_rgb

from nightschool.reports.charts.drawing import luminance
from nightschool.reports.charts.palette import SCHEMES


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("ground", ["paper", "panel"])
@pytest.mark.parametrize("text", ["ink", "muted", "before", "after"])
def test_text_has_the_contrast_of_wcag_aa(scheme: str, ground: str, text: str) -> None:
    palette = SCHEMES[scheme]
    pair = (luminance(to_rgb(getattr(palette, name))) for name in (ground, text))
    dark, light = sorted(pair)
    assert (light + 0.05) / (dark + 0.05) >= 4.5
