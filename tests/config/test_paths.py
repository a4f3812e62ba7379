"""A school is found where it was named, or around the current folder."""

from pathlib import Path

import pytest

from nightschool.config.errors import ConfigError
from nightschool.config.paths import DEMO_BASE, SETTINGS_NAME, School, find_school, locks_folder


def _school(root: Path) -> Path:
    root.mkdir(parents=True)
    (root / SETTINGS_NAME).touch()
    return root


def test_a_given_folder_wins_over_the_environment_and_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, named, here = (_school(tmp_path / name) for name in ("my 学校", "named", "here"))
    monkeypatch.chdir(here)
    environment = {"NIGHTSCHOOL_SCHOOL": str(named)}
    assert find_school(given, environment) == School(given)
    assert find_school(None, environment) == School(named)
    assert find_school(None, {}) == School(here)
    assert find_school(None, {"NIGHTSCHOOL_SCHOOL": ""}) == School(here)


def test_a_given_folder_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    school = _school(tmp_path / "school")
    monkeypatch.chdir(tmp_path)
    assert find_school(Path("school"), {}) == School(school)
    assert find_school(None, {"NIGHTSCHOOL_SCHOOL": "school"}) == School(school)


def test_the_nearest_school_above_the_current_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _school(tmp_path / "outer")
    inner = _school(tmp_path / "outer" / "inner")
    (inner / "notes" / "lesson").mkdir(parents=True)
    monkeypatch.chdir(inner / "notes" / "lesson")
    assert find_school(None, {}) == School(inner)


def test_a_folder_named_like_the_settings_is_no_school(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer = _school(tmp_path / "outer")
    (outer / "inner" / SETTINGS_NAME).mkdir(parents=True)
    monkeypatch.chdir(outer / "inner")
    assert find_school(None, {}) == School(outer)


def test_a_name_with_a_space_is_told_as_it_has_to_be_typed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'init ".*my 学校"`'):
        find_school(tmp_path / "my 学校", {})


@pytest.mark.parametrize("by", ["given", "environment"])
def test_a_named_folder_without_a_school_is_refused_though_one_is_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    school = _school(tmp_path / "school")
    monkeypatch.chdir(school)
    with pytest.raises(ConfigError) as caught:
        if by == "given":
            find_school(Path("gone"), {})
        else:
            find_school(None, {"NIGHTSCHOOL_SCHOOL": "gone"})
    assert str(caught.value) == (
        f"no school in {school / 'gone'}: make one with `nightschool init gone`"
    )


def test_no_school_anywhere_is_said_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        find_school(None, {})
    assert str(caught.value) == (
        f"no nightschool.toml in {tmp_path} or above: make a school with `nightschool init`, "
        "or name one with --school FOLDER"
    )


def test_everything_that_is_written_lies_in_the_schools_state() -> None:
    school = School(Path("s"))
    assert school.settings_file == Path("s/nightschool.toml")
    written = [
        school.ledger_file,
        school.queue_file,
        school.work_lock,
        school.datasets,
        school.split_assignments_file,
        school.models,
        school.run_folder(3),
        school.model_folder(3),
    ]
    assert len(set(written)) == len(written)
    assert all(path.is_relative_to(Path("s/.nightschool")) for path in written)
    assert school.run_folder(3) != school.run_folder(4)
    assert school.model_folder(3) != school.model_folder(4)


def test_the_locks_of_all_schools_lie_in_one_place() -> None:
    assert locks_folder({"NIGHTSCHOOL_STATE": "x"}) == Path("x")
    assert locks_folder({}).name == "locks"
    assert locks_folder({}).is_absolute()


def test_the_demos_base_ships_with_the_package() -> None:
    assert (DEMO_BASE / "config.json").is_file()
