"""The models of the settings: values, and errors that name file, line and key."""

from __future__ import annotations

import pytest

from nightschool.config.settings import RetrainSettings, Settings, recorded
from tests.config.conftest import checked, problems

NO_TRAINING_NOTES = (
    "test + validation leave less than 20 % of the notes for training: lower one of them"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[train]\nepochs = 0", "file, line 2: `train.epochs` = 0: should be greater than 0"),
        (
            "[train]\nepochs = inf",
            "file, line 2: `train.epochs` = Infinity: should be a finite number",
        ),
        ("[train]\nepochs = nan", "file, line 2: `train.epochs` = NaN: should be a finite number"),
        ("split.test = 1.0", "file, line 1: `split.test` = 1.0: should be less than 1"),
        (
            "[train]\nschedule = 'cosin'",
            "file, line 2: `train.schedule` = \"cosin\": should be 'cosine', 'linear' or 'constant'",
        ),
        (
            "queue = 'rabbit'",
            'file, line 1: `queue`: expected "sqlite" or "redis://host:port/db"',
        ),
        ("notes.folder = ''", 'file, line 1: `notes.folder` = "": expected a path, or a list'),
        ("notes.folder = []", "file, line 1: `notes.folder` = []: expected a path, or a list"),
        ("notes.folder = ['a', 3]", 'file, line 1: `notes.folder` = ["a", 3]: expected a path'),
        (
            "[split]\ntest = 0.5\nvalidation = 0.4",
            f"file, line 1: `split`: {NO_TRAINING_NOTES}",
        ),
        (
            "base = 'x'\nsplit.test = 0.75",
            f"file, line 2: `split`: {NO_TRAINING_NOTES}",
        ),
    ],
)
def test_an_invalid_value_is_reported_with_its_line_and_what_was_expected(
    text: str, message: str
) -> None:
    [problem] = problems(text)
    assert problem.startswith(message)


@pytest.mark.parametrize(
    "every", ["14", "d", "0d", "1.5d", "-1d", "monthly", "2 weeks", "Weekly", "99999d"]
)
def test_an_invalid_interval_is_reported(every: str) -> None:
    assert problems(f'[retrain]\nevery = "{every}"') == [
        f'file, line 2: `retrain.every` = "{every}": expected "daily", "weekly", a number of days such '
        'as "14d", or ""'
    ]


@pytest.mark.parametrize(("every", "days"), [("", 0), ("daily", 1), ("weekly", 7), ("14d", 14)])
def test_an_interval_is_converted_to_seconds(every: str, days: int) -> None:
    retrain = RetrainSettings(every=every)
    assert (retrain.on, retrain.every_s) == (bool(days), days * 86400)


def test_recorded_settings_of_another_version_are_read_without_unknown_ones() -> None:
    values = Settings().model_dump()
    values["train"]["micro_batch"] = 4
    values["gone"] = {"key": 1}
    assert recorded(values) == Settings()


def test_a_run_recorded_with_a_removed_setting_can_still_be_read() -> None:
    assert recorded({"train": {"layers": "top:12", "epochs": 2.0}}).train.epochs == 2.0


def _server(url: str, more: str = "") -> Settings:
    return checked(f"[server]\nurl = '{url}'\nmodel = 'tiny'\n{more}")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:11434/v1",
        "http://127.0.0.2",
        "http://localhost:8080",
        "https://LOCALHOST/v1/chat/completions",
        "http://[::1]:8080/v1",
        "http://[::ffff:127.0.0.1]:8080",
    ],
)
def test_a_server_on_this_computer_is_allowed(url: str) -> None:
    assert _server(url).server.url == url


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.example.com/v1", "api.example.com"),
        ("http://192.168.1.7:11434", "192.168.1.7"),
        ("http://localhost.example.com", "localhost.example.com"),
        ("http://127.0.0.1.example.com/v1", "127.0.0.1.example.com"),
        ("http://[2001:db8::1]/v1", "2001:db8::1"),
        ("http://[::ffff:192.0.2.1]/v1", "::ffff:192.0.2.1"),
        ("http://0.0.0.0:11434", "0.0.0.0"),
    ],
)
def test_a_server_on_another_computer_needs_allow_remote(url: str, host: str) -> None:
    [problem] = problems(f"[server]\nurl = '{url}'\nmodel = 'tiny'\n")
    assert problem.startswith(
        f"file, line 1: `server`: url would send your notes to another computer ({host})"
    )
    assert "allow_remote = true" in problem
    assert _server(url, "allow_remote = true").server.allow_remote


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("url = '127.0.0.1:11434'\nmodel = 'x'", "write it like"),
        ("url = 'ftp://127.0.0.1/v1'\nmodel = 'x'", "write it like"),
        ("url = 'http:///v1'\nmodel = 'x'", "write it like"),
        ("url = 'http://127.0.0.1:99999/v1'\nmodel = 'x'", "is not a valid address"),
        ("url = 'http://[::1/v1'\nmodel = 'x'", "is not a valid address"),
        ("url = 'http://127.0.0.1/v1 x'\nmodel = 'x'", "write it like"),
        ("url = 'http://me:secret@127.0.0.1/v1'\nmodel = 'x'", "that api_key_env names"),
        ("url = 'http://127.0.0.1/v1?key=secret'\nmodel = 'x'", "that api_key_env names"),
        ("url = 'http://127.0.0.1/v1'", "model is not set"),
        ("timeout_s = 0.0", "greater than 0"),
    ],
)
def test_an_invalid_server_is_reported_in_one_line(text: str, message: str) -> None:
    [problem] = problems(f"[server]\n{text}")
    assert message in problem
    assert problem.startswith("file, line ")


def test_an_unknown_arm_is_reported_with_the_valid_ones() -> None:
    [problem] = problems('[ladder]\narms = ["majority", "gpt"]')
    assert "`ladder.arms.1`" in problem and "'tfidf-lr'" in problem


@pytest.mark.parametrize("name", ["", "cp932", "UTF-8", "latin-1", "utf-16", "iso2022_jp"])
def test_an_encoding_of_text_is_accepted(name: str) -> None:
    assert Settings.model_validate({"notes": {"encoding": name}}).notes.encoding == name


@pytest.mark.parametrize(
    "name",
    ["shiftjis932", "rot13", "zlib", "base64", "idna", "unicode_escape", "undefined", "é", " "],
)
def test_an_encoding_that_is_none_of_text_files_is_reported_with_its_line(name: str) -> None:
    [problem] = problems(f"[notes]\nsplit = 'file'\nencoding = '{name}'")
    assert problem == (
        f'file, line 3: `notes.encoding` = "{name}": '
        'not an encoding that Python can read: name one such as "cp932"'
    )
