"""TOML from anyone."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.config import bounded_toml


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".a" * 100_000 + " = 1",
        "[" + "a . " * 50_000 + "a]",
        "['a'" + '."a"' * 50_000 + "]",
        "x = {" + "a." * 50_000 + "a = 1}",
        "x = " + "[" * 50_000,
        "x = " + "[" * 40 + "]" * 40,
        "x = " + "{a = " * 40 + "1" + "}" * 40,
        "x = " + "1" * 50_000,
        "x = " + "a" * 50_000,
        "x = '" + "a" * 50_000,
    ],
)
def test_what_would_take_long_or_nests_deep_is_a_value_error_at_once(text: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError):
        bounded_toml.loads(text)
    assert time.process_time() - began < 1


def test_a_text_with_many_full_stops_is_no_deep_key() -> None:
    text = "So it is. " * 100 + "." * 100
    assert bounded_toml.loads(f'[a.b]\nc = "{text}"\n') == {"a": {"b": {"c": text}}}


@given(st.text(st.sampled_from('a.="[]{}\n#1 ,-')) | st.text())
def test_nothing_else_is_raised(text: str) -> None:
    with contextlib.suppress(ValueError):
        bounded_toml.loads(text)
