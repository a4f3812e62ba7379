"""What names a kind is not in the text that a model reads."""

from __future__ import annotations

from pathlib import Path
from random import Random

from hypothesis import example, given
from hypothesis import strategies as st

from nightschool.config.kind_settings import KindSettings
from nightschool.config.notes_settings import NotesSettings
from nightschool.notes.kind_marks import without_kind_marks
from nightschool.notes.kinds import KnownKinds
from nightschool.notes.metadata.line_properties import inline_fields
from nightschool.notes.readable import readable
from nightschool.notes.readers import read_notes
from nightschool.notes.tags import tags
from tests.notes.conftest import Put

KNOWN = KnownKinds(["lesson", "value"])
SETTINGS = NotesSettings()


def test_only_tags_that_name_a_kind_are_removed() -> None:
    text = "#lesson First restore, then delete. #home #VALUE\n`#lesson`\n```\n#value\n```\n"
    kept = "First restore, then delete. #home\n`#lesson`\n```\n#value\n```\n"
    assert without_kind_marks(text, KNOWN, SETTINGS) == kept


def test_fields_that_hold_kinds_are_removed_whatever_they_name() -> None:
    text = "a [kind:: idea] b (type:: x) c\nkind:: [[lesson]]\nmood:: good\ntags:: home, lesson\n"
    assert without_kind_marks(text, KNOWN, SETTINGS) == "a b c\nmood:: good\n"


def test_tags_of_org_headlines_are_removed() -> None:
    text = "* Deploys :lesson:ops:\nNever on a Friday\n"
    assert without_kind_marks(text, KNOWN, SETTINGS) == "* Deploys :ops:\nNever on a Friday\n"


@given(st.text(alphabet="#` ~\n-/a1語:[]k", max_size=80))
@example("#a#a")
@example("#a`" * 20)
def test_nothing_that_names_a_kind_remains(text: str) -> None:
    known = KnownKinds(["a", "語"])
    rest = without_kind_marks(text, known, NotesSettings(kind_from=["k"]))
    assert known.tagged_in(tags(rest)) == ()
    assert not [each for each in inline_fields(rest) if each.key == "k"]


def test_reading_removes_all_marks_although_most_texts_are_not_searched_twice(
    folder: Path, put: Put
) -> None:
    parts = [
        "#lesson", "#idea", "x", "\n", " ", "* item :lesson:\n", "kind:: lesson\n", "(kind:: a)",
        "`", "\n    ", "#two words#", "#[[lesson]]", "data:image/png;base64,AAAA#lesson", ":", "- ",
    ]  # fmt: skip
    random, texts = Random(0), {}
    for number in range(300):
        text = "begin.\n" + "".join(random.choices(parts, k=8))
        texts[f"{number}.{random.choice(['md', 'org'])}"] = text
    for name, text in texts.items():
        put(name, text)
    known = KnownKinds(["lesson"])
    loaded = read_notes(folder, kinds={"lesson": KindSettings()})
    assert {note.source: note.text for note in loaded.notes} == {
        name: without_kind_marks(readable(text), known, NotesSettings())
        for name, text in texts.items()
    }
