"""Checking settings given as TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from nightschool.config.errors import ConfigError
from nightschool.config.settings import Settings
from nightschool.config.settings_file import check


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The settings file of a test."""
    return tmp_path / "nightschool.toml"


def checked(text: str) -> Settings:
    """The settings that a TOML text gives."""
    return check(tomllib.loads(text), text, "file")


def problems(text: str) -> list[str]:
    """The lines of the error that a TOML text causes."""
    with pytest.raises(ConfigError) as caught:
        checked(text)
    return str(caught.value).split("\n")
