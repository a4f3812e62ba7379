from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.scoring.answer_parsing import kind_in

KINDS = ["decision", "lesson", "lesson learned", "none", "value", "決定 事項", "教訓"]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("lesson", "lesson"),
        (" Lesson.\n", "lesson"),
        ("**LESSON**", "lesson"),
        ("ｌｅｓｓｏｎ", "lesson"),
        ("Lesson learned", "lesson learned"),
        ("「教訓」", "教訓"),
        ("これは教訓です。", "教訓"),
        ("decisionです", "decision"),
        ('{"kind": "Decision"}', "decision"),
        ('{"why": "no lesson in it", "kind": "decision"}', "decision"),
        ('```json\n{"kind": "none"}\n```', "none"),
        ('{"kind": "none"', "none"),
        ('{"note": "value", "kind": "lesson"}', "lesson"),
        ('{"reason": "value", "Label": "**Lesson**"}', "lesson"),
        ('{"kind": "a lesson, I think"}', "lesson"),
        ('{"result": "decision", "sure": "very"}', "decision"),
        ('{"result": "decision", "again": "Decision"}', "decision"),
        ("It is not a decision but a lesson.", "lesson"),
        ("It isn't really a decision. A lesson!", "lesson"),
        ("決定 事項ではなく、教訓です。", "教訓"),
        ("This is of no kind: none", "none"),
        ("I cannot be sure, but this is a value.", "value"),
        ("Kind: lesson (none of the others)", "lesson"),
        ("The answer is decision, not lesson.", "decision"),
        ("分類：決定 事項", "決定 事項"),
        ("I would say that this is a lesson, because it hurt.", "lesson"),
        ("It might be a lesson or a decision.\n\nDecision", "decision"),
        ("<think>A lesson? No, kind: none.</think>\n\ndecision", "decision"),
        ("first a lesson, then ...</think>decision", "decision"),
    ],
)
def test_a_reply_means_the_kind_that_it_names(reply: str, kind: str) -> None:
    assert kind_in(reply, KINDS) == kind


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "I cannot help with that.",
        "lessons",
        "lesson or decision",
        "<think>it is a lesson",
        '{"kind": ["lesson", "decision"]}',
        '{"note": "value", "kind": "unknown"}',
        '{"note": "value", "guess": "lesson"}',
        '{"label": "value", "answer": "lesson"}',
        "I cannot answer: the note is of no value to me",
        "It has no value.",
        "This is not really a lesson.",
        "The kind is not decision.",
        "教訓ではありません。",
        "教訓はない",
        "{}",
        "undecided",
        '{"a":' * 100_000 + "1" + "}" * 100_000,
    ],
)
def test_nonsense_and_indecision_name_no_kind(reply: str) -> None:
    assert kind_in(reply, KINDS) is None


@given(st.text())
def test_whatever_comes_is_a_kind_or_none(reply: str) -> None:
    assert kind_in(reply, KINDS) in [*KINDS, None]


NAMES = st.text("abcAé決定 -#.1", min_size=1, max_size=6).filter(lambda name: name.strip() == name)


@given(st.lists(NAMES, min_size=1, max_size=5, unique_by=str.casefold), st.data())
def test_a_kinds_own_name_means_it(kinds: list[str], data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(kinds))
    assert kind_in(kind, kinds) == kind
    assert kind_in(kind.upper(), kinds) == kind
