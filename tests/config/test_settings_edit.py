from __future__ import annotations

import tomllib
from collections.abc import Mapping

import pytest

from nightschool.config.errors import ConfigError
from nightschool.config.kind_settings import KindSettings
from nightschool.config.settings_edit import with_additions
from nightschool.config.settings_template import template

EDITED = """\
# my school
base = "demo"

[notes]  # on the drive
folder = "ノート"
exclude = [
  "drafts/",  # unfinished
]

[kinds]
lesson = "learned"  # keep
value = { aliases = ["Werte"] }
# the end
"""


def added(
    text: str, kinds: Mapping[str, list[str]], notes: Mapping[str, object] | None = None
) -> str:
    settings = {name: KindSettings(aliases=aliases) for name, aliases in kinds.items()}
    return with_additions(text, "nightschool.toml", settings, {"idea": "3 notes"}, notes or {})


def test_everything_that_the_owner_wrote_stays() -> None:
    kinds = {
        "LESSON": ["Lessons"],
        "value": ["values", "werte"],
        "idea": ["教訓 2"],
    }
    text = added(EDITED, kinds=kinds, notes={"exclude": ["drafts/", "/99 x/"], "folder": "other"})
    for line in EDITED.split("\n"):
        if "lesson" not in line and "value" not in line:
            assert line in text
    assert '[kinds]\nidea = {aliases = ["教訓 2"]} # 3 notes\n' in text and "# keep" in text
    read = tomllib.loads(text)
    assert read["kinds"] == {
        "idea": {"aliases": ["教訓 2"]},
        "lesson": {"meaning": "learned", "aliases": ["Lessons"]},
        "value": {"aliases": ["Werte", "values"]},
    }
    assert read["notes"] == {"folder": "ノート", "exclude": ["drafts/", "/99 x/"]}


@pytest.mark.parametrize("text", ["", 'base = "demo"', template({"preset": "cpu-demo"})])
def test_a_section_that_is_missing_or_empty_is_filled(text: str) -> None:
    read = tomllib.loads(added(text, kinds={"idea": []}, notes={"exclude": ["x"]}))
    assert read["kinds"] == {"idea": ""} and read["notes"] == {"exclude": ["x"]}


def test_lines_of_windows_stay_lines_of_windows() -> None:
    text = added(EDITED.replace("\n", "\r\n"), kinds={"idea": []})
    assert text.count("\r\n") == text.count("\n") == EDITED.count("\n") + 1


@pytest.mark.parametrize(
    ("text", "kinds", "message"),
    [
        (EDITED, {"lesson": ["Werte"]}, 'the alias "Werte" names two kinds'),
        ("kinds = { a = '' }\n", {"idea": []}, r"not below a line \[kinds\]"),
    ],
)
def test_what_cannot_be_added_is_explained(
    text: str, kinds: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        added(text, kinds=kinds)
