"""`init`."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightschool.cli import init, kind_questions
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.config.settings_file import load
from nightschool.notes.readers import read_school
from tests.cli.conftest import invoke, nightschool


def test_a_new_school_has_the_given_settings(tmp_path: Path) -> None:
    notes = tmp_path / "ノート folder"
    notes.mkdir()
    done = nightschool("init", str(tmp_path / "s"), "--notes", str(notes), "--base", "demo")
    assert done.returncode == 0, done.stderr
    settings = load(tmp_path / "s/nightschool.toml")
    assert settings.notes.folder == notes.as_posix()
    assert settings.base == "demo"
    again = nightschool("init", str(tmp_path / "s"))
    assert again.returncode == 2 and "exists already" in again.stderr


def test_a_notes_folder_inside_the_school_is_stored_as_a_relative_path(tmp_path: Path) -> None:
    (tmp_path / "s/mine").mkdir(parents=True)
    invoke(School(tmp_path / "s"), "init", "--notes", str(tmp_path / "s/mine"))
    assert load(tmp_path / "s/nightschool.toml").notes.folder == "mine"


def test_the_school_option_names_the_folder_of_the_new_school(tmp_path: Path) -> None:
    school = School(tmp_path / "学校 one")
    done = invoke(school, "init")
    assert done.exit_code == 0, done.output
    assert school.settings_file.is_file()
    other = invoke(school, "init", str(tmp_path / "other"))
    assert other.exit_code == 2 and "give only one of them" in other.output
    assert not (tmp_path / "other").exists()


@pytest.fixture
def school(tmp_path: Path) -> School:
    """No school yet, but a folder with notes of three kinds."""
    for folder, text in (("Lessons", "It broke."), ("Ideas", "What if?"), ("Cooking", "Stir.")):
        (tmp_path / "学校/notes" / folder).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "学校/notes" / folder / f"{number}.md").write_text(
                f"{text} {number}", "utf-8"
            )
    return School(tmp_path / "学校")


def settings(school: School) -> Settings:
    return load(school.settings_file)


@pytest.mark.parametrize(
    ("given", "kinds"),
    [
        ([], {"Lessons", "Ideas", "Cooking"}),
        (["--kinds", "all"], {"Lessons", "Ideas", "Cooking"}),
        (["--kinds", "none"], set()),
        (["--kinds", " NONE "], set()),
        (["--kinds=-cooking"], {"Lessons", "Ideas"}),
        (["--kinds", "ideas、Lessons, Recipes"], {"Lessons", "Ideas", "Recipes"}),
    ],
)
def test_the_kinds_are_those_proposed_or_those_given(
    school: School, given: list[str], kinds: set[str]
) -> None:
    done = invoke(school, "init", *given)
    assert done.exit_code == 0, done.output
    assert set(settings(school).kinds) == kinds
    assert "folders: Cooking (4), Ideas (4), Lessons (4)" in done.output


@pytest.mark.parametrize("given", ["-Dancing", "Ideas, 教訓, -x"])
def test_a_name_that_is_not_there_cannot_be_left_out(school: School, given: str) -> None:
    done = invoke(school, "init", f"--kinds={given}")
    assert done.exit_code == 2 and "is not among what was found" in done.stderr
    assert not school.settings_file.exists()


def test_at_a_terminal_the_owner_answers(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kind_questions, "_at_a_terminal", lambda: True)
    (school.root / "notes/99 Templates").mkdir()
    (school.root / "notes/99 Templates/a.md").write_text("kind: what is it?", "utf-8")
    done = invoke(school, "init", keys="-Nothing\n\n-Cooking\n\n")
    assert done.exit_code == 0, done.output
    assert '"Nothing" is not among what was found' in done.output
    assert set(settings(school).kinds) == {"Lessons", "Ideas"}
    assert settings(school).notes.exclude == ["/99 Templates/"]


def test_ctrl_c_during_the_questions_leaves_nothing(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind_questions, "_at_a_terminal", lambda: True)
    done = invoke(school, "init", keys="")
    assert done.exit_code == 1 and not school.settings_file.exists()


def test_ctrl_c_while_the_notes_are_read_leaves_nothing(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nightschool.stages.first_look.look_through", interrupted)
    done = invoke(school, "init")
    assert done.exit_code == 1 and "Traceback" not in done.output
    assert [path.name for path in school.root.iterdir()] == ["notes"]


@pytest.mark.parametrize("content", ["an empty folder", "a note without a hint", "three notes"])
def test_with_little_to_see_init_says_what_to_do(tmp_path: Path, content: str) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    if content != "an empty folder":
        (notes / "a.md").write_text("a note", "utf-8")
    if content == "three notes":
        for n in range(3):
            (notes / f"{n}.md").write_text(f"{n} notes", "utf-8")
    done = invoke(School(tmp_path), "init")
    assert done.exit_code == 0 and settings(School(tmp_path)).kinds == {}
    hint = "put your notes into" if content == "an empty folder" else "`nightschool label`"
    assert hint in done.output, done.output


def test_three_notes_of_two_kinds_are_enough_to_propose(tmp_path: Path) -> None:
    for name in ("Lessons/a.md", "Lessons/b.md", "Ideas/c.md"):
        (tmp_path / "notes" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "notes" / name).write_text(f"the note {name}", "utf-8")
    invoke(School(tmp_path), "init")
    assert set(settings(School(tmp_path)).kinds) == {"Lessons", "Ideas"}


def test_a_folder_that_holds_the_notes_itself_becomes_the_school(tmp_path: Path) -> None:
    for number in range(init._FEWEST_FILES):
        (tmp_path / "Lessons").mkdir(exist_ok=True)
        (tmp_path / f"Lessons/{number}.md").write_text(f"It broke {number} times.", "utf-8")
    assert invoke(School(tmp_path), "init").exit_code == 0
    assert settings(School(tmp_path)).notes.folder == "."


@pytest.mark.parametrize(
    ("folder", "arguments", "message"),
    [
        ("a.md", [], "is a file: give a folder"),
        ("s", ["--notes", "a.md"], "is a single file"),
        ("s", ["--notes", "gone"], "does not exist"),
        ("s", ["--update"], "is not a school"),
    ],
)
def test_what_is_no_folder_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, arguments: list[str], message: str
) -> None:
    (tmp_path / "a.md").write_text("x", "utf-8")
    monkeypatch.chdir(tmp_path)
    done = invoke(School(tmp_path / folder), "init", *arguments)
    assert done.exit_code == 2 and message in done.output, done.output
    assert [path.name for path in tmp_path.iterdir()] == ["a.md"]


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("text,label", ("text", "label")),
        ("id,Body,Category", ("Body", "Category")),
        ("本文,種類,id", ("本文", "種類")),
    ],
)
def test_the_columns_of_a_table_are_found(
    tmp_path: Path, header: str, columns: tuple[str, str]
) -> None:
    names = header.split(",")
    rows = []
    for number in range(8):
        values = dict.fromkeys(names, str(number))
        values |= {columns[0]: f"note {number}", columns[1]: ("lesson", "idea")[number % 2]}
        rows.append(",".join(values[name] for name in names))
    (tmp_path / "a.csv").write_text("\n".join([header, *rows]), "utf-8")
    school = School(tmp_path / "s")
    done = invoke(school, "init", "--notes", str(tmp_path / "a.csv"))
    assert done.exit_code == 0, done.output
    notes = settings(school).notes
    assert (notes.text_column, notes.label_column) == columns
    assert set(settings(school).kinds) == {"lesson", "idea"}
    assert len(read_school(school.root, settings(school)).notes) == 8


def test_a_table_that_cannot_be_read_yet_is_explained(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prose,sort\none,a\n", "utf-8")
    school = School(tmp_path / "s")
    done = invoke(school, "init", "--notes", str(tmp_path / "a.csv"))
    assert done.exit_code == 0 and "set notes.text_column" in done.output
    assert str(settings(school).notes.folder).endswith("a.csv")


def test_without_kinds_names_that_differ_in_case_are_said_to_clash(school: School) -> None:
    (school.root / "notes/ideas").mkdir(exist_ok=True)
    (school.root / "notes/ideas/x.md").write_text("What if it rains?", "utf-8")
    if len(list((school.root / "notes").iterdir())) < 4:
        pytest.skip("this file system does not tell them apart")
    done = invoke(school, "init", "--kinds", "none")
    assert done.exit_code == 0 and "differ only in case or width" in done.output
    assert settings(school).kinds == {}
    assert "[kinds]" in invoke(school, "init", "--update").output
    assert set(settings(school).kinds) == {"Lessons", "Ideas", "Cooking"}


def test_init_again_changes_nothing(school: School) -> None:
    invoke(school, "init")
    text = school.settings_file.read_text("utf-8") + "\n# mine\n"
    school.settings_file.write_text(text, "utf-8")
    done = invoke(school, "init")
    assert done.exit_code == 2 and "nothing was changed" in done.output
    assert school.settings_file.read_text("utf-8") == text


def test_kinds_that_were_left_out_can_be_added_later(school: School) -> None:
    invoke(school, "init", "--kinds=-Cooking")
    assert "nothing to add" in invoke(school, "init", "--update").output
    done = invoke(school, "init", "--update", "--kinds", "cooking, Recipes")
    assert done.exit_code == 0, done.output
    assert set(settings(school).kinds) == {"Lessons", "Ideas", "Cooking", "Recipes"}


@pytest.mark.parametrize("option", ["--notes", "--base"])
def test_update_changes_no_other_setting(school: School, option: str) -> None:
    invoke(school, "init")
    done = invoke(school, "init", "--update", option, str(school.root / "notes"))
    assert done.exit_code == 2 and "change them in nightschool.toml" in done.output
