"""Writing `nightschool.toml`: every setting with its effective value and its description."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from nightschool.config.kind_settings import KindSettings
from nightschool.config.presets import DEFAULT_PRESET, PRESETS, merged
from nightschool.config.printable import one_line
from nightschool.config.section import Section
from nightschool.config.settings import Settings


def template(values: Mapping[str, Any], remarks: Mapping[str, str] | None = None) -> str:
    """A commented settings file: `values` are set, every other setting is commented out.

    `values` holds top-level settings and tables, as `tomllib` parses them. `remarks` are comments on kinds.
    """
    effective = Settings.model_validate(
        merged(PRESETS[values.get("preset", DEFAULT_PRESET)], values)
    )
    top: list[tuple[str, str]] = []
    tables = ""
    for name, field in Settings.model_fields.items():
        value = getattr(effective, name)
        if isinstance(value, Section):
            tables += _table(name, value, values.get(name, {}))
        elif isinstance(value, dict):
            rows = [
                (f"{_quoted_key(key)} = {_kind(kind)}", one_line((remarks or {}).get(key, "")))
                for key, kind in value.items()
            ]
            tables += f"\n# {field.description}\n[{name}]\n" + _aligned(rows)
        else:
            top.append(_setting(name, value, field, name in values))
    return (
        "# The settings of this school. A commented setting shows the value in effect: remove the # to\n"
        "# change it.\n\n" + _aligned(top) + tables
    )


def _table(name: str, section: Section, given: Mapping[str, Any]) -> str:
    """A section with its description, followed by its nested sections."""
    rows, within = [], ""
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if isinstance(value, Section):
            within += _table(f"{name}.{key}", value, given.get(key, {}))
        else:
            rows.append(_setting(key, value, field, key in given))
    return f"\n# {type(section).__doc__}\n[{name}]\n" + _aligned(rows) + within


def _setting(key: str, value: object, field: FieldInfo, given: bool) -> tuple[str, str]:
    """A setting's line and its description."""
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    listed = f"; one of {', '.join(map(_toml, choices))}" if choices else ""
    return f"{'' if given else '# '}{key} = {_toml(value)}", f"{field.description}{listed}"


def _aligned(rows: list[tuple[str, str]]) -> str:
    width = max((len(line) for line, _ in rows if len(line) < 40), default=0)
    return "".join(f"{line:<{width}}  # {why}\n" if why else f"{line}\n" for line, why in rows)


def _quoted_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml(key)


def _kind(kind: KindSettings) -> str:
    if not kind.aliases:
        return _toml(kind.meaning)
    meaning = f"meaning = {_toml(kind.meaning)}, " if kind.meaning else ""
    return f"{{ {meaning}aliases = {_toml(kind.aliases)} }}"


def _toml(value: object) -> str:
    # JSON strings, numbers, booleans and lists are valid TOML, except for non-BMP escapes and DEL.
    return json.dumps(value, ensure_ascii=False, default=str).replace("\x7f", "\\u007f")
