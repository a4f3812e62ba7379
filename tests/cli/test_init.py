"""`init`."""

from __future__ import annotations

from pathlib import Path

from nightschool.config.settings_file import load
from tests.cli.conftest import nightschool


def test_a_new_school_has_the_given_settings(tmp_path: Path) -> None:
    notes = tmp_path / "ノート folder"
    notes.mkdir()
    done = nightschool("init", str(tmp_path / "s"), "--notes", str(notes), "--base", "demo")
    assert done.returncode == 0, done.stderr
    settings = load(tmp_path / "s/nightschool.toml")
    assert Path(settings.notes.folder) == notes
    assert settings.base == "demo"
    again = nightschool("init", str(tmp_path / "s"))
    assert again.returncode == 1 and "exists already" in again.stderr


def test_a_notes_folder_inside_the_school_is_stored_as_a_relative_path(tmp_path: Path) -> None:
    (tmp_path / "s/mine").mkdir(parents=True)
    nightschool("init", str(tmp_path / "s"), "--notes", str(tmp_path / "s/mine"))
    assert load(tmp_path / "s/nightschool.toml").notes.folder == "mine"
