"""Front matter at the top of a file: YAML between lines of `---`, TOML between `+++`, or an object of JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping

import yaml

from nightschool.config import bounded_toml
from nightschool.config.errors import first_line as first_line_of
from nightschool.notes.bounded_yaml import MOST_CHARACTERS, compose
from nightschool.notes.kinds import kind_name
from nightschool.notes.metadata.properties import (
    COMMON_KEYS,
    TAG_KEYS,
    Found,
    Property,
    property_key,
    split_names,
)
from nightschool.notes.trouble import Trouble, TroubleType

_MAX_NODES = 1000  # of a property: aliases of aliases could give billions
_NULLS = ("", "~", "null", "Null", "NULL")
_ENDS = {"---": ("---", "..."), "+++": ("+++",)}
_TOML_KEY = re.compile(r"""\s*["']?([\w-]+)["']?\s*=""")
# A line of YAML that lacks the space behind the colon, or has a wide colon.
_LOOSE = re.compile(r"^(?P<key>[^\W\d][\w -]{0,40}?)\s*[:：]\s*(?P<value>\S.*)?$")
_COMMENT_VALUE = re.compile(r"^\s*(?:- |(?P<key>[^\s#:]+)\s*:)\s*(?P<tag>#[^\s#].*?)\s*$")


def take_front_matter(text: str, wanted: Iterable[str], first_line: int = 1) -> Found | None:
    """The front matter that a text begins with; None if there is none.

    `wanted` are keys that name kinds. A block without any of them, or of `COMMON_KEYS`, is prose between
    two rules. `first_line` is the number of the text's first line in its file.
    """
    mark = text[:3]
    if mark in _ENDS:
        return _take_block(text, frozenset(wanted), first_line)
    return _take_json(text, frozenset(wanted), first_line) if mark[:1] == "{" else None


def _take_block(text: str, wanted: frozenset[str], first_line: int) -> Found | None:
    lines = text.split("\n")
    mark = lines[0].rstrip()
    if mark not in _ENDS:
        return None
    end = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() in _ENDS[mark]), None)
    if end is None:
        # A rule looks the same; only a "key:" line makes it an unclosed front matter.
        opened = len(lines) > 1 and (":" if mark == "---" else "=") in lines[1]
        trouble = Trouble(TroubleType.NOT_CLOSED, first_line, mark)
        return Found(text, troubles=[trouble]) if opened else None
    block, body = lines[1:end], "\n".join(lines[end + 1 :])
    parse = _yaml if mark == "---" else _toml
    found = parse(block, first_line + 1)
    if found is None:
        return None
    keys = {each.key for each in found.properties}
    if keys and not keys & (COMMON_KEYS | wanted) and _is_prose(block):
        return None
    found.text = body
    return found


def _is_prose(block: list[str]) -> bool:
    """Whether a line continues as a sentence does: "Note: the plug was pulled"."""
    return any(len(line.partition(":")[2].split()) > 2 for line in block)


def _yaml(block: list[str], first_line: int) -> Found | None:
    """The properties of a block of YAML; None if it is something else, such as prose."""
    found = Found("")
    try:
        node = compose("\n".join(block))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = first_line + (mark.line if mark else -1)
        problem = getattr(error, "problem", None) or "invalid YAML"
        found.properties = list(_loose_properties(block, first_line))
        found.troubles.append(Trouble(TroubleType.BROKEN, line, problem))
        return found
    if node is None:
        return found
    if not isinstance(node, yaml.MappingNode):
        found.properties = list(_loose_properties(block, first_line))
        if len(found.properties) < sum(bool(line.strip()) for line in block):
            return None
        line = found.properties[0].line
        found.troubles.append(Trouble(TroubleType.NO_SPACE, line))
        return found
    lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        key = property_key(key_node.value if isinstance(key_node, yaml.ScalarNode) else None)
        line = first_line + key_node.start_mark.line
        if key in lines:
            found.troubles.append(Trouble(TroubleType.DUPLICATE_KEY, line, f"{key}:", lines[key]))
            found.properties = [each for each in found.properties if each.key != key]
        lines[key] = line
        values, nested = _scalars(value_node)
        if key in TAG_KEYS and isinstance(value_node, yaml.ScalarNode):
            values = tuple(name for text in values for name in re.split(r"[,\s]+", text))
        found.properties.append(Property(key, tuple(filter(None, values)), line, nested))
    found.troubles += _comments(block, first_line)
    return found


def _scalars(node: yaml.Node) -> tuple[tuple[str, ...], bool]:
    """The texts in a scalar or in lists of any depth, and whether there is a mapping among them."""
    values: list[str] = []
    nested = False
    open_nodes = [node]
    for _ in range(_MAX_NODES):
        if not open_nodes:
            break
        node = open_nodes.pop()
        if isinstance(node, yaml.SequenceNode):
            open_nodes += reversed(node.value)
        elif isinstance(node, yaml.MappingNode):
            nested = True
        elif isinstance(node, yaml.ScalarNode) and (node.style or node.value not in _NULLS):
            values.append(node.value)
    return tuple(values), nested


def _comments(block: list[str], first_line: int) -> Iterator[Trouble]:
    """Values that YAML takes for comments: `kind: #lesson`."""
    for number, line in enumerate(block, first_line):
        if match := _COMMENT_VALUE.match(line):
            yield Trouble(TroubleType.COMMENT, number, match["tag"])


def _loose_properties(block: list[str], first_line: int) -> Iterator[Property]:
    """The lines of the form `key: value`, whatever YAML says of them."""
    for number, line in enumerate(block, first_line):
        if match := _LOOSE.match(line):
            values = (name.strip("'\"") for name in split_names(match["value"] or ""))
            yield Property(property_key(match["key"]), tuple(filter(None, values)), number)


def _toml(block: list[str], first_line: int) -> Found:
    found = Found("")
    text = "\n".join(block)
    try:
        if len(text) > MOST_CHARACTERS:
            raise ValueError(f"longer than {MOST_CHARACTERS:,} characters")
        content = bounded_toml.loads(text)
    except ValueError as error:
        what = first_line_of(error)
        where = re.search(r"\(at line (\d+)", what)
        place = first_line + (int(where[1]) - 1 if where else -1)
        problem = re.sub(r" *\(at .*\)$", "", what)
        found.troubles.append(Trouble(TroubleType.BROKEN, place, problem))
        return found
    places = reversed(list(enumerate(block, first_line)))  # so that the first line of a key counts
    lines = {key[1]: number for number, line in places if (key := _TOML_KEY.match(line))}
    # Hugo holds tags and categories at the top, Zola under [taxonomies].
    for table in (content, *(value for value in content.values() if isinstance(value, dict))):
        for key, value in table.items():
            if not isinstance(value, dict):
                found.properties.append(_property(key, value, lines.get(key, first_line)))
    return found


def _take_json(text: str, wanted: frozenset[str], first_line: int) -> Found | None:
    try:
        content, end = json.JSONDecoder().raw_decode(text[:MOST_CHARACTERS])
    except (ValueError, RecursionError):
        return None
    rest = text[end:]
    after, _, body = rest.partition("\n")
    if not isinstance(content, dict) or after.strip() or not body.strip():
        return None
    if not {property_key(key) for key in content} & (COMMON_KEYS | wanted):
        return None
    return Found(body, [_property(key, value, first_line) for key, value in content.items()])


def _property(key: object, value: object, line: int) -> Property:
    """A property from a value of TOML or JSON."""
    values = value if isinstance(value, list) else [value]
    nested = any(isinstance(each, list | Mapping) for each in values)
    names = (kind_name(each) for each in values if not isinstance(each, list | Mapping))
    return Property(property_key(key), tuple(name for name in names if name), line, nested)
