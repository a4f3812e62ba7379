"""The language of a note."""

import errno
import os
import tempfile

import pytest

from nightschool.notes import languages
from nightschool.notes.languages import UNSURE, language

ENGLISH = "We decided to keep the old server for another year, because a new one costs more than it saves. "
JAPANESE = (
    "古いサーバーをもう一年使うことにした。新しいものは高すぎるし、今のままでも困っていない。"
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (ENGLISH, "en"),
        (JAPANESE, "ja"),
        ("Wir haben gestern beschlossen, den alten Server noch ein Jahr zu behalten.", "de"),
        ("Nous avons décidé hier de garder le vieux serveur encore un an.", "fr"),
        ("我们决定再用一年旧服务器，因为新的太贵了。", "zh"),
        (ENGLISH + JAPANESE, "ja+en"),
        (ENGLISH * 3 + "メモ", "en"),
        (JAPANESE + " ssh config ProxyJump", "ja"),
        ("買い物メモ", "ja"),
        ("ｶﾞｲﾄﾞ", "ja"),
        ("SSHの設定 port 22 config", "ja"),
        ("", UNSURE),
        ("12:30 - 13:00", UNSURE),
        ("https://example.org/the-page-about-this", UNSURE),
        ("```python\nprint('this is a long text within code, in English')\n```", UNSURE),
        (f"```\n{ENGLISH}\n```\n{JAPANESE}", "ja"),
        (f"{JAPANESE} `{ENGLISH}`", "ja"),
    ],
)
def test_the_language_is_that_of_the_prose_without_code_and_links(text: str, found: str) -> None:
    assert language(text) == found


def test_only_the_beginning_of_a_note_counts() -> None:
    assert language(ENGLISH * 100 + JAPANESE * 300) == "en"


def test_without_room_for_a_temporary_file_languages_are_told_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from py3langid import modelio

    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    languages._identifier.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "TemporaryFile", full)
        assert language("Das ist ein ganz gewöhnlicher deutscher Satz.") == "de"
    assert vars(modelio)["tempfile"] is tempfile
