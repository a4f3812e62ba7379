"""Which labelled notes are new."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nightschool.notes.kinds import FEW_NOTES
from nightschool.notes.new_notes import compare, labelled
from nightschool.notes.note import Note

contents = st.dictionaries(st.text("ab", max_size=4), st.sampled_from(["x", "y"]), max_size=40)


def test_labelled_contents_are_those_with_one_kind() -> None:
    notes = [
        Note("one", "a", "a/1.md"),
        Note("ONE ", "a", "a/copy.md"),
        Note("two", "a", "a/2.md"),
        Note("two", "b", "b/2.md"),
        Note("two", "a", "c/2.md"),
        Note("three", None, "inbox/3.md"),
    ]
    assert list(labelled(notes).values()) == ["a"]


@given(contents, contents)
def test_new_contents_and_changed_kinds_are_new(
    before: dict[str, str], now: dict[str, str]
) -> None:
    news = compare(3, before, now)
    assert news.new == len(now.items() - before.items())
    assert (news.run, news.before, news.now) == (3, len(before), len(now))
    assert compare(3, before, before).new == compare(3, now, {}).new == 0


def test_a_kind_has_grown_once_it_is_no_longer_thin() -> None:
    def kinds(**counts: int) -> dict[str, str]:
        return {f"{kind} {n}": kind for kind, count in counts.items() for n in range(count)}

    before = kinds(thin=FEW_NOTES - 1, enough=FEW_NOTES, less=FEW_NOTES)
    now = kinds(
        thin=FEW_NOTES,
        enough=FEW_NOTES + 9,
        less=FEW_NOTES - 1,
        young=FEW_NOTES - 1,
        born=FEW_NOTES,
    )
    assert compare(1, before, now).grown == ("born", "thin")
