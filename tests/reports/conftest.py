"""The example report, fresh for a test or written once."""

import copy
from pathlib import Path

import pytest

from nightschool.reports.writer import write
from nightschool.stats.results import Report
from tests.reports.reports_example import REPORT


@pytest.fixture
def report() -> Report:
    """A fresh copy, for a test to change."""
    return copy.deepcopy(REPORT)


@pytest.fixture
def unlogged(report: Report) -> Report:
    """The same run without losses, changes and warnings."""
    report["training"]["losses"], report["training"]["validation"] = [], []
    report["changes"], report["dataset"]["warnings"] = [], []
    return report


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the report's files, written once."""
    folder = tmp_path_factory.mktemp("reports") / "run-3"
    write(copy.deepcopy(REPORT), folder)
    return folder
