from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nightschool.ledger.ledger import Ledger
from tests.ledger.claims import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.db", clock) as opened:
        yield opened
