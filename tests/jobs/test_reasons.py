"""Every reason has a meaning and a remedy, which the documentation repeats."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nightschool.config.night_settings import NightSettings
from nightschool.jobs.reasons import DISTURBANCES, MEANINGS, remedy
from nightschool.ledger.outcomes import Reason

PAGE = Path(__file__).parents[2] / "docs/nights.md"


def test_every_reason_has_a_meaning_and_a_remedy() -> None:
    assert list(MEANINGS) == list(Reason)
    assert all(meaning.what and meaning.remedy for meaning in MEANINGS.values())


@pytest.mark.parametrize("reason", Reason)
def test_reasons_name_existing_settings(reason: Reason) -> None:
    meaning = MEANINGS[reason]
    known = {*NightSettings.model_fields}
    for setting in meaning.setting.split(", ") if meaning.setting else []:
        name, _, value = setting.partition(" = ")
        assert name in known
        if value:
            assert NightSettings.model_validate({name: _parsed(value)}) is not None
    assert set(re.findall(r"night\.(\w+)", remedy(reason).replace("night.toml", ""))) <= known


def _parsed(value: str) -> object:
    import tomllib

    return tomllib.loads(f"value = {value}")["value"]


def test_page_has_a_row_for_each_reason_in_order() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (.+) \| (.+) \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    expected = [
        (
            reason.value,
            meaning.what,
            meaning.remedy,
            f"`{meaning.setting}`" if meaning.setting else "",
        )
        for reason, meaning in MEANINGS.items()
    ]
    assert rows == expected


def test_page_mentions_every_setting_of_the_night() -> None:
    page = PAGE.read_text("utf-8")
    for name in NightSettings.model_fields:
        written = (f"`{name}`", f"\n{name} = ", f"[night.{name}]")
        assert any(text in page for text in written), name


def test_disturbances_exclude_the_clock_and_the_owners_requests() -> None:
    assert not DISTURBANCES & {
        Reason.OUTSIDE_WINDOW,
        Reason.PAUSED,
        Reason.QUIET_TIME,
        Reason.RUN_NOW,
    }
