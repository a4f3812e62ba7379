"""Additions to a `nightschool.toml` that you have edited: everything in it stays, comments too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nightschool.config import bounded_toml
from nightschool.config.errors import ConfigError
from nightschool.config.kind_settings import KindSettings, same_kind
from nightschool.config.printable import one_line
from nightschool.config.settings_file import check, line_of


def with_additions(
    text: str,
    name: str,
    kinds: Mapping[str, KindSettings],
    remarks: Mapping[str, str],
    notes: Mapping[str, Any],
) -> str:
    """The settings file `text` with further kinds, aliases and values of [notes].

    Lists are extended; a value that is set stays. `name` is the file's, `remarks` are comments on new kinds.
    Raises ConfigError if the result is not valid, such as an alias that names two kinds.
    """
    import tomlkit  # lazy: tomlkit

    document = tomlkit.parse(text.replace("\r\n", "\n"))
    new: dict[str, Any] = {"notes": tomlkit.document(), "kinds": tomlkit.document()}
    for key, value in notes.items():
        given = document.get("notes", {}).get(key)
        if isinstance(given, list):
            given.extend(each for each in value if each not in given)
        elif given is None:
            new["notes"][key] = value
    table = document.get("kinds", {})
    for kind, settings in kinds.items():
        known = next((each for each in table if same_kind(each) == same_kind(kind)), None)
        if known is not None:
            _add_aliases(table, known, settings.aliases)
            continue
        new["kinds"][kind] = _as_toml(settings)
        if remark := remarks.get(kind):
            new["kinds"][kind].comment(one_line(remark))
    edited = tomlkit.dumps(document)
    for name_of_table, additions in new.items():
        edited = _inserted(edited, name_of_table, tomlkit.dumps(additions))
    check(bounded_toml.loads(edited), edited, name)
    return edited.replace("\n", "\r\n") if "\r\n" in text else edited


def _inserted(text: str, table: str, lines: str) -> str:
    """The file with lines directly below the head of a table, where no comment of another one stands."""
    if not lines:
        return text
    parts = text.split("\n")
    head = line_of(text, [table])
    if head and re.fullmatch(rf"\s*\[\s*{table}\s*\]\s*(#.*)?", parts[head - 1]):
        return "\n".join([*parts[:head], lines.rstrip("\n"), *parts[head:]])
    if head:
        raise ConfigError(
            f"the settings of [{table}] are not below a line [{table}], so nothing can be added",
            f"write them that way, or add: {'; '.join(lines.splitlines())}",
        )
    return f"{text.rstrip()}\n\n[{table}]\n{lines}"


def _as_toml(settings: KindSettings) -> Any:
    import tomlkit  # lazy: tomlkit

    if not settings.aliases:
        return tomlkit.string(settings.meaning)
    table = tomlkit.inline_table()
    if settings.meaning:
        table["meaning"] = settings.meaning
    table["aliases"] = settings.aliases
    return table


def _add_aliases(table: Any, kind: str, aliases: list[str]) -> None:
    """Add aliases to a kind, whose value is its meaning or a table."""
    given = table[kind]
    if not aliases:
        return
    if isinstance(given, str):
        table[kind] = _as_toml(KindSettings(meaning=str(given), aliases=aliases))
        return
    known = [same_kind(each) for each in given.get("aliases", [])]
    new = [each for each in aliases if same_kind(each) not in known]
    if "aliases" in given:
        given["aliases"].extend(new)
    else:
        given["aliases"] = new
