"""A checksum inside a JSON file, which shows damage before the ledger has a record of the file, and without it.

The file's first member is `"sha256"`, of all that follows the comma after it. A file without one is from a
version that wrote none.
"""

from __future__ import annotations

import hashlib
import re

_FIRST_MEMBER = re.compile(rb'\A\{"sha256": "([0-9a-f]{64})",')


def with_checksum(json_object: str) -> str:
    """The text of a JSON object, which begins with "{" and has members, with its checksum in front."""
    rest = json_object[1:]
    return f'{{"sha256": "{hashlib.sha256(rest.encode()).hexdigest()}",{rest}'


def verify_checksum(content: bytes) -> None:
    """Raises ValueError if the content has a checksum and differs from it."""
    found = _FIRST_MEMBER.match(content)
    if found and hashlib.sha256(content[found.end() :]).hexdigest().encode() != found[1]:
        raise ValueError("it differs from its checksum")
