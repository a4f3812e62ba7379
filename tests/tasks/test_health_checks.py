"""The checks of `doctor`: notes, disk, and the model's server, to which no note is sent."""

from __future__ import annotations

from typing import Any

import pytest

from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.tasks import health_checks
from nightschool.tasks.health_checks import HealthCheck, HealthVerdict, examine
from tests.chat_server import chat_server, says
from tests.conftest import MakeSchool


def finding(school: School, check: str = "server") -> HealthCheck:
    found = examine(school, load(school.settings_file))
    return next(finding for finding in found if finding.check == check)


def test_notes_are_counted_as_a_run_reads_them(make_school: MakeSchool) -> None:
    school = make_school()
    found = finding(school, "notes")
    assert found.verdict == "ok" and "36 of 36 notes with 3 kinds" in found.finding
    for file in (school.root / "notes").rglob("*.md"):
        file.unlink()
    found = finding(school, "notes")
    assert found.verdict == "problem" and "there are no notes in" in found.finding


def test_disk_too_full_for_a_run_is_a_problem(make_school: MakeSchool) -> None:
    found = finding(make_school(night={"min_disk_gb": 1e9}), "disk")
    assert found.verdict == "problem" and "night.min_disk_gb" in found.remedy


def test_server_that_offers_the_model_is_ok(make_school: MakeSchool) -> None:
    with chat_server(says("lesson")) as chat:
        school = make_school(each=0, server={"url": chat.url, "model": "tiny:1b"})
        assert (finding(school).verdict, chat.asked) == ("ok", [])


def test_missing_model_is_named_with_those_that_the_server_has(
    make_school: MakeSchool,
) -> None:
    with chat_server(says("lesson")) as chat:
        found = finding(make_school(each=0, server={"url": chat.url, "model": "huge:70b"}))
    assert found.verdict == "warning"
    assert "no model huge:70b, only tiny:1b" in found.finding


def test_server_that_is_down_is_a_warning(make_school: MakeSchool) -> None:
    with chat_server(says("lesson")) as chat:
        pass
    found = finding(make_school(each=0, server={"url": chat.url, "model": "tiny:1b"}))
    assert found.verdict == "warning"
    assert "connection refused" in found.finding and "server.url" in found.remedy


def test_school_that_this_user_may_not_write_is_the_problem(
    make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = make_school()
    monkeypatch.setattr(health_checks, "forbidden", lambda path: True)
    found = list(examine(school, load(school.settings_file)))
    assert [finding.check for finding in found[-2:]] == ["school", "notes"]
    assert found[-2].finding == f"{school.state} cannot be written by this user"


def write(school: School, *folders: str) -> None:
    for folder in folders:
        (school.root / "notes" / folder).mkdir(parents=True, exist_ok=True)
        for number, word in enumerate(("apples", "bicycles", "cellars", "dragons")):
            text = f"A note in {folder} about {word}."
            (school.root / f"notes/{folder}/{number}.md").write_text(text, "utf-8")


@pytest.mark.parametrize(
    ("folders", "settings", "said"),
    [
        (("Lessons", "Ideas"), {}, ""),
        (
            ("Lessons", "教訓", "Ideas"),
            {},
            "[kinds] is empty; the notes suggest 教訓 (8), Ideas (4)",
        ),
        (("Lessons", "Ideas"), {"kinds": {"Lessons": "", "Ideas": ""}}, ""),
        (
            ("Lessons", "Ideas"),
            {"kinds": {"lessons": "", "idea": "", "value": ""}},
            'no note is of "idea", "value"; "Ideas" may mean idea',
        ),
        (("Lessons", "Ideas", "9 Templates"), {}, '"/9 Templates/" may hold no notes'),
    ],
)
def test_the_kinds_are_compared_with_what_the_notes_name(
    make_school: MakeSchool, folders: tuple[str, ...], settings: dict[str, Any], said: str
) -> None:
    school = make_school(each=0, **settings)
    write(school, *folders)
    found = {each.check: each for each in health_checks._notes(school, load(school.settings_file))}
    if not said:
        assert "kinds" not in found
        return
    assert found["kinds"].verdict == "warning" and found["kinds"].finding == said
    assert found["kinds"].remedy == "`nightschool init --update` adds what it proposes"


def test_names_that_were_left_out_of_the_kinds_are_mentioned(make_school: MakeSchool) -> None:
    school = make_school(each=0, kinds={"Lessons": "", "Ideas": ""})
    write(school, "Lessons", "Ideas", "Cooking", "Inbox")
    found = {each.check: each for each in health_checks._notes(school, load(school.settings_file))}
    assert found["kinds"] == HealthCheck(
        "kinds", "not under [kinds]: Cooking (4)", HealthVerdict.OK
    )


def test_a_listed_kind_without_notes_is_named(make_school: MakeSchool) -> None:
    school = make_school(kinds={"decision": "", "lesson": "", "none": "", "value": ""})
    found = finding(school, "kinds")
    assert found.finding == 'no note is of "value"' and "add notes of these kinds" in found.remedy
