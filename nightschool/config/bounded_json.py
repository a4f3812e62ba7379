"""JSON from anyone: whatever is wrong with it is a ValueError."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nightschool.config import files


def loads(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError, also if it nests too deep."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it nests too deep") from None


def read(file: Path, limit: int = files.READ_LIMIT) -> Any:
    """The value of a JSON file. Raises ValueError as `loads` does, OSError as `files.read` does."""
    return loads(files.read(file, limit))
