"""Why something is skipped, in words and in groups."""

from __future__ import annotations

import pytest

from nightschool.notes.note import LoadedNotes, Skipped, SkippedGroup, SkipReason


@pytest.mark.parametrize("reason", SkipReason)
def test_every_reason_has_a_message_with_its_detail(reason: SkipReason) -> None:
    message = Skipped("a.md", reason, "DETAIL").message
    assert message and "{" not in message
    takes_detail = reason in {
        SkipReason.SUFFIX,
        SkipReason.TOO_LARGE,
        SkipReason.NO_TEXT,
        SkipReason.WRONG_MARK,
        SkipReason.UNREADABLE,
        SkipReason.EXCLUDED,
        SkipReason.NO_NOTE,
        SkipReason.NO_TABLE,
    }
    assert ("DETAIL" in message) == takes_detail


def test_skipped_sources_are_grouped_by_reason_and_detail_with_the_largest_group_first() -> None:
    skipped = (
        Skipped("a.png", SkipReason.SUFFIX, ".png"),
        Skipped("a.md", SkipReason.EMPTY),
        Skipped("a.pdf", SkipReason.SUFFIX, ".pdf"),
        Skipped("b.png", SkipReason.SUFFIX, ".png"),
    )
    assert LoadedNotes((), skipped, ()).skipped_groups() == [
        SkippedGroup(SkipReason.SUFFIX, ".png", ("a.png", "b.png")),
        SkippedGroup(SkipReason.EMPTY, "", ("a.md",)),
        SkippedGroup(SkipReason.SUFFIX, ".pdf", ("a.pdf",)),
    ]
