"""The generated `nightschool.toml`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nightschool.config.kind_settings import KindSettings, ambiguous_name
from nightschool.config.presets import PRESETS
from nightschool.config.settings import Settings
from nightschool.config.settings_file import check, load
from nightschool.config.settings_template import template
from tests.config.conftest import checked

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
def test_only_given_values_are_uncommented(values: dict[str, Any]) -> None:
    assert _filled(tomllib.loads(template(values))) == _filled(values)


def _filled(values: Any) -> Any:
    """Tables without the empty ones in them."""
    if not isinstance(values, dict):
        return values
    inner = {key: _filled(value) for key, value in values.items()}
    return {key: value for key, value in inner.items() if value != {}}


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_comment_shows_the_value_in_effect(preset: str) -> None:
    text = template({"preset": preset})
    settings = checked(text).model_dump()
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
    assume(not ambiguous_name({kind: KindSettings() for kind in kinds}))
    settings = checked(template({"notes": {"folder": folder}, "kinds": kinds}))
    assert (settings.notes.folder, settings.meanings) == (folder, kinds)
