"""Bytes are decoded to the text that was written."""

import codecs
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.notes.decoding import Undecodable, decode, japanese_share, open_lines

ENGLISH = "A note in English.\nWith two lines."
MIXED = "TODO: 田中さんに電話する (urgent) 🎉"
JAPANESE = [
    "会議のメモ",
    "カフェ",
    "今日は晴れ。",
    "一つ一つ",
    "議事録\n第一回\n",
    "来週の会議は一時から。　場所は未定。",
    "買い物: milk, eggs, bread, butter, パン",
    "TODO: call Tanaka about the printer, 来週",
    "URL https://example.com/a/b?c=d を読む",
    "Ｔｏｄｏ：電話",
    "ＡＰＩ",
    "１２月３日（火）　歯医者　１０：００",
    "設計判断：採用",
    "「了解」と返信",
    "【重要】サーバ停止",
    "●重要●",
    "→田中さん",
    "買い物リスト\n・牛乳\n・卵\n・パン",
    "知識：ＵＴＦ８は可変長",
    "第３四半期の売上：１２０万円",
    "会議（定例）",
    "まとめ：\n１．速い\n２．安い\n３．旨い",
    "京都→大阪→神戸",
    "新幹線予約済",
    "見積書送付",
]
# Too short to recognise as UTF-16.
TWO_KANJI = ["電話", "面接", "田中"]
WESTERN = [
    "Café",
    "ça va?",
    "naïve résumé",
    "Crème brûlée for two, déjà vu",
    "Größe: 5 µm",
    "£5 owed",
    "10 € für Kaffee",
    "It’s — a “quoted” note",
    "Ærø øl å",
    "Straße",
    "ansí",
    "jabí",
    "Fußgängerübergang",
    "Zahnärztin Dienstag früh",
    "Entscheidung: größere Äpfel",
    "À bientôt",
    "« Bonjour »",
    "œuvre",
    "¿Qué tal?",
    "¡Ánimo, mañana!",
    "São Paulo",
    "smørrebrød",
    "• Milch\n• Brot",
    "½ Liter, 20 °C",
    "§ 5 Abs. 2",
    "„Zitat“",
]
KOREAN = ["회의 메모", "내일 회의", "우유와 빵 사기", "다음 주 월요일에 다시 논의합시다."]
RUSSIAN = ["Сегодня хорошая погода", "Решение: второй вариант", "Поездка в Москву"]
CHINESE = ["會議記錄", "密碼已修改", "教訓：先寫測試", "我們下週一再討論這個問題。"]


@pytest.mark.parametrize("text", [ENGLISH, MIXED, *JAPANESE, *WESTERN])
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
def test_unicode_is_read_with_a_byte_order_mark_and_utf8_without(
    text: str, mark: bytes, encoding: str
) -> None:
    assert decode(mark + text.encode(encoding)) == text


@pytest.mark.parametrize("text", [ENGLISH, MIXED, *JAPANESE, *WESTERN, *KOREAN])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_read_in_its_byte_order(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["cp932", "euc_jp", "iso2022_jp"])
@pytest.mark.parametrize("text", [*JAPANESE, *TWO_KANJI])
def test_a_short_japanese_note_in_a_legacy_encoding_is_read(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("text", WESTERN)
def test_a_short_western_note_in_cp1252_is_read(text: str) -> None:
    assert decode(text.encode("cp1252")) == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [*((text, "cp1251") for text in RUSSIAN), *((text, "big5") for text in CHINESE)],
)
def test_short_cyrillic_and_chinese_notes_are_read(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_terminal_escapes_do_not_look_like_iso_2022_jp() -> None:
    for text in ("\x1b[31mred\x1b[0m", "cost: \x1b$5", "\x1b$B é"):
        assert decode(text.encode()) == text


def test_a_table_in_iso_2022_jp_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mail.csv"
    file.write_bytes("本文,種類\n会議は三時,決定\n".encode("iso2022_jp"))
    with open_lines(file) as (lines, _):
        assert list(lines) == ["本文,種類\n", "会議は三時,決定\n"]


def test_a_longer_russian_note_in_cp1251_is_read() -> None:
    text = "Сегодня мы решили перенести встречу на среду. Купить молоко и хлеб по дороге домой."
    assert decode(text.encode("cp1251")) == text


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_line_ends_become_newlines(end: str) -> None:
    assert decode(f"one{end}two{end}".encode()) == "one\ntwo\n"


def test_an_empty_file_is_an_empty_text() -> None:
    assert decode(b"") == ""


@pytest.mark.parametrize(
    "raw",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0",
        b"\x7fELF\2\1\1" + bytes(57),
        bytes(range(256)),
        b"text with one N\0L byte",
        b"text with one N\0L bytes",
        bytes(range(1, 32)) * 4,
    ],
)
def test_binary_data_is_refused(raw: bytes) -> None:
    with pytest.raises(Undecodable, match="binary file"):
        decode(raw)


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [(codecs.BOM_UTF8 + b"caf\xe9", "utf-8"), (codecs.BOM_UTF16_LE + b"a\0b", "utf-16-le")],
)
def test_a_wrong_byte_order_mark_is_named(raw: bytes, encoding: str) -> None:
    with pytest.raises(
        Undecodable, match=f"byte order mark of {encoding} but is not valid {encoding}"
    ):
        decode(raw)


@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs", "So"))))
def test_utf8_text_survives(text: str) -> None:
    assert decode(text.removeprefix("\ufeff").encode()) == text.removeprefix("\ufeff")


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(raw: bytes) -> None:
    try:
        text = decode(raw)
    except Undecodable:
        return
    assert "\r" not in text


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0.0),
        (" \n　", 0.0),
        ("English", 0.0),
        ("メモ", 1.0),
        ("漢字 ab", 0.5),
        ("コーヒー x", 0.8),
        ("ＯＫ：x", 0.75),
    ],
)
def test_japanese_share_counts_kana_kanji_and_full_width_characters(
    text: str, share: float
) -> None:
    assert japanese_share(text) == share
