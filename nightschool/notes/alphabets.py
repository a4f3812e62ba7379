"""Letters by language, and whether a character fits the place where it stands."""

from __future__ import annotations

import unicodedata
from functools import cache

# The letters of a language beside those of ASCII, by CLDR's exemplar characters (main and auxiliary ones
# that are frequent), lower case.
ALPHABETS = {
    "af": "éèêëíîïôöúûáäó",
    "br": "âêîôûùñü",
    "bs": "čćđšž",
    "ca": "àçèéíïòóúü·ñ",
    "eu": "ñçáéíóúü",
    "gl": "áéíóúüñçï",
    "lb": "äëéöüèêûôîâ",
    "sq": "çëé",
    "cs": "áčďéěíňóřšťúůýžäöü",
    "cy": "âêîôûŵŷáéíóúýàèìòùỳẁäëïöüẅÿ",
    "da": "æøåéèêóáü",
    "de": "äöüßéèàçáñ",
    "en": "éèêëïöüçñàôâîæœ",
    "es": "áéíñóúüªºç",
    "et": "äöõüšžé",
    "fi": "äöåšžéü",
    "fr": "àâæçéèêëîïôœùûüÿñöáíó",
    "ga": "áéíóúàèìòù",
    "hr": "čćđšžéöü",
    "hu": "áéíóöőúüűä",
    "id": "é",
    "is": "áðéíóúýþæö",
    "it": "àèéìíîòóùúª°º",
    "lt": "ąčęėįšųūžéó",
    "lv": "āčēģīķļņšūžéōŗ",
    "ms": "é",
    "nl": "ëïéèöüíóáàçêâôûä",
    "nb": "æøåéèêóòôàüä",
    "nn": "æøåéèêóòôàüä",
    "no": "æøåéèêóòôàüä",
    "pl": "ąćęłńóśźżéüöä",
    "pt": "áâãàçéêíóôõúüªºèñ",
    "ro": "ăâîșțşţéü",
    "sk": "áäčďéíĺľňóôŕšťúýžöüě",
    "sl": "čšžćđéäöü",
    "sr": "čćđšžабвгдђежзијклљмнњопрстћуфхцчџшѐѝ",
    "sv": "åäöéàüèáôçæø",
    "tr": "çğıi̇öşüâîû",
    "ru": "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
    "uk": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюяыэъё",
    "be": "абвгдеёжзійклмнопрстуўфхцчшыьэюяґ",
    "bg": "абвгдежзийклмнопрстуфхцчшщъьюяѝ",
    "mk": "абвгдѓежзѕијклљмнњопрстќуфхцчџшѐѝ",
    "el": "αβγδεζηθικλμνξοπρστυφχψωςάέήίόύώϊϋΐΰ",
    "vi": "ăâđêôơưáàảãạéèẻẽẹíìỉĩịóòỏõọúùủũụýỳỷỹỵấầẩẫậắằẳẵặếềểễệốồổỗộớờởỡợứừửữự",
}
# Written within or behind a word.
_JOINING = "’‘ʻʼ·‧/–—\u00ad\u200c\u200d\u2010\u2011"
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\ufeff"
_BEHIND_WORDS = "™®©°"
# Not directly behind a letter, by category and by character.
_SYMBOLS = {"Sk", "Sc", "Sm", "So"}
# Not directly before one either.
_NO_PREFIX = {"Sk", "Sm"}
_OPENING = "„‚¿¡†‡•§¶‰"
# Words with three accented letters in a row are not rare.
_MANY_ACCENTS = {"cs", "hu", "is", "lt", "lv", "pl", "ro", "sk", "tr", "vi"}
_SIGNS = "µªº"
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "HEBREW", "ARABIC", "THAI")


def is_out_of_place(before: str, char: str, behind: str, language: str) -> bool:
    """Whether a character that is not ASCII is unlikely in a language between its two neighbours.

    So are control and unassigned characters, letters that the language does not have, a capital behind a
    small letter, a symbol within a word, and two scripts in one word.
    """
    category = unicodedata.category(char)
    if category[0] == "C":
        return char not in _INVISIBLE
    if "\u02b0" <= char <= "\u02ff":  # accents without their letter
        return char not in _JOINING
    if category[0] == "L":
        return char not in _SIGNS and _is_odd_letter(before, char, behind, language)
    if category[0] == "M":
        return not (before.isalpha() or unicodedata.category(before)[0] == "M")
    if char == "\xa0":
        return before.isspace()
    if category == "No":
        return behind.isalpha()
    if char in _JOINING:
        return False
    if category in _SYMBOLS or char in _OPENING:
        is_drawing = "\u2500" <= char <= "\u259f"
        is_behind = before.isalpha() and (char not in _BEHIND_WORDS or behind.isalpha())
        return is_drawing or is_behind or (category in _NO_PREFIX and behind.isalpha())
    return script(before) != "" and behind.isalpha()


def _is_odd_letter(before: str, char: str, behind: str, language: str) -> bool:
    if not script(char) and before.isascii() and behind.isascii():
        # A single ideograph within a word.
        return before.isalpha() and behind.isalpha()
    if before.islower() and char.isupper():
        return True
    if script(char) and any(
        other.isalpha() and script(other) not in ("", script(char)) for other in (before, behind)
    ):
        return True
    is_row = before > "\x7f" < behind and before.isalpha() and behind.isalpha()
    if is_row and script(char) == "LATIN" and language not in _MANY_ACCENTS:
        return True
    letters = ALPHABETS.get(language)
    return (
        letters is not None
        and char.isalpha()
        and script(char) != ""
        and char.lower() not in letters
    )


@cache
def script(char: str) -> str:
    """The alphabet of a letter, such as "GREEK"; "" for one of another script, or for no letter."""
    name = unicodedata.name(char, "").partition(" ")[0]
    return name if name in _SCRIPTS and char.isalpha() else ""
