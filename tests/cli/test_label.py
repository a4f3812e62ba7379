"""`label`: one key per note, and every label is saved before the next note is shown."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner, Result

from nightschool.cli import label
from nightschool.cli.main import cli
from nightschool.config.paths import School
from nightschool.notes.labels import read_labels
from tests.conftest import KINDS, MakeSchool

RECIPES = (
    "牛乳とバターを混ぜて、弱火で煮る。",
    "Bread: 500 g flour, 350 g water, 10 g salt.",
    "卵を三つ。",
)


@pytest.fixture
def school(make_school: MakeSchool) -> School:
    """Three kinds, one note under two of them, one that looks mislabelled, three unlabelled."""
    school = make_school()
    notes = school.root / "notes"
    for kind in KINDS[:2]:
        (notes / kind / "twice.md").write_text("The same under two kinds.", "utf-8")
    (notes / "decision" / "wrong.md").write_text(
        "The lamp broke. Next time I will test it first. 次からは先に試す。", "utf-8"
    )
    for number, text in enumerate(RECIPES):
        (notes / f"レシピ{number}.md").write_text(text, "utf-8")
    return school


def invoke(school: School, keys: str = "", *options: str) -> Result:
    return CliRunner().invoke(
        cli, ["--school", str(school.root), "label", *options], input=keys, env={"COLUMNS": "40"}
    )


@pytest.fixture
def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label, "_at_a_terminal", lambda: True)


def answers(school: School) -> dict[str, str | None]:
    return {given.source: given.kind for given in read_labels(school.labels_file).values()}


def test_without_a_terminal_no_question_is_asked(school: School) -> None:
    done = invoke(school, "123")
    assert done.exit_code == 2
    assert "standard input is not a terminal" in done.output
    assert not school.labels_file.exists()


def test_json_lists_the_questions(school: School) -> None:
    listed = json.loads(invoke(school, "", "--json", "--most", "1").stdout)
    assert listed["kinds"] == ["decision", "lesson", "none"] and listed["none"] == "none"
    assert [question["why"] for question in listed["questions"]] == ["copies", "none", "suspects"]
    copies, none, suspect = listed["questions"]
    assert copies["given"] == ["decision", "lesson"]
    assert "レシピ" in none["source"] and none["text"] in RECIPES
    assert (suspect["source"], suspect["guess"]) == ("decision/wrong.md", "lesson")


@pytest.mark.usefixtures("at_a_terminal")
def test_one_key_labels_a_note_and_the_question_does_not_return(school: School) -> None:
    done = invoke(school, "1x2", "--most", "1")
    assert done.exit_code == 0, done.output
    assert "3 labels saved in labels.jsonl" in done.output
    given = answers(school)
    assert given.pop("decision/twice.md, lesson/twice.md") == "decision"
    assert given.pop("decision/wrong.md") == "lesson"
    assert list(given.values()) == [None]
    again = json.loads(invoke(school, "", "--json").stdout)["questions"]
    asked = {question["source"] for question in again if question["why"] != "suspects"}
    assert len(asked) == 2 and not asked & given.keys()


@pytest.mark.usefixtures("at_a_terminal")
def test_undo_removes_the_last_label_and_skip_saves_none(school: School) -> None:
    done = invoke(school, "u1us3uu2q")
    assert done.exit_code == 0, done.output
    assert answers(school) == {"decision/twice.md, lesson/twice.md": "lesson"}
    assert "1 label saved" in done.output
    assert done.output.count("there is nothing to undo") == 1


@pytest.mark.usefixtures("at_a_terminal")
def test_unknown_keys_change_nothing(school: School) -> None:
    done = invoke(school, "9?q")
    assert done.output.count("unknown key") == 2
    assert answers(school) == {}


@pytest.mark.usefixtures("at_a_terminal")
def test_a_full_width_key_counts_as_the_plain_one(school: School) -> None:
    invoke(school, "１ｑ")
    assert list(answers(school).values()) == ["decision"]


@pytest.mark.usefixtures("at_a_terminal")
def test_only_the_chosen_question_type_is_asked(school: School) -> None:
    assert "1/3  レシピ" in invoke(school, "q", "--only", "none").output


@pytest.mark.usefixtures("at_a_terminal")
def test_a_closed_terminal_loses_no_label(school: School) -> None:
    done = invoke(school, "1")
    assert done.exit_code == 1
    assert "the labels so far are saved" in done.output
    assert len(answers(school)) == 1


@pytest.mark.usefixtures("at_a_terminal")
def test_a_label_is_saved_before_the_next_note_is_shown(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    show, kept = label._show, []

    def shown(*arguments: object) -> None:
        kept.append(len(answers(school)))
        show(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(label, "_show", shown)
    invoke(school, "123q")
    assert kept == [0, 1, 2, 3]


@pytest.mark.usefixtures("at_a_terminal")
def test_a_full_disk_loses_only_the_current_label(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, calls = os.fsync, []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) > 2:  # the first answer's file and folder
            raise OSError(28, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)
    done = invoke(school, "123q")
    assert done.exit_code == 1
    assert "No space left on device: this label is not saved, the earlier ones are" in done.output
    assert len(answers(school)) == 1


@pytest.mark.usefixtures("at_a_terminal")
def test_a_damaged_labels_file_is_reported_by_line_and_kept(school: School) -> None:
    school.labels_file.write_text('{"id": "a", "kind": "b"}\n{"id": \n', "utf-8")
    done = invoke(school, "1")
    assert "labels.jsonl, line 2: not valid JSON" in done.output
    assert school.labels_file.read_text("utf-8").endswith('{"id": \n')


@pytest.mark.usefixtures("at_a_terminal")
def test_without_any_kind_no_question_is_asked(make_school: MakeSchool) -> None:
    school = make_school(each=0)
    (school.root / "notes").mkdir()
    (school.root / "notes" / "a.md").write_text("Hello.", "utf-8")
    assert "no kind is known yet" in invoke(school, "1").output


@pytest.mark.usefixtures("at_a_terminal")
def test_a_long_note_is_shown_in_part_or_on_request_whole(school: School) -> None:
    long = "\n".join(f"line {number}" for number in range(99))
    for kind in KINDS[:2]:
        (school.root / "notes" / kind / "twice.md").write_text(long, "utf-8")
    first, _, second = invoke(school, "vq", "--only", "copies").output.partition("view whole note")
    assert "more lines (v shows all)" in first and "line 98" not in first
    assert "line 98" in second


@pytest.mark.usefixtures("at_a_terminal")
def test_control_characters_of_a_note_do_not_reach_the_terminal(school: School) -> None:
    for kind in KINDS[:2]:
        (school.root / "notes" / kind / "twice.md").write_text("a\x1b[2Jb\u202ec", "utf-8")
    assert "a\ufffd[2Jb\ufffdc" in invoke(school, "q", "--only", "copies").output


class Terminal:
    """A child process in a pseudo-terminal of 40 columns."""

    def __init__(self, school: School) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self.handle, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
        environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
        self.child = subprocess.Popen(
            [sys.executable, "-m", "nightschool", "--school", str(school.root), "label"],
            stdin=inner, stdout=inner, stderr=inner, env=environment | {"TERM": "xterm"},
            start_new_session=True,
        )  # fmt: skip
        os.close(inner)
        self.seen = ""

    def until(self, pattern: str) -> str:
        """Read until the new output matches; returns that output."""
        deadline = time.monotonic() + 60
        raw = b""
        while not re.search(pattern, raw.decode("utf-8", "ignore"), re.DOTALL):
            ready, _, _ = select.select([self.handle], [], [], deadline - time.monotonic())
            assert ready, f"{pattern!r} did not appear: {raw.decode('utf-8', 'ignore')}"
            try:
                raw += os.read(self.handle, 4096)
            except OSError:  # the child has ended
                break
        text = raw.decode("utf-8", "replace")
        self.seen += text
        return text

    def press(self, key: str) -> None:
        """Press a key once the child waits for one: it drops keys pressed before a note is shown."""
        import termios

        deadline = time.monotonic() + 60
        while termios.tcgetattr(self.handle)[3] & termios.ICANON:
            assert time.monotonic() < deadline, "the child waits for no key"
            time.sleep(0.01)
        os.write(self.handle, key.encode())


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
@pytest.mark.parametrize(("last", "code"), [("q", 0), ("\x03", 1)])
def test_at_a_real_terminal(school: School, last: str, code: int) -> None:
    at = Terminal(school)
    at.until(r"1/\d.*q quit")
    at.press("1")
    at.until(r"-> decision.*2/\d.*q quit")
    assert answers(school) == {"decision/twice.md, lesson/twice.md": "decision"}
    at.press("3")
    at.until(r"-> none.*3/\d.*q quit")
    at.press(last)
    at.until(r"saved in labels.jsonl" if code == 0 else "stopped")
    assert at.child.wait(timeout=30) == code
    os.close(at.handle)
    assert len(answers(school)) == 2
    assert any(recipe[:8] in at.seen for recipe in RECIPES)
    assert "Traceback" not in at.seen


def test_torch_is_not_imported(school: School) -> None:
    code = (
        "import sys\nfrom nightschool.cli.main import cli\n"
        "cli.main(sys.argv[1:], standalone_mode=False)\n"
        "sys.exit({'torch', 'transformers'} & set(sys.modules) or 0)"
    )
    command = [sys.executable, "-c", code, "--school", str(school.root), "label", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
