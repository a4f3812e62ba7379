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


def test_the_school_option_names_the_folder_of_the_new_school(tmp_path: Path) -> None:
    school = tmp_path / "学校 one"
    done = nightschool("--school", str(school), "init")
    assert done.returncode == 0, done.stderr
    assert (school / "nightschool.toml").is_file()
    other = nightschool("--school", str(school), "init", str(tmp_path / "other"))
    assert other.returncode == 2 and "give only one of them" in other.stderr
    assert not (tmp_path / "other").exists()
