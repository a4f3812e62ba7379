"""Reading `nightschool.toml`: presets, notation, and errors with their line."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from nightschool.config.errors import ConfigError
from nightschool.config.presets import PRESETS
from nightschool.config.settings import Settings
from nightschool.config.settings_file import check, line_of, load
from tests.config.conftest import checked, problems


def test_an_empty_file_gives_the_defaults(file: Path) -> None:
    file.write_bytes(b"")
    settings = load(file)
    assert settings == Settings()
    assert (settings.preset, settings.train.epochs) == ("rtx-8gb", 3.0)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_loads_and_its_values_are_in_effect(file: Path, preset: str) -> None:
    file.write_text(f'preset = "{preset}"\n', encoding="utf-8")
    settings = load(file).model_dump()
    assert settings["preset"] == preset
    for key, value in PRESETS[preset].items():
        if isinstance(value, dict):
            assert {inner: settings[key][inner] for inner in value} == value
        else:
            assert settings[key] == value


def test_an_unknown_preset_is_reported_with_the_valid_ones() -> None:
    for preset in PRESETS:
        assert checked(f'preset = "{preset}"').preset == preset
    [problem] = problems('preset = "none"')
    assert all(f"'{preset}'" in problem for preset in PRESETS)


def test_the_file_overrides_the_preset_and_the_preset_the_defaults() -> None:
    train = checked('preset = "cpu-demo"\n[train]\nepochs = 1.5\n').train
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
def test_any_toml_notation_is_accepted(text: str, path: tuple[str, ...], value: object) -> None:
    found: Any = checked(text).model_dump()
    for key in path:
        found = found[key]
    assert found == value


@pytest.mark.parametrize(
    ("text", "message"),
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
            "file, line 2: unknown setting `split.zzz`: valid settings here are "
            "test, validation, seed, same_source; if a newer version of nightschool has it, update nightschool",
        ),
        (
            "[train]\nepochs = 1\nnear_misses = 0.2",
            "file, line 3: the setting `train.near_misses` no longer exists, because the notes that it added "
            "made models worse: remove this line",
        ),
        (
            "zzz = 1",
            "file, line 1: unknown setting `zzz`: valid settings here are "
            "preset, base, queue, notes, split, kinds, prompt, train, decide, morning, classify, ladder, "
            "server, night, retrain, storage; if a newer version of nightschool has it, update nightschool",
        ),
    ],
)
def test_an_unknown_setting_is_reported_with_its_line_and_the_nearest_name(
    text: str, message: str
) -> None:
    assert problems(text) == [message]


def test_a_removed_setting_is_ignored_or_explained() -> None:
    assert checked('[train]\nlayers = "all"\nepochs = 1') == checked("[train]\nepochs = 1")
    assert problems('[train]\nepochs = 1\nlayers = "top:12"') == [
        "file, line 3: the setting `train.layers` no longer exists, because training the upper layers alone "
        "made models worse (lower train.epochs to save time): remove this line"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
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
            "file, line 3: `kinds.仕事 メモ` = 5: should be a table, [kinds.仕事 メモ]",
        ),
        ("train = 5", "file, line 1: `train` = 5: should be a table, [train]"),
        ("\nkinds = []", "file, line 2: `kinds` = []: should be a table, [kinds]"),
        (
            "[[train]]\nepochs = 1",
            'file, line 1: `train` = [{"epochs": 1}]: should be a table, [train]',
        ),
    ],
)
def test_a_wrong_type_is_reported_with_its_line(text: str, message: str) -> None:
    assert problems(text) == [message]


def test_several_problems_are_listed_one_per_line_in_the_files_order() -> None:
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
    found = [re.match(r"file, line (\d+): .*`([a-z_.]+)`", line) for line in problems(text)]
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


def test_a_problem_without_a_line_comes_last() -> None:
    found = _problems_of({"zzz": 1, "train": {"epochs": 0}}, "[train]\nepochs = 0\n")
    assert [problem.split(":")[0] for problem in found] == ["file, line 2", "file"]


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
def test_line_of_finds_a_setting_or_its_table(text: str, path: list[str], line: int | None) -> None:
    assert line_of(text, path) == line


HINT = ': correct that line; text needs quotes, as in base = "demo"'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a = 1\nb = \n", f"is not valid TOML: Invalid value (at line 2, column 5){HINT}"),
        (
            b"a = 1\na = 2\n",
            f"is not valid TOML: Cannot overwrite a value (at line 2, column 6){HINT}",
        ),
        ("仕事 = 1".encode(), f"is not valid TOML: Invalid statement (at line 1, column 1){HINT}"),
        ("a = 1\nb = 'メモ'".encode("cp932"), "is not UTF-8 (byte 11): save it as UTF-8"),
        ("a = 1".encode("utf-16"), "is not UTF-8 (byte 0): save it as UTF-8"),
    ],
)
def test_an_unreadable_file_is_reported_with_the_position(
    file: Path, content: bytes, message: str
) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value) == f"{file} {message}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = " + "[" * 5_000, "is not valid TOML: more than 32 levels deep"),
        ("x = " + "{a=" * 5_000, "is not valid TOML: more than 32 levels deep"),
        ("a" + ".a" * 200_000 + " = 1", "is not valid TOML: more than 32 levels deep"),
        ("[" + '"a" . ' * 100_000 + "a]", "is not valid TOML: more than 32 levels deep"),
        ("seeds = " + "1" * 20_000, "is not valid TOML: Exceeds the limit"),
        ("#" * 1_000_001, "cannot be read: larger than 1,000,000 bytes: shorten it"),
    ],
)
def test_settings_made_to_be_slow_are_refused_at_once(
    file: Path, content: str, message: str
) -> None:
    file.write_text(content, "utf-8")
    began = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert message in str(caught.value) and len(str(caught.value).splitlines()) == 1
    assert time.process_time() - began < 2


def test_of_many_problems_some_are_shown_and_none_is_long(file: Path) -> None:
    long = "k" * 5_000
    file.write_text("".join(f"{long}{n} = 1\n" for n in range(15)), "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert all(len(line) < 1_500 for line in str(caught.value).splitlines())
    file.write_text("".join(f"k{n} = 1\n" for n in range(5_000)), "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file)
    lines = str(caught.value).splitlines()
    assert len(lines) == 21 and lines[-1] == f"{file}: 4,980 more problems"
    file.write_text(f'base = ["{long}"]\n', "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert len(str(caught.value)) < 1_000


def test_a_missing_file_is_reported(file: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"{file} cannot be read: ")):
        load(file)


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(file: Path) -> None:
    file.write_bytes('\ufeff[night]\r\nstart = "22:00"\r\n'.encode())
    assert load(file).night.start == "22:00"
    file.write_bytes('\ufeff[night]\r\nstart = "22"\r\n'.encode())
    with pytest.raises(ConfigError, match=r"nightschool\.toml, line 2: `night\.start`"):
        load(file)
