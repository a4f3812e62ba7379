"""Addresses that may hold a password, which is never shown or stored."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pydantic_core import CoreSchema, core_schema

_HIDDEN = "***"


class SecretUrl:
    """An address of a setting. `str()`, and so all that prints or stores it, shows *** for its user name,
    password and options; `reveal()` is for the connection alone."""

    def __init__(self, url: str) -> None:
        self._url = url

    def reveal(self) -> str:
        return self._url

    def __str__(self) -> str:
        try:
            parts = urlsplit(self._url)
        except ValueError:
            return _HIDDEN
        user, at, host = parts.netloc.rpartition("@")
        query = f"?{_HIDDEN}" if parts.query or parts.fragment else ""
        scheme = f"{parts.scheme}://" if parts.scheme else ""
        return f"{scheme}{_HIDDEN if user else ''}{at}{host}{parts.path}{query}"

    def __repr__(self) -> str:
        return repr(str(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretUrl | str) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls(_text(value)),
            serialization=core_schema.to_string_ser_schema(when_used="always"),
        )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("expected a text")
    return value
