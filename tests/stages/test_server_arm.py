"""The server arm against a real server: every test note gets an outcome, stored at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nightschool.config.errors import Stopped
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.notes.dataset import Item
from nightschool.notes.splits import Split
from nightschool.stages.context import StageContext
from nightschool.stages.server_arm import ask_server
from tests.chat_server import Behave, Chat, Handler, chat_server, fails, hangs, says, send
from tests.listener import Listener

KINDS = ("decision", "lesson", "none")
TEST = [
    Item(f"id-{n}", f"Note {n}. 買い物。", KINDS[n % 3], Split.TEST, f"{n}.md") for n in range(9)
]


def context_at(root: Path, url: str, stop_after: int | None = None, **server: Any) -> StageContext:
    settings = Settings.model_validate(
        {
            "kinds": {"lesson": "learned the hard way"},
            "server": {"url": url, "model": "tiny:1b", "timeout_s": 5.0, **server},
        }
    )
    context = StageContext(School(root / "my 学校"), 1, settings, Listener(stop_after))  # type: ignore[arg-type]
    context.folder.mkdir(parents=True, exist_ok=True)
    return context


def by_number(text: str) -> str:
    """Answers note n with the kind n mod 3."""
    return KINDS[int(text.split()[2].rstrip(".")) % 3]


def in_turn(*behaviours: Behave) -> Behave:
    """Behaves in one way after another."""
    return lambda chat, handler: behaviours[(len(chat.asked) - 1) % len(behaviours)](chat, handler)


def test_each_question_lists_the_kinds_and_their_meanings(tmp_path: Path) -> None:
    with chat_server(says(by_number)) as chat:
        answers, note = ask_server(context_at(tmp_path, chat.url), KINDS, TEST)
    assert answers == [item.kind for item in TEST]
    assert note == f"tiny:1b at {chat.url}: a kind for 9 of 9 test notes"
    system, user = chat.asked[0]["messages"]
    assert "- lesson: learned the hard way\n- none" in system["content"]
    assert user["content"] == "Note:\nNote 0. 買い物。\n\nKind:"


def test_answers_without_a_kind_are_wrong_and_counted_by_outcome(tmp_path: Path) -> None:
    ways = in_turn(says("LESSON"), says("<think>hm</think> no idea"), fails(500), hangs)
    with chat_server(ways) as chat:
        context = context_at(tmp_path, chat.url, timeout_s=1.0)
        answers, note = ask_server(context, KINDS, TEST[:6])
    assert answers == ["lesson", "", "", "", "lesson", ""]
    summary = (
        "a kind for 2 of 6 test notes; counted as wrong: 2 without a kind in the "
        "answer, 1 timed out, 1 with an error "
        "(most often: HTTP 500: no such model)"
    )
    assert note.endswith(summary)
    assert context.parent.said == [("warning", f"server: {note}")]  # type: ignore[attr-defined]
    lines = (context.folder / "server.jsonl").read_text("utf-8").split("\n")
    rows = [json.loads(line) for line in lines]
    assert [row["outcome"] for row in rows[:4]] == ["kind", "nonsense", "error", "timeout"]
    assert rows[1]["reply"] == "<think>hm</think> no idea"


def test_a_stop_between_two_notes_loses_no_answer(tmp_path: Path) -> None:
    with chat_server(says(by_number)) as chat:
        with pytest.raises(Stopped):
            ask_server(context_at(tmp_path, chat.url, stop_after=4), KINDS, TEST)
        assert len(chat.asked) == 4
        context = context_at(tmp_path, chat.url)
        answers, _ = ask_server(context, KINDS, TEST)
        assert len(chat.asked) == 9
        assert answers == [item.kind for item in TEST]
        assert context.parent.done[-1] == (8, 9)  # type: ignore[attr-defined]
        assert ask_server(context, KINDS, TEST)[0] == answers
    assert len(chat.asked) == 9


def test_an_answer_that_a_crash_cut_off_is_requested_again(tmp_path: Path) -> None:
    with chat_server(says(by_number)) as chat:
        context = context_at(tmp_path, chat.url)
        ask_server(context, KINDS, TEST[:3])
        file = context.folder / "server.jsonl"
        file.write_bytes(file.read_bytes()[:-30])
        answers, _ = ask_server(context, KINDS, TEST)
        assert answers == [item.kind for item in TEST]
        assert len(chat.asked) == 3 + 7
        assert ask_server(context, KINDS, TEST)[0] == answers


def test_a_server_that_is_down_is_given_up_and_every_note_counts_as_wrong(tmp_path: Path) -> None:
    with chat_server(says("")) as chat:
        url = chat.url
    answers, note = ask_server(context_at(tmp_path, url), KINDS, TEST)
    assert answers == [""] * 9
    assert "a kind for 0 of 9 test notes; counted as wrong: 5 with an error" in note
    assert "4 not asked after 5 failures in a row" in note
    assert "connection refused (is the server running?)" in note


def test_answers_without_a_kind_do_not_end_the_questions(tmp_path: Path) -> None:
    with chat_server(says("I like cheese.")) as chat:
        answers, note = ask_server(context_at(tmp_path, chat.url), KINDS, TEST)
    assert answers == [""] * 9
    assert note.endswith("counted as wrong: 9 without a kind in the answer")
    assert len(chat.asked) == 9


def test_the_key_comes_from_the_environment_and_is_never_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTES_KEY", " secret-key\n")

    def echo(chat: Chat, handler: Handler) -> None:
        send(handler, b"{}", 401)

    with chat_server(echo) as chat:
        context = context_at(tmp_path, chat.url, api_key_env="NOTES_KEY")
        ask_server(context, KINDS, TEST[:1])
    assert chat.headers[0]["Authorization"] == "Bearer secret-key"
    assert "secret-key" not in (context.folder / "server.jsonl").read_text("utf-8")


def test_a_missing_key_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTES_KEY", raising=False)
    with chat_server(says(by_number)) as chat:
        context = context_at(tmp_path, chat.url, api_key_env="NOTES_KEY")
        ask_server(context, KINDS, TEST[:1])
    assert context.parent.said == [("warning", "NOTES_KEY (server.api_key_env) is not set")]  # type: ignore[attr-defined]
