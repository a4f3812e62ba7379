"""Bytes are decoded to the text that was written."""

import codecs
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.notes.decoding import Undecodable, decode, open_lines
from nightschool.notes.trouble import Trouble, TroubleType

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
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_unicode_is_read_with_a_byte_order_mark_and_utf8_without(
    text: str, mark: bytes, encoding: str
) -> None:
    assert decode(mark + text.encode(encoding)).text == text


@pytest.mark.parametrize("text", [ENGLISH, MIXED, *JAPANESE, *WESTERN, *KOREAN])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_utf16_and_utf32_without_a_mark_are_read_in_their_byte_order(
    text: str, encoding: str
) -> None:
    assert decode(text.encode(encoding)).text == text


@pytest.mark.parametrize("encoding", ["cp932", "euc_jp", "iso2022_jp"])
@pytest.mark.parametrize("text", [*JAPANESE, *TWO_KANJI])
def test_a_short_japanese_note_in_a_legacy_encoding_is_read(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)).text == text


@pytest.mark.parametrize("text", WESTERN)
def test_a_short_western_note_in_cp1252_is_read(text: str) -> None:
    assert decode(text.encode("cp1252")).text == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [*((text, "cp1251") for text in RUSSIAN), *((text, "big5") for text in CHINESE)],
)
def test_short_cyrillic_and_chinese_notes_are_read(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)).text == text


def test_terminal_escapes_do_not_look_like_iso_2022_jp() -> None:
    for text in ("\x1b[31mred\x1b[0m", "cost: \x1b$5", "\x1b$B é"):
        assert decode(text.encode()).text == text


def test_a_table_in_iso_2022_jp_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mail.csv"
    file.write_bytes("本文,種類\n会議は三時,決定\n".encode("iso2022_jp"))
    with open_lines(file) as lines:
        assert list(lines.stream) == ["本文,種類\n", "会議は三時,決定\n"]


def test_a_longer_russian_note_in_cp1251_is_read() -> None:
    text = "Сегодня мы решили перенести встречу на среду. Купить молоко и хлеб по дороге домой."
    assert decode(text.encode("cp1251")).text == text


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_line_ends_become_newlines(end: str) -> None:
    assert decode(f"one{end}two{end}".encode()).text == "one\ntwo\n"


def test_an_empty_file_is_an_empty_text() -> None:
    assert decode(b"").text == ""


@pytest.mark.parametrize(
    "raw",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0",
        b"\x7fELF\2\1\1" + bytes(57),
        bytes(range(256)),
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


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"one N\0L byte in a note", "one NL byte in a note"),
        (b"one N\0L byte in a note of even length", "one NL byte in a note of even length"),
        ("a caf\u00e9, and\r\n\r\na N\0L, later".encode(), "a caf\u00e9, and\n\na NL, later"),
        ("会議は\0三時".encode(), "会議は三時"),
        (b"one row\0 of words\n" * 5, "one row of words\n" * 5),
    ],
)
def test_single_nuls_are_left_out_and_their_lines_named(raw: bytes, expected: str) -> None:
    decoded = decode(raw)
    assert decoded.text == expected
    lines = [number for number, line in enumerate(raw.split(b"\n"), 1) if b"\0" in line]
    assert decoded.troubles == tuple(Trouble(TroubleType.NUL, line) for line in lines)


NEARLY_UTF8 = [
    # bytes, text, (line, column, offset) of each broken line
    ("Le café était fermé. ".encode() + b"\xe9t\xe9", "Le café était fermé. �t�", [(1, 22, 24)]),
    ("会議のメモ".encode()[:-1], "会議のメ�", [(1, 5, 12)]),
    ("會議記錄".encode()[1:], "��議記錄", [(1, 1, 0)]),
    ("Füße\r\nÄpfel ".encode() + b"\n\xfe", "Füße\nÄpfel \n�", [(3, 1, 16)]),
    ("Le café est ferm".encode() + b"\xe9", "Le café est ferm�", [(1, 17, 17)]),
    ("Schöne Gr".encode() + b"\xfcsse", "Schöne Gr�sse", [(1, 10, 10)]),
    ("Привет, мир ".encode() + b"\xc0\xaf\xe0\x80\xaf", "Привет, мир ��", [(1, 13, 21)]),
    ("안녕 ".encode() + b"\xed\xa0\x80 e", "안녕 � e", [(1, 4, 7)]),
    (
        codecs.BOM_UTF8 + b"20 plain words, and a caf\xe9",
        "20 plain words, and a caf�",
        [(1, 26, 28)],
    ),
]


@pytest.mark.parametrize(("raw", "text", "places"), NEARLY_UTF8)
def test_nearly_valid_utf8_is_utf8_with_the_places_of_its_broken_bytes(
    raw: bytes, text: str, places: list[tuple[int, int, int]]
) -> None:
    decoded = decode(raw)
    assert decoded.text == text
    assert [(t.type, t.detail) for t in decoded.troubles] == [
        (TroubleType.BAD_BYTES, "UTF-8") for _ in places
    ]
    assert [(t.line, t.column, t.offset) for t in decoded.troubles] == places


@pytest.mark.parametrize(
    "text",
    [
        "Kruh se bolje di\u017ee.",
        "Une id\u00e9e plus pr\u00e9cise",
        "M\u00f6tet \u00e4r inst\u00e4llt i dag",
    ],
)
@pytest.mark.parametrize("byte", [0x80, 0x92, 0xA0, 0xE9, 0xFF])
def test_a_byte_between_ascii_letters_never_turns_utf8_into_another_alphabet(
    text: str, byte: int
) -> None:
    decoded = decode(text.encode().replace(b" ", bytes([byte]), 1))
    assert decoded.troubles
    assert not re.search("[\u0370-\u1dff\u2e80-\uefff]", decoded.text)


def test_two_surrogates_in_utf8_are_the_character_that_they_mean() -> None:
    def java(text: str) -> bytes:
        units = text.encode("utf-16-be")
        pairs = (
            units[i : i + 2].decode("utf-16-be", "surrogatepass") for i in range(0, len(units), 2)
        )
        return "".join(pairs).encode("utf-8", "surrogatepass")

    decoded = decode(java("了解 👍\n🎉🎉 ok"))
    assert decoded.text == "了解 👍\n🎉🎉 ok"
    assert [(t.type, t.line, t.column) for t in decoded.troubles] == [
        (TroubleType.TWO_SURROGATES, 1, 4),
        (TroubleType.TWO_SURROGATES, 2, 1),
    ]


def test_utf16_that_ends_within_a_character_keeps_its_text() -> None:
    short = decode(codecs.BOM_UTF16_LE + "Ein Satz".encode("utf-16-le")[:-1])
    assert short.text == "Ein Sat�"
    raw = codecs.BOM_UTF16_BE + "Ein Satz, der mitten im Zeichen abbricht".encode("utf-16-be")[:-1]
    decoded = decode(raw)
    assert decoded.text == "Ein Satz, der mitten im Zeichen abbrich�"
    assert decoded.troubles[0].detail == "UTF-16-BE"


def test_an_encoding_that_is_set_is_used_and_what_does_not_fit_is_reported() -> None:
    assert decode("Řeka".encode("cp1250"), "cp1250").text == "Řeka"
    assert decode(codecs.BOM_UTF8 + "Řeka".encode(), "cp1250").text == "Řeka"
    decoded = decode("会議\nは".encode("cp932") + b"\x81", "cp932")
    assert decoded.text == "会議\nは�"
    assert decoded.troubles == (Trouble(TroubleType.BAD_BYTES, 2, "CP932", column=2, offset=7),)
    assert decode(b"+a-+AA-- end", "utf-7").text.endswith(" end")
    mail = "本文\n".encode("iso2022_jp") + b"\x1b$B\x7f\x7f\x1b(B end"
    assert decode(mail, "iso2022_jp").text.startswith("本文\n")


def test_a_large_file_with_one_broken_byte_or_many_takes_little_time() -> None:
    start = time.process_time()
    assert len(decode("é word ".encode() * 200_000 + b"\xe9").troubles) == 1
    decoded = decode(b"\x81\n" * 50_000, "cp932")
    assert len(decoded.troubles) == 50_000
    assert time.process_time() - start < 5


@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs", "So"))))
def test_utf8_text_survives(text: str) -> None:
    assert decode(text.removeprefix("\ufeff").encode()).text == text.removeprefix("\ufeff")


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(raw: bytes) -> None:
    try:
        text = decode(raw).text
    except Undecodable:
        return
    assert "\r" not in text
