"""The owner's file: what it says counts, and what is wrong with it is said with its line."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.config.errors import ConfigError
from nightschool.config.night_settings import WEEKDAYS
from nightschool.config.presets import PRESETS
from nightschool.config.settings import RetrainSettings, Settings, recorded
from nightschool.config.settings_file import check, line_of, load
from nightschool.config.settings_template import template


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test writes its settings."""
    return tmp_path / "nightschool.toml"


def _check(text: str) -> Settings:
    return check(tomllib.loads(text), text, "file")


def _problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        _check(text)
    return str(caught.value).split("\n")


# Values and presets


def test_an_empty_file_gives_the_defaults(file: Path) -> None:
    file.write_bytes(b"")
    settings = load(file)
    assert settings == Settings()
    assert (settings.preset, settings.train.epochs) == ("rtx-8gb", 3.0)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_loads_and_its_values_are_in_force(file: Path, preset: str) -> None:
    file.write_text(f'preset = "{preset}"\n', encoding="utf-8")
    settings = load(file).model_dump()
    assert settings["preset"] == preset
    for key, value in PRESETS[preset].items():
        if isinstance(value, dict):
            assert {inner: settings[key][inner] for inner in value} == value
        else:
            assert settings[key] == value


def test_the_presets_are_those_that_may_be_named() -> None:
    for preset in PRESETS:
        assert _check(f'preset = "{preset}"').preset == preset
    [problem] = _problems('preset = "none"')
    assert all(f"'{preset}'" in problem for preset in PRESETS)


def test_the_file_wins_over_the_preset_and_the_preset_over_the_defaults() -> None:
    train = _check('preset = "cpu-demo"\n[train]\nepochs = 1.5\n').train
    assert train.epochs == 1.5
    assert train.learning_rate == PRESETS["cpu-demo"]["train"]["learning_rate"]
    assert train.lora_r == Settings().train.lora_r


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("train.epochs = 2", ("train", "epochs"), 2.0),
        ("train = { lora_r = 4 }", ("train", "lora_r"), 4),
        ('[night]\nstart = "00:00"\nend = "23:59"', ("night", "start"), "00:00"),
        ('[kinds]\n"決定 事項" = "we chose"', ("kinds", "決定 事項"), "we chose"),
        ('queue = "redis://localhost:6379/0"', ("queue",), "redis://localhost:6379/0"),
        ("split = { test = 0.5, validation = 0.3 }", ("split", "test"), 0.5),
    ],
)
def test_a_value_may_be_written_in_any_way_of_toml(
    text: str, path: tuple[str, ...], value: object
) -> None:
    found: Any = _check(text).model_dump()
    for key in path:
        found = found[key]
    assert found == value


# What is wrong


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "# a comment\n\nprest = 'x'",
            "file, line 3: unknown setting `prest`: did you mean `preset`?",
        ),
        (
            "[train]\nepochs = 1\nlearning_rat = 1",
            "file, line 3: unknown setting `train.learning_rat`: "
            "did you mean `train.learning_rate`?",
        ),
        ("[trian]\nepochs = 1", "file, line 1: unknown setting `trian`: did you mean `train`?"),
        ("[nigth]\n", "file, line 1: unknown setting `nigth`: did you mean `night`?"),
        (
            "[split]\nzzz = 1",
            "file, line 2: unknown setting `split.zzz`: known here are test, validation, seed, same_source",
        ),
        (
            "[train]\nepochs = 1\nnear_misses = 0.2",
            "file, line 3: the setting `train.near_misses` no longer exists, because the notes that it added "
            "made models worse: remove this line",
        ),
        (
            "zzz = 1",
            "file, line 1: unknown setting `zzz`: known here are "
            "preset, base, queue, notes, split, kinds, prompt, train, decide, morning, classify, ladder, "
            "server, night, retrain",
        ),
    ],
)
def test_an_unknown_setting_is_named_with_its_line_and_the_nearest(text: str, said: str) -> None:
    assert _problems(text) == [said]


def test_a_removed_setting_is_ignored_or_explained() -> None:
    assert _check('[train]\nlayers = "all"\nepochs = 1') == _check("[train]\nepochs = 1")
    assert _problems('[train]\nepochs = 1\nlayers = "top:12"') == [
        "file, line 3: the setting `train.layers` no longer exists, because training the upper layers alone "
        "made models worse (lower train.epochs to save time): remove this line"
    ]


def test_a_run_recorded_with_a_removed_setting_can_still_be_read() -> None:
    assert recorded({"train": {"layers": "top:12", "epochs": 2.0}}).train.epochs == 2.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[train]\nepochs = '3'", 'file, line 2: `train.epochs` = "3": should be a valid number'),
        (
            "[train]\nlora_r = true",
            "file, line 2: `train.lora_r` = true: should be a valid integer",
        ),
        ("[train]\nlora_r = 8.0", "file, line 2: `train.lora_r` = 8.0: should be a valid integer"),
        (
            "[train]\n\nlora_targets = [\n'a',\n1]",
            "file, line 3: `train.lora_targets.1` = 1: should be a valid string",
        ),
        (
            "[night]\nidle_minutes = 1e9",
            "file, line 2: `night.idle_minutes` = 1000000000.0: should be less than or equal to 1440",
        ),
        (
            "[night]\nquiet_minutes = 1500",
            "file, line 2: `night.quiet_minutes` = 1500: should be less than or equal to 1440",
        ),
        ("base = 7", "file, line 1: `base` = 7: should be a valid string"),
        (
            "[night]\nstart = 23:00:00",
            'file, line 2: `night.start` = "23:00:00": should be a valid string',
        ),
        (
            '[kinds]\na = "x"\n"仕事 メモ" = 5',
            "file, line 3: `kinds.仕事 メモ` = 5: should be a valid string",
        ),
        ("train = 5", "file, line 1: `train` = 5: should be a table: [train]"),
        ("\nkinds = []", "file, line 2: `kinds` = []: should be a table: [kinds]"),
        (
            "[[train]]\nepochs = 1",
            'file, line 1: `train` = [{"epochs": 1}]: should be a table: [train]',
        ),
    ],
)
def test_a_wrong_type_is_named_with_its_line(text: str, said: str) -> None:
    assert _problems(text) == [said]


@pytest.mark.parametrize(
    ("text", "said"),
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
            'file, line 1: `queue` = "rabbit": String should match pattern '
            "'^(sqlite|rediss?://\\S+)$'",
        ),
        ("notes.folder = ''", 'file, line 1: `notes.folder` = "": String should have at least 1'),
        (
            "[split]\ntest = 0.5\nvalidation = 0.4",
            "file, line 1: `split`: test + validation leave less than 20 % to train on",
        ),
        (
            "base = 'x'\nsplit.test = 0.75",
            "file, line 2: `split`: test + validation leave less than 20 % to train on",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_line_and_what_was_expected(text: str, said: str) -> None:
    [problem] = _problems(text)
    assert problem.startswith(said)


@pytest.mark.parametrize(
    "time", ["7:00", "24:00", "23:60", "23", "23:00:00", "", "７:００", "0７:00"]
)
@pytest.mark.parametrize("key", ["start", "end"])
def test_a_bad_time_is_named(key: str, time: str) -> None:
    assert _problems(f'[night]\n{key} = "{time}"') == [
        f'file, line 2: `night.{key}` = "{time}": expected a time like "23:00"'
    ]


@pytest.mark.parametrize("text", ['[night]\nstart = "07:00"', '[night]\nend = "23:00"'])
def test_a_window_without_a_length_is_named(text: str) -> None:
    assert _problems(text) == [
        "file, line 1: `night`: start and end are equal: the window is empty"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "fryday = '22:00-09:00'",
            "unknown setting `night.days.fryday`: did you mean `night.days.friday`?",
        ),
        *(
            (
                f"friday = {written}",
                f"`night.days.friday` = {written}: "
                'expected a window like "22:00-09:00", a list of windows, or "off"',
            )
            for written in (
                '"22-09"',
                '"24:00-01:00"',
                '"22:00"',
                "[]",
                "7",
                '"OFF"',
                "[[]]",
                '["off"]',
            )
        ),
        (
            'friday = "22:00-22:00"',
            '`night.days.friday` = "22:00-22:00": "22:00-22:00" is empty: '
            'write "00:00-24:00" for a whole day, "off" for no window',
        ),
    ],
)
def test_a_bad_window_of_a_weekday_is_named(text: str, said: str) -> None:
    assert _problems(f"[night.days]\n{text}") == [f"file, line 2: {said}"]


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (
            'friday = "22:00-02:00"\nsaturday = "00:00-01:00"',
            "friday's 22:00-02:00 and saturday's 00:00-01:00 overlap: merge or separate them",
        ),
        (
            'friday = ["22:00-23:30", "23:00-23:45"]',
            "friday's 22:00-23:30 and friday's 23:00-23:45 overlap: merge or separate them",
        ),
        (
            'sunday = "22:00-10:00"\nmonday = "09:00-12:00"',
            "sunday's 22:00-10:00 and monday's 09:00-12:00 overlap: merge or separate them",
        ),
        (
            'tuesday = "06:00-08:00"',
            "monday's 23:00-07:00 and tuesday's 06:00-08:00 overlap: merge or separate them",
        ),
        (
            "\n".join(f'{day} = "off"' for day in WEEKDAYS),
            "every day is off: leave one window, or use `nightschool pause` to stop all work",
        ),
    ],
)
def test_windows_that_do_not_fit_together_are_named(days: str, said: str) -> None:
    assert _problems(f"[night.days]\n{days}") == [f"file, line 2: `night`: {said}"]


def test_windows_that_touch_and_whole_days_are_fine() -> None:
    night = _check(
        '[night.days]\nmonday = "00:00-24:00"\ntuesday = ["00:00-02:00", "02:00-03:00"]\n'
        'sunday = "off"'
    ).night
    assert night.week[:2] == (((0, 1440),), ((0, 120), (120, 180)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('timezone = "Europe/Berln"', 'unknown time zone: did you mean "Europe/Berlin"?'),
        ('timezone = "Europe"', "unknown time zone: "),
        ('timezone = "../etc/passwd"', 'unknown time zone: write a name like "Europe/Berlin"'),
        ('finish_by = "6:30"', 'expected a time like "23:00"'),
        ('finish_by = "12:00"', "finish_by = 12:00 is outside every window"),
        ('finish_by = "23:00"', "finish_by = 23:00 is outside every window"),
        (
            "resume_temperature = 90.0",
            "resume_temperature (90) must be below max_temperature (87)",
        ),
        ("starts_per_hour = 0", "should be greater than or equal to 1"),
        ("min_battery = 101", "should be less than or equal to 100"),
        ("idle_minutes = -1", "should be greater than or equal to 0"),
        ("max_hours = 25", "should be less than or equal to 24"),
        ('exclusive = [""]', "should have at least 1 character"),
        ('gpu = "mine"', "should be 'alone' or 'shared'"),
        ('if_idle_unknown = "no"', "should be 'wait' or 'train'"),
    ],
)
def test_a_bad_setting_of_the_night_is_one_line(text: str, said: str) -> None:
    [problem] = _problems(f"[night]\n{text}")
    assert said in problem


@pytest.mark.parametrize(
    "every", ["14", "d", "0d", "1.5d", "-1d", "monthly", "2 weeks", "Weekly", "99999d"]
)
def test_a_time_that_is_none_is_named(every: str) -> None:
    assert _problems(f'[retrain]\nevery = "{every}"') == [
        f'file, line 2: `retrain.every` = "{every}": expected "daily", "weekly", days as "14d", or ""'
    ]


@pytest.mark.parametrize(("every", "days"), [("", 0), ("daily", 1), ("weekly", 7), ("14d", 14)])
def test_how_often_is_in_days(every: str, days: int) -> None:
    retrain = RetrainSettings(every=every)
    assert (retrain.on, retrain.every_s) == (bool(days), days * 86400)


def test_recorded_settings_of_another_version_are_read_without_what_is_gone() -> None:
    values = Settings().model_dump()
    values["train"]["micro_batch"] = 4
    values["gone"] = {"key": 1}
    assert recorded(values) == Settings()


def test_several_problems_stand_one_a_line_in_the_files_order() -> None:
    text = """bas = "x"
[night]
start = "25:00"
[train]
lora_targets = "q_proj"
lora_r = true
trian = 1
epochs = "a"
[split]
test = 1.0
[notes]
max_bytes = 0
"""
    found = [re.match(r"file, line (\d+): .*`([a-z_.]+)`", line) for line in _problems(text)]
    assert [(int(match[1]), match[2]) for match in found if match] == [
        (1, "base"),
        (3, "night.start"),
        (5, "train.lora_targets"),
        (6, "train.lora_r"),
        (7, "train.threads"),
        (8, "train.epochs"),
        (10, "split.test"),
        (12, "notes.max_bytes"),
    ]


def test_a_problem_without_a_line_stands_last() -> None:
    problems = _problems_of({"zzz": 1, "train": {"epochs": 0}}, "[train]\nepochs = 0\n")
    assert [problem.split(":")[0] for problem in problems] == ["file, line 2", "file"]


def _problems_of(given: dict[str, Any], text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        check(given, text, "file")
    return str(caught.value).split("\n")


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("a = 1\n[t]\na = 2", ["t", "a"], 3),
        ("[t]\nb = 1\n[u]\na = 1", ["t", "a"], 1),
        ("[t]\r\n  a  =  1", ["t", "a"], 2),
        ("[ t . 'u v' ]\na = 1", ["t", "u v", "a"], 2),
        ("t.a = 1\nt.b = 2", ["t", "b"], 2),
        ("t.a = 1", ["t"], 1),
        ("t = {a = 1}", ["t", "a"], 1),
        ('"a.b" = 1\n[t]', ["a.b"], 1),
        ("s = '\u2028'\na = 1", ["a"], 2),
        ('s = """\n[t]\na = 1\n"""\n[t]\na = 2', ["t", "a"], 6),
        ("s = '''one'''\n[t]\na = 2", ["t", "a"], 3),
        ("# a = 1\n#[t]\n", ["t", "a"], None),
    ],
)
def test_the_line_of_a_setting_is_found(text: str, path: list[str], line: int | None) -> None:
    assert line_of(text, path) == line


# The file itself


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a = 1\nb = \n", "no valid TOML: Invalid value (at line 2, column 5)"),
        (b"a = 1\na = 2\n", "no valid TOML: Cannot overwrite a value (at line 2, column 6)"),
        ("仕事 = 1".encode(), "no valid TOML: Invalid statement (at line 1, column 1)"),
        ("a = 1\nb = 'メモ'".encode("cp932"), "not UTF-8 (byte 11): save it as UTF-8"),
        ("a = 1".encode("utf-16"), "not UTF-8 (byte 0): save it as UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_place(
    file: Path, content: bytes, said: str
) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value) == f"{file}: {said}"


def test_a_missing_file_is_named(file: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"{file}: cannot be read (")):
        load(file)


def test_a_mark_and_windows_line_ends_are_accepted(file: Path) -> None:
    file.write_bytes('\ufeff[night]\r\nstart = "22:00"\r\n'.encode())
    assert load(file).night.start == "22:00"
    file.write_bytes('\ufeff[night]\r\nstart = "22"\r\n'.encode())
    with pytest.raises(ConfigError, match=r"nightschool\.toml, line 2: `night\.start`"):
        load(file)


# The template

VALUES: list[dict[str, Any]] = [
    {},
    *({"preset": preset} for preset in PRESETS),
    {"preset": "cpu-demo", "train": {"epochs": 1.0, "lora_targets": ["a", "b"]}, "base": "x"},
    {
        "notes": {"folder": 'C:\\Users\\田中 "T"\\my notes # 1'},
        "kinds": {"lesson": "learned", "決定 事項": 'we "chose" = x', "a.b": "[t]\n# c"},
        "prompt": {"instructions": "one\ntwo\t🎉\x7f '''"},
    },
    Settings().model_dump(),
]


def _effective(values: dict[str, Any]) -> Settings:
    return check(values, "", "values")


def _uncommented(text: str) -> str:
    return re.sub(r"^# (?=\w+ = )", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("values", VALUES)
def test_the_template_loads_back_to_the_same_settings(file: Path, values: dict[str, Any]) -> None:
    file.write_text(template(values), encoding="utf-8")
    assert load(file) == _effective(values)


@pytest.mark.parametrize("values", VALUES)
def test_uncommenting_every_line_changes_nothing(values: dict[str, Any]) -> None:
    text = _uncommented(template(values))
    given = tomllib.loads(text)
    assert check(given, text, "file") == _effective(values)
    for name in Settings.model_fields:
        assert name in given
    assert set(given["train"]) == set(type(Settings().train).model_fields)


@pytest.mark.parametrize("values", VALUES)
def test_only_what_was_given_stands_uncommented(values: dict[str, Any]) -> None:
    assert _filled(tomllib.loads(template(values))) == _filled(values)


def _filled(values: Any) -> Any:
    """Tables without the empty ones in them."""
    if not isinstance(values, dict):
        return values
    inner = {key: _filled(value) for key, value in values.items()}
    return {key: value for key, value in inner.items() if value != {}}


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_comment_shows_the_value_in_force(preset: str) -> None:
    text = template({"preset": preset})
    settings = _check(text).model_dump()
    table: dict[str, Any] = settings
    seen = 0
    for line in text.splitlines():
        if line.startswith("["):
            table = settings
            for key in line.strip("[]").split("."):
                table = table[key]
        elif match := re.match(r"# (\w+) = ", line):
            assert tomllib.loads(line.removeprefix("# ")) == {match[1]: table[match[1]]}
            seen += 1
    assert seen > 30


@given(
    st.text(st.characters(codec="utf-8"), min_size=1),
    st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"))),
)
def test_any_text_survives_the_template(folder: str, kinds: dict[str, str]) -> None:
    settings = _check(template({"notes": {"folder": folder}, "kinds": kinds}))
    assert (settings.notes.folder, settings.kinds) == (folder, kinds)


# The server that notes may be sent to


def _server(url: str, more: str = "") -> Settings:
    return _check(f"[server]\nurl = '{url}'\nmodel = 'tiny'\n{more}")


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
def test_a_server_on_this_computer_may_be_asked(url: str) -> None:
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
def test_another_computer_is_asked_only_where_its_owner_writes_so(url: str, host: str) -> None:
    [problem] = _problems(f"[server]\nurl = '{url}'\nmodel = 'tiny'\n")
    assert problem.startswith(f"file, line 1: `server`: url names another computer ({host})")
    assert "allow_remote = true" in problem
    assert _server(url, "allow_remote = true").server.allow_remote


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("url = '127.0.0.1:11434'\nmodel = 'x'", "expected one like"),
        ("url = 'ftp://127.0.0.1/v1'\nmodel = 'x'", "expected one like"),
        ("url = 'http:///v1'\nmodel = 'x'", "expected one like"),
        ("url = 'http://127.0.0.1:99999/v1'\nmodel = 'x'", "is no address"),
        ("url = 'http://[::1/v1'\nmodel = 'x'", "is no address"),
        ("url = 'http://127.0.0.1/v1 x'\nmodel = 'x'", "expected one like"),
        ("url = 'http://me:secret@127.0.0.1/v1'\nmodel = 'x'", "a key goes to api_key_env"),
        ("url = 'http://127.0.0.1/v1?key=secret'\nmodel = 'x'", "a key goes to api_key_env"),
        ("url = 'http://127.0.0.1/v1'", "model is not set"),
        ("timeout_s = 0.0", "greater than 0"),
    ],
)
def test_what_is_wrong_with_a_server_is_one_line(text: str, said: str) -> None:
    [problem] = _problems(f"[server]\n{text}")
    assert said in problem
    assert problem.startswith("file, line ")


def test_an_arm_that_there_is_not_is_named_with_those_that_there_are() -> None:
    [problem] = _problems('[ladder]\narms = ["majority", "gpt"]')
    assert "`ladder.arms.1`" in problem and "'tfidf-lr'" in problem
