"""Finding a school, and the paths of its files."""

from pathlib import Path

import pytest

from nightschool.config.errors import ConfigError
from nightschool.config.paths import DEMO_BASE, SETTINGS_NAME, School, find_school, locks_folder


def _school(root: Path) -> Path:
    root.mkdir(parents=True)
    (root / SETTINGS_NAME).touch()
    return root


def test_a_given_folder_takes_precedence_over_the_environment_and_the_current_folder(
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


def test_a_folder_named_like_the_settings_file_does_not_make_a_school(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer = _school(tmp_path / "outer")
    (outer / "inner" / SETTINGS_NAME).mkdir(parents=True)
    monkeypatch.chdir(outer / "inner")
    assert find_school(None, {}) == School(outer)


def test_a_name_with_a_space_is_quoted_in_the_hint(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'init ".*my 学校"`'):
        find_school(tmp_path / "my 学校", {})


@pytest.mark.parametrize("by", ["given", "environment"])
def test_a_named_folder_without_a_school_is_refused_even_inside_a_school(
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
        f"{school / 'gone'} is not a school: create one with `nightschool init gone`"
    )


def test_a_missing_school_is_reported_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        find_school(None, {})
    assert str(caught.value) == (
        f"there is no nightschool.toml in {tmp_path} or above: create a school with `nightschool init`, "
        "or give one with --school FOLDER"
    )


def test_everything_that_is_written_is_in_the_state_folder() -> None:
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


def test_all_schools_share_one_folder_of_locks() -> None:
    assert locks_folder({"NIGHTSCHOOL_STATE": "x"}) == Path("x")
    assert locks_folder({}).name == "locks"
    assert locks_folder({}).is_absolute()


def test_the_package_includes_the_demos_base_model() -> None:
    assert (DEMO_BASE / "config.json").is_file()
