"""Names of kinds, and the tags that name them."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from nightschool.notes.kinds import KnownKinds
from nightschool.notes.markdown import tags

KNOWN = KnownKinds(["lesson", "value", "買い物 リスト"])


def test_only_tags_that_name_a_kind_are_removed_from_the_text() -> None:
    text = "#lesson First restore, then delete. #home #VALUE\n`#lesson`\n```\n#value\n```\n"
    kept = " First restore, then delete. #home \n`#lesson`\n```\n#value\n```\n"
    assert KNOWN.without_kind_tags(text) == kept


@given(st.text(alphabet="#` ~\n-/a1語", max_size=80))
@example("#a#a")
def test_no_tag_that_names_a_kind_remains_in_the_text(text: str) -> None:
    known = KnownKinds(["a", "語"])
    assert known.tagged(tags(known.without_kind_tags(text))) == ()
