"""Whatever anybody wrote: a reader returns, or raises the error that becomes one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.readers import FuzzedReader, readers

_TOKENS = [
    b"\0", b"\xff", b"\x9b", b"\x1b[2J", b"\r", b"\n", b"\n\n", b" ", b"\t", b'"', b"'", b"`", b",", b";",
    b"[", b"]", b"{", b"}", b"(", b")", b"<", b">", b"#", b"*", b"&a ", b"*a", b"!!python/object", b": ", b"- ",
    b"? ", b"---\n", b"+++\n", b"...\n", b"::", b"null", b"true", b"NaN", b"Infinity", b"-1", b"1e999", b"0x1",
    b"1" * 5_000, b"[" * 3_000, b"{\"a\":" * 3_000, b"a." * 3_000, b"\\ud800", b"\\u0000", b"\xef\xbb\xbf",
    b"\xff\xfe", "\u0301".encode() * 500, "\u202e".encode(), "\u2028".encode(), "漢".encode(), b"=", b"sep=;",
    b"2024-13-45", b"99999999999999999999", b"%s{}",
]  # fmt: skip


@st.composite
def changed(draw: st.DrawFn, samples: tuple[bytes, ...]) -> bytes:
    """A sample with parts removed, repeated or replaced, or any bytes."""
    raw = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(raw)))
        end = min(len(raw), begin + draw(st.integers(0, 40)))
        part = draw(
            st.one_of(
                st.just(b""),
                st.sampled_from(_TOKENS),
                st.binary(max_size=8),
                st.integers(2, 50).map(lambda n, b=begin, e=end, r=raw: r[b:e] * n),  # type: ignore[misc]
            )
        )
        raw = raw[:begin] + part + raw[end:]
    return raw


def check(reader: FuzzedReader, raw: bytes) -> None:
    """Read it; an error that is expected has one line or several, and none is empty."""
    try:
        reader.read(raw)
    except reader.expected as error:
        assert str(error).strip()


def _any_change(name: str) -> Any:
    return changed(readers()[name].samples) | st.binary(max_size=100)


@pytest.mark.parametrize("name", list(readers()))
def test_a_reader_raises_nothing_unexpected(name: str) -> None:
    reader = readers()[name]
    for sample in reader.samples:
        check(reader, sample)

    @settings(max_examples=20, suppress_health_check=list(HealthCheck), database=None)
    @given(_any_change(name))
    def run(raw: bytes) -> None:
        check(reader, raw)

    run()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "a note", "a note of org mode", "a folder of notes", "a table in CSV", "a table in JSONL", "labels",
        "settings", "an answer", "printed text",
    ],
)  # fmt: skip
def test_inputs_that_reach_new_code_raise_nothing_unexpected_and_end_soon(name: str) -> None:
    pytest.importorskip("atheris", reason="install the extra `fuzz`; there is no wheel for Windows")
    command = [sys.executable, "-m", "tests.fuzz.coverage_guided", name, "10"]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("name", list(readers()))
def test_a_reader_raises_nothing_unexpected_in_many_trials(name: str) -> None:
    @settings(max_examples=200, suppress_health_check=list(HealthCheck), database=None)
    @given(_any_change(name))
    def run(raw: bytes) -> None:
        check(readers()[name], raw)

    run()
