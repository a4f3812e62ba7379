"""The README and the settings page match the program."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from nightschool.cli.main import cli
from nightschool.config.presets import PRESETS
from nightschool.config.settings_template import template

ROOT = Path(__file__).parents[2]


def test_the_readme_lists_the_commands_like_the_help_page() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    page = CliRunner().invoke(cli, ["--help"]).output
    shown = re.search(r"```text\n(Commands:\n.*?)```", readme, re.DOTALL)
    assert shown and shown[1] == page[page.index("Commands:") :]


def test_the_settings_page_shows_the_file_of_each_preset() -> None:
    page = (ROOT / "docs/settings.md").read_text("utf-8")
    for preset in PRESETS:
        assert template({"preset": preset}) in page


def test_every_link_of_the_readme_exists() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", readme):
        assert (ROOT / target).is_file(), target
