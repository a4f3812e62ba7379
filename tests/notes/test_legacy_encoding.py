"""Legacy encodings are read right or called unsure or unknown, and never silently read as another alphabet."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import legacy_text
import pytest

from nightschool.notes.decoding import Decoded, Undecodable, decode
from nightschool.notes.readers import read_notes
from nightschool.notes.trouble import Trouble, TroubleType
from tests.notes.conftest import Put

NOTES = {
    "cp1250": "Kočka spí na okně a venku pomalu padá sníh. Zítra půjdeme na houby, jestli nebude pršet.",
    "iso8859_2": "Gęś chodzi po łące, a śnieg jeszcze leży. Jutro pójdziemy na grzyby, jeśli nie będzie padać.",
    "cp852": "A macska az ablakban ül, és kint lassan esik a hó. Holnap gombát szedünk, ha jó idő lesz.",
    "cp1251": "Кошка спит на окне, а на улице медленно падает снег.",
    "koi8_r": "Завтра пойдём за грибами, если не будет дождя.",
    "cp866": "Собака лежит у двери и ждёт, когда мы вернёмся.",
    "cp1252": "Le chat dort à la fenêtre et la neige tombe. Demain nous irons à la forêt.",
    "mac_roman": "Größere Äpfel fallen später, das weiß jedes Kind. Übermorgen pflücken wir die übrigen.",
    "cp1253": "Η γάτα κοιμάται στο παράθυρο και έξω πέφτει αργά το χιόνι.",
    "iso8859_7": "Αύριο θα πάμε για μανιτάρια, αν δεν βρέξει.",
    "cp1254": "Kedi pencerede uyuyor, dışarıda yavaş yavaş kar yağıyor. Yarın mantar toplayacağız.",
    "cp1255": "החתול ישן על החלון ובחוץ יורד שלג לאט.",
    "cp1256": "القطة نائمة عند النافذة والثلج يتساقط ببطء في الخارج.",
    "cp1257": "Katė miega ant palangės, o lauke pamažu sninga. Jei nelis, rytoj eisime grybauti į mišką.",
    "cp874": "แมวนอนหลับอยู่ริมหน้าต่าง ข้างนอกอากาศหนาวและลมแรง พรุ่งนี้เราจะไปตลาดด้วยกัน",
    "cp932": "猫が窓辺で眠り、外では静かに雪が降っている。",
    "euc_jp": "明日は雨が降らなければ、きのこを採りに行く。",
    "cp949": "고양이는 창가에서 자고 밖에는 눈이 천천히 내린다.",
    "gb18030": "猫在窗边睡觉，外面慢慢地下着雪。",
    "iso2022_kr": "내일은 비가 오지 않으면 버섯을 따러 간다.",
    "big5": "如果明天不下雨，我們就去採蘑菇。",
}


@pytest.mark.parametrize("encoding", NOTES)
def test_two_sentences_in_a_legacy_encoding_are_read_without_a_warning(encoding: str) -> None:
    assert decode(NOTES[encoding].encode(encoding)) == Decoded(NOTES[encoding])


@pytest.mark.parametrize(
    ("language", "legacy", "sentences"),
    [pytest.param(*each, id=each[0]) for each in legacy_text.languages(legacy_text.SENTENCES)],
)
def test_twenty_sentences_are_read_right_or_called_unsure(
    language: str, legacy: list[str], sentences: list[str]
) -> None:
    text = "\n".join(sentences).replace("œ", "oe")
    for encoding in (*legacy_text.UNICODE, *legacy):
        assert legacy_text.outcome(text, encoding)[0] in ("right", "said, right"), encoding


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *((text, "cp949") for text in ("회의", "결정", "내일 병원", "점심 약속")),
        *((text, "big5") for text in ("不支援", "中文輸入法")),
    ],
)
def test_a_few_korean_or_chinese_characters_are_not_japanese(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)).text == text


@pytest.mark.parametrize(
    ("text", "encoding"), [("会議", "euc_jp"), ("£5 owed", "cp1252"), ("Gruß", "mac_roman")]
)
def test_too_few_letters_are_read_with_a_warning(text: str, encoding: str) -> None:
    [trouble] = decode(text.encode(encoding)).troubles
    assert trouble.type == TroubleType.UNSURE_ENCODING


def test_a_word_that_could_be_of_two_alphabets_is_skipped_with_what_to_do(
    folder: Path, put: Put
) -> None:
    put("a.md", "See the ñandú".encode("cp1252"))
    put("b.md", "open the קובץ in the Macintosh resource fork".encode("cp1255"))
    loaded = read_notes(folder)
    assert [note.text for note in loaded.notes] == ["See the ñandú"]
    assert [skipped.message for skipped in loaded.skipped] == [
        "encoding not known: save it as UTF-8, or set notes.encoding"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "It’s a “plain” English note — nothing else…",
        "5 € for the café at the corner",
        "20 °C in the room, ±2 at most",
    ],
)
def test_english_with_a_few_signs_is_read_without_a_warning(text: str) -> None:
    assert decode(text.encode("cp1252")) == Decoded(text)


def test_an_unsure_encoding_is_one_warning_for_all_its_notes(folder: Path, put: Put) -> None:
    for name in ("a.md", "b.md"):
        put(name, "£5 owed".encode("cp1252"))
    assert read_notes(folder).warnings == (
        "a.md; b.md: the encoding may not be cp1252: if the text looks wrong, set notes.encoding",
    )


def test_control_characters_make_a_file_binary_and_not_of_unknown_encoding() -> None:
    with pytest.raises(Undecodable, match="binary file"):
        decode(bytes(range(256)) * 4)


def test_a_broken_byte_far_into_a_long_legacy_text_is_replaced() -> None:
    long = ("猫が窓辺で眠る。\n" * 8000).encode("cp932")
    decoded = decode(long + b"\x81\n" + long)
    assert decoded.text.count("\ufffd") == 1
    assert decoded.troubles == (
        Trouble(TroubleType.BAD_BYTES, 8001, "CP932", column=1, offset=len(long)),
    )


def test_combining_tones_of_cp1258_are_whole_letters_in_the_normal_form() -> None:
    text = "Con mèo ngủ bên cửa sổ, ngoài trời tuyết rơi chậm rãi."
    decoded = decode(legacy_text.encoded(text, "cp1258"))
    assert unicodedata.normalize("NFC", decoded.text) == text


@pytest.mark.parametrize("encoding", ["cp1250", "iso8859_2", "cp1254", "cp1257"])
def test_english_keys_around_each_row_do_not_make_its_encoding_unsure(encoding: str) -> None:
    rows = "".join(
        f'{{"text": "{part}.", "label": "lesson", "source": "inbox"}}\n'
        for part in NOTES[encoding].split(". ")
    )
    assert decode(rows.encode(encoding)) == Decoded(rows)
