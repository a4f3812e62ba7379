"""YAML from anyone is read, or refused in time: never a crash, never a wait."""

from __future__ import annotations

from contextlib import suppress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nightschool.notes.bounded_yaml import MOST_CHARACTERS, MOST_LEVELS, compose


def test_a_node_knows_its_line() -> None:
    node = compose("a: no\nb: [1, 2024-01-01]\n")
    assert isinstance(node, yaml.MappingNode)
    assert [(key.value, key.start_mark.line) for key, _ in node.value] == [("a", 0), ("b", 1)]
    assert [value.value for value in node.value[1][1].value] == ["1", "2024-01-01"]


@pytest.mark.parametrize("unit", ["[", "{a: ", "- ", "? ", "{? ", "[{a: ", "&a [", "!t [", "- ? "])
def test_thousands_of_levels_are_refused(unit: str) -> None:
    with pytest.raises(yaml.YAMLError, match=f"more than {MOST_LEVELS} levels") as caught:
        compose(unit * 10_000)
    assert "\n" not in str(getattr(caught.value, "problem", ""))


def test_levels_by_indentation_are_refused() -> None:
    with pytest.raises(yaml.YAMLError, match=f"more than {MOST_LEVELS} levels"):
        compose("".join(f"{' ' * level}a:\n" for level in range(300)))


def test_as_many_levels_as_anyone_needs_are_read() -> None:
    node = compose("- " * (MOST_LEVELS - 1) + "a: b")
    for _ in range(MOST_LEVELS - 1):
        assert isinstance(node, yaml.SequenceNode)
        [node] = node.value
    assert isinstance(node, yaml.MappingNode)


def test_aliases_of_aliases_take_no_memory() -> None:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20)]
    node = compose("\n".join(lines))
    assert isinstance(node, yaml.MappingNode)
    assert node.value[19][1].value[0] is node.value[18][1]


def test_a_long_document_is_refused() -> None:
    with pytest.raises(yaml.YAMLError, match="longer than"):
        compose("a" * (MOST_CHARACTERS + 1))


@given(st.text(alphabet="[]{}&*!|>%@'\"-?:,#a\n \t\\~<", max_size=60))
def test_any_text_is_yaml_or_an_error(text: str) -> None:
    with suppress(yaml.YAMLError):
        compose(text)
