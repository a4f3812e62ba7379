from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from nightschool.config.errors import DamagedFile
from nightschool.config.paths import School
from nightschool.config.settings import Settings, recorded
from nightschool.stages.context import StageContext
from nightschool.stages.publish import add_to_card, card_file, read_card

OLD_CARD = {
    "run": 1,
    "base": "demo",
    "base_fingerprint": "b",
    "kinds": ["日記", "memo"],
    "prompt": "p",
    "settings": {"base": "demo"},
}


@pytest.fixture
def context(tmp_path: Path) -> StageContext:
    return StageContext(School(tmp_path / "my 学校"), 1, Settings(), cast(Any, None))


def write_old(context: StageContext, content: str) -> None:
    file = card_file(context.school, 1)
    file.parent.mkdir(parents=True)
    file.write_text(content, encoding="utf-8")


def test_a_card_of_version_0_1_0_is_read(context: StageContext) -> None:
    write_old(context, json.dumps(OLD_CARD, ensure_ascii=False))
    card = read_card(context.school, 1)
    assert (card.kinds, card.temperature, card.threshold) == (("日記", "memo"), None, None)
    assert recorded(card.settings).base == "demo"


def test_the_comparison_completes_the_card(context: StageContext) -> None:
    write_old(context, json.dumps(OLD_CARD))
    add_to_card(context, None, 0.4)
    card = json.loads(card_file(context.school, 1).read_text("utf-8"))
    assert card.pop("sha256")
    assert card == {
        **OLD_CARD,
        "version": 1,
        "known_kinds": [],
        "temperature": None,
        "threshold": 0.4,
    }


def test_a_deleted_model_gets_no_card(context: StageContext) -> None:
    add_to_card(context, None, 0.4)
    assert not card_file(context.school, 1).exists()


def test_a_damaged_card_is_named_in_one_line(context: StageContext) -> None:
    write_old(context, '{"run": 1}')
    with pytest.raises(DamagedFile) as raised:
        read_card(context.school, 1)
    message = str(raised.value)
    assert str(card_file(context.school, 1)) in message and "\n" not in message
