"""Reading and checking `nightschool.toml`: every problem is one line that names file, line and key."""

from __future__ import annotations

import difflib
import errno
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from nightschool.config import bounded_toml, files
from nightschool.config.errors import ConfigError, first_line
from nightschool.config.presets import DEFAULT_PRESET, PRESETS, merged
from nightschool.config.settings import Settings

_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_KEYS = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_LONG_QUOTES = re.compile("\"{3}|'{3}")
_MAX_BYTES = 1_000_000
_MOST_PROBLEMS = 20
_LONGEST = 200  # characters of a key or a value in a message

# Their values may hold a password or, by mistake, a key: errors do not repeat them.
_SECRET = ("queue", "server.url", "server.api_key_env")
# Settings of earlier versions: the value that changed nothing, which is ignored, and why they were removed.
_REMOVED: dict[str, tuple[object, str]] = {
    "train.near_misses": (0.0, "the notes that it added made models worse"),
    "train.layers": (
        "all",
        "training the upper layers alone made models worse (lower train.epochs to save time)",
    ),
}


def load(file: Path) -> Settings:
    """Read and check a settings file.

    Raises ConfigError with one line per problem, in the file's order; each line names the file, the
    line, the key and what was expected.
    """
    try:
        text = files.read(file, _MAX_BYTES).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 (byte {error.start})", "save it as UTF-8") from None
    except OSError as error:
        hint = "shorten it, or move it away" if error.errno == errno.EFBIG else ""
        raise ConfigError(f"{file} cannot be read: {error.strerror}", hint) from None
    try:
        given = bounded_toml.loads(text)
    except ValueError as error:
        raise ConfigError(
            f"{file} is not valid TOML: {_short(first_line(error))}",
            'correct that line; text needs quotes, as in base = "demo"',
        ) from None
    return check(given, text, str(file))


def check(given: Mapping[str, Any], text: str, name: str) -> Settings:
    """Check the tables `given`, which were parsed from `text` of the file `name`; see `load`."""
    preset = PRESETS.get(str(given.get("preset", DEFAULT_PRESET)), {})
    try:
        return Settings.model_validate(merged(preset, _without_removed(given)))
    except ValidationError as error:
        details = error.errors()
        placed = [
            (line_of(text, [str(part) for part in detail["loc"]]), detail)
            for detail in details[:_MOST_PROBLEMS]
        ]
        # Problems without a line come last.
        placed.sort(key=lambda problem: problem[0] or len(text) + 1)
        problems = [_explain(detail, line, name) for line, detail in placed]
        if rest := len(details) - len(placed):
            problems.append(f"{name}: {rest:,} more problems")
        raise ConfigError("\n".join(dict.fromkeys(problems))) from None


def _without_removed(given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` without the removed settings whose value changes nothing."""
    kept = {
        name: dict(value) if isinstance(value, dict) else value for name, value in given.items()
    }
    for key, (ignored, _) in _REMOVED.items():
        table, name = key.split(".")
        section = kept.get(table)
        if isinstance(section, dict) and section.get(name) == ignored:
            del section[name]
    return kept


def _explain(detail: ErrorDetails, line: int | None, name: str) -> str:
    path = [str(part) for part in detail["loc"]]
    where = f"{name}, line {line}" if line else name
    key = _short(".".join(path))
    if detail["type"] == "extra_forbidden":
        if key in _REMOVED:
            _, why = _REMOVED[key]
            return f"{where}: the setting `{key}` no longer exists, because {why}: remove this line"
        near = difflib.get_close_matches(path[-1], list(_keys(path[:-1])), n=1, cutoff=0.5)
        if near:
            return f"{where}: unknown setting `{key}`: did you mean `{'.'.join([*path[:-1], near[0]])}`?"
        valid = ", ".join(_keys(path[:-1]))
        return (
            f"{where}: unknown setting `{key}`: valid settings here are {valid}; if a newer version of "
            "nightschool has it, update nightschool"
        )
    if key in _SECRET:
        return f"{where}: `{key}`: {detail['msg'].removeprefix('Value error, ')}"
    value = _short(json.dumps(detail["input"], ensure_ascii=False, default=str))
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if detail["type"] in ("model_type", "dict_type"):
        message = f"should be a table, [{key}]"
    if detail["type"] == "value_error" and isinstance(detail["input"], dict):
        return f"{where}: `{key}`: {message}"
    return f"{where}: `{key}` = {value}: {message}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."


def _keys(path: list[str]) -> Iterator[str]:
    model: type[BaseModel] = Settings
    for part in path:
        field = model.model_fields.get(part)
        if field is None or not (
            isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        ):
            return
        model = field.annotation
    yield from model.model_fields


def line_of(text: str, path: list[str]) -> int | None:
    """The 1-based line of the key `path` in the TOML `text`, or of its table; None if neither is there."""
    table: list[str] = []
    nearest = None
    inside: str | None = None  # the quotes of the multi-line string that is open
    for number, line in enumerate(text.split("\n"), start=1):
        quotes = _LONG_QUOTES.findall(line)
        if inside:
            inside = None if quotes.count(inside) % 2 else inside
            continue
        inside = next((mark for mark in quotes if quotes.count(mark) % 2), None)
        header = re.match(rf"\s*\[\[?\s*({_KEYS})\s*\]", line)
        if header:
            table = _parts(header.group(1))
            if table == path:
                return number
            if table == path[: len(table)]:
                nearest = number
            continue
        setting = re.match(rf"\s*({_KEYS})\s*=", line)
        if setting:
            full = table + _parts(setting.group(1))
            if full == path[: len(full)]:
                return number
            if full[: len(path)] == path:
                nearest = nearest or number
    return nearest


def _parts(keys: str) -> list[str]:
    return [part.strip("\"'") for part in re.findall(_KEY, keys)]
