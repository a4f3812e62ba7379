"""The charts are real images in both schemes, and any name can be drawn."""

import math
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest
from matplotlib.font_manager import fontManager

from nightschool.reports.charts import drawing
from nightschool.reports.charts.curves import smooth
from nightschool.reports.charts.draw import DRAWERS, draw
from nightschool.reports.charts.palette import SCHEMES
from nightschool.reports.report_file import parse
from nightschool.stats.results import Report
from nightschool.stats.terms import ArmName

Data = dict[str, Any]

EXAMPLES = set(DRAWERS) - {"night"}  # the example report has no spans


def _size(path: Path) -> tuple[int, int]:
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    height, width, _ = matplotlib.image.imread(path).shape
    return width, height


def test_every_chart_is_drawn_light_and_dark(written: Path) -> None:
    names = {path.name for path in written.glob("*.png")}
    assert names == {f"{chart}-{scheme}.png" for chart in EXAMPLES for scheme in ("light", "dark")}
    for path in written.glob("*.png"):
        width, height = _size(path)
        assert 700 <= width <= 1000 and 300 <= height <= 1000, (path.name, width, height)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_charts_background_is_the_pages(written: Path, scheme: str) -> None:
    pixel = matplotlib.image.imread(written / f"accuracy-{scheme}.png")[0, 0, :3]
    paper = "#" + "".join(f"{round(float(channel) * 255):02x}" for channel in pixel)
    assert paper == SCHEMES[scheme].paper


def test_a_chart_without_data_is_left_out_and_an_old_one_removed(
    unlogged: Data, tmp_path: Path
) -> None:
    (tmp_path / "loss-light.png").write_bytes(b"of an earlier report")
    assert set(draw(parse(unlogged), tmp_path)) == EXAMPLES - {"loss"}
    assert not list(tmp_path.glob("loss-*")) and not list(tmp_path.glob("*.tmp"))


def test_validation_alone_makes_a_loss_chart(unlogged: Data, tmp_path: Path) -> None:
    unlogged["training"]["validation"] = [[10, 0.5]]
    unlogged["arms"], unlogged["calibration"], unlogged["risk_coverage"] = [], {}, {}
    assert set(draw(parse(unlogged), tmp_path)) == {"loss"}


@pytest.mark.filterwarnings("error")
def test_any_name_and_any_loss_can_be_drawn(data: Data, tmp_path: Path) -> None:
    odd = ["$x_$ {", "a\nb\x00", "長い種類の名前" * 4, "\udc80", "\N{PARTY POPPER}"]
    data["kinds"] = odd
    for arm in data["arms"]:
        arm["confusion"] = {kind: {odd[0]: 2, "an answer outside the kinds": 1} for kind in odd}
    data["training"]["losses"] = [[1, math.nan], [2, math.inf], [3, 0.0]]
    data["training"]["validation"] = []
    assert set(draw(parse(data), tmp_path)) == EXAMPLES


def test_everything_that_was_measured_is_drawn(full_report: Report, tmp_path: Path) -> None:
    assert set(draw(full_report, tmp_path)) == set(DRAWERS)


@pytest.mark.filterwarnings("error")
def test_no_temperature_no_threshold_and_a_single_note_can_be_drawn(
    data: Data, tmp_path: Path
) -> None:
    after = data["calibration"]["after"]
    after["scaled"], after["temperature"] = None, None
    after["plain"]["bins"] = [{"confidence": 1.0, "accuracy": 0.0, "accuracy_ci": [0, 0.8], "n": 1}]
    data["abstention"] = None
    data["risk_coverage"] = {"after": {"points": [[1.0, 0.0]], "aurc": 0.0, "risk": 0.0}}
    assert set(draw(parse(data), tmp_path)) == EXAMPLES


@pytest.mark.parametrize("kinds", [1, 2, 12, 24, 25, 150])
def test_a_matrix_of_any_size_fits_on_a_page(
    report_with_kinds: Callable[[Sequence[str]], Report], kinds: int
) -> None:
    report = report_with_kinds([f"とても長い種類の名前 {place}" for place in range(kinds)])
    report = replace(report, arms=(report.arm(ArmName.AFTER),))
    for palette in SCHEMES.values():
        figure = DRAWERS["confusion-after"](report, palette)
        assert figure is not None
        width, height = figure.get_size_inches()
        assert 1.5 <= width <= 9 and 1 <= height <= 8


def test_a_font_that_was_installed_after_matplotlib_listed_them_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As where an owner installs a Japanese font because the charts show boxes."""
    listed = copy(fontManager)
    new = next(font for font in listed.ttflist if font.name == "STIXGeneral")
    listed.ttflist = [font for font in listed.ttflist if font.name == "DejaVu Sans"]
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    monkeypatch.setattr(drawing, "fontManager", listed)
    monkeypatch.setattr(
        drawing, "findSystemFonts", lambda: [str(tmp_path / "broken.ttf"), new.fname]
    )
    monkeypatch.setattr(drawing, "FAMILIES", ("STIXGeneral", "DejaVu Sans"))
    assert drawing.families.__wrapped__() == ["STIXGeneral", "DejaVu Sans"]


def test_the_figures_leave_no_global_state(report: Report, tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    draw(report, tmp_path)
    assert dict(matplotlib.rcParams) == before


def test_smoothing_starts_at_the_first_loss_and_keeps_a_constant() -> None:
    assert smooth([]) == []
    assert smooth([2.0, 1.0])[0] == pytest.approx(2.0)
    assert smooth([0.7] * 200) == pytest.approx([0.7] * 200)
