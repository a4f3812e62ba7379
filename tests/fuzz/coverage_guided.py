"""Fuzzing of one reader for a while, guided by the code that each input reaches.

    python -m tests.fuzz.coverage_guided READER [SECONDS]

Needs atheris (libFuzzer for Python: Linux and macOS). An input that is a fault, that takes more than 10 s or
2 GB ends it with a code other than 0, and its path is printed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["nightschool"], enable_loader_override=False):
    from tests.fuzz.readers import readers


def main() -> None:
    """Fuzz the reader that the command line names."""
    name, *rest = sys.argv[1:]
    seconds = int(rest[0]) if rest else 60
    reader = readers()[name]
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    for number, sample in enumerate(reader.samples):
        (folder / str(number)).write_bytes(sample)

    def one_input(raw: bytes) -> None:
        try:
            reader.read(raw)
        except reader.expected as error:
            assert str(error).strip()

    options = [
        f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2000", "-max_len=20000",
        f"-artifact_prefix={folder}/", "-verbosity=0",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(folder)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
