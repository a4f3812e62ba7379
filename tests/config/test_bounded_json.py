"""JSON from anyone."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.config import bounded_json


def test_a_value_is_read_and_whatever_is_wrong_is_a_value_error(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes('{"a": ["メモ", 1]}'.encode())
    assert bounded_json.read(file) == {"a": ["メモ", 1]}
    for text in ("[" * 100_000, '{"a":' * 100_000, "1" * 5_000, "[", b"\xff"):
        with pytest.raises(ValueError):
            bounded_json.loads(text)
    os.truncate(file, 1 << 40)
    with pytest.raises(OSError, match="larger than 268,435,456 bytes"):
        bounded_json.read(file)


@given(st.binary() | st.text())
def test_nothing_else_is_raised(text: bytes | str) -> None:
    with contextlib.suppress(ValueError):
        bounded_json.loads(text)
