"""A written report is whole: JSON, charts and page, and no half file."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nightschool.reports.report_file import parse
from nightschool.reports.writer import write

Data = dict[str, Any]


def test_report_json_is_what_version_0_1_0_wrote(written: Path, data: Data) -> None:
    text = (written / "report.json").read_text("utf-8")
    assert json.loads(text) == data
    assert "買い物" in text


def test_only_finished_files_are_left(written: Path) -> None:
    assert {path.suffix for path in written.iterdir()} == {".json", ".png", ".html"}


def test_writing_again_replaces_the_report(unlogged: Data, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "run-3"
    page = write(parse(unlogged), folder)
    assert page == folder / "report.html"
    unlogged["run"] = 4
    write(parse(unlogged), folder)
    assert "<title>Run 4:" in page.read_text("utf-8")
    assert json.loads((folder / "report.json").read_text("utf-8"))["run"] == 4


def test_an_undecodable_file_name_survives(data: Data, tmp_path: Path) -> None:
    data["changes"][0]["source"] = "notes/\udc80.md"
    write(parse(data), tmp_path)
    assert json.loads((tmp_path / "report.json").read_text("utf-8")) == data
    assert "notes/?.md" in (tmp_path / "report.html").read_text("utf-8")


def test_a_number_that_json_does_not_know_is_refused(data: Data, tmp_path: Path) -> None:
    data["paired"]["mcnemar_p"] = math.nan
    with pytest.raises(ValueError, match="JSON compliant"):
        write(parse(data), tmp_path)
    assert not list(tmp_path.iterdir())


def test_tables_and_verdict_load_no_charts_and_no_torch() -> None:
    light = "import nightschool.reports.text.report_tables, nightschool.reports.text.verdict, sys; "
    light += "sys.exit(bool({'matplotlib', 'jinja2', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", light], check=False).returncode == 0
