"""The owner's answers about single notes: `labels.jsonl`, beside the settings.

One JSON object a line, one line a note: `id` is its content's identity, `kind` what it is (null: it
is left out), `source` and `begins` tell a reader which note is meant, `at` is when. An answer wins
over the kind that the note's folder, front matter or table gives; the notes themselves are not touched.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from nightschool.config import files
from nightschool.config.errors import NotesError
from nightschool.notes.decoding import content_id, encodable
from nightschool.notes.kinds import kind_name, same_kind
from nightschool.notes.readers import LoadedNotes
from nightschool.notes.tables import parsed


@dataclass(frozen=True, slots=True)
class Label:
    """One answer."""

    id: str
    kind: str | None
    source: str = ""
    begins: str = ""
    at: str = ""


def read_labels(file: Path) -> dict[str, Label]:
    """The answers by content id, the last of several for one note; empty where there is no file.

    Raises NotesError where a line is broken, naming it.
    """
    try:
        lines = file.read_text("utf-8-sig").split("\n")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise NotesError(f"{file} cannot be read ({error}): mend it, or move it away") from None
    labels = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            label = _label(line, f"{file}, line {number}")
            labels[label.id] = label
    return labels


def _label(line: str, where: str) -> Label:
    row = parsed(line, where)
    row = row if isinstance(row, dict) else {}
    id_, kind = row.get("id"), row.get("kind", 0)
    if not (isinstance(id_, str) and id_ and (kind is None or isinstance(kind, str))):
        raise NotesError(f'{where}: {{"id": "...", "kind": "..." or null}} is expected')
    told = {name: encodable(str(row.get(name, ""))) for name in ("source", "begins", "at")}
    named = kind_name(kind)
    if kind is not None and named is None:
        raise NotesError(f"{where}: the kind is empty: name one, or write null to leave it out")
    return Label(encodable(id_), named, **told)


def write_labels(file: Path, labels: Iterable[Label]) -> None:
    """Write all answers: when this returns, they are on the disk; a crash leaves the old or the new."""
    lines = (json.dumps(asdict(label), ensure_ascii=False) + "\n" for label in labels)
    files.write(file, "".join(lines))


def with_labels(reading: LoadedNotes, labels: Mapping[str, Label]) -> LoadedNotes:
    """What was read, with the answers in place of the kinds that were given; what is left out is gone.

    Raises NotesError where an answer's kind differs from one of the notes' in case or width alone.
    """
    if not labels:
        return reading
    notes, met = [], set()
    for note in reading.notes:
        label = labels.get(id_ := content_id(note.text))
        if label is None:
            notes.append(note)
            continue
        met.add(id_)
        if label.kind is not None:
            notes.append(replace(note, kind=label.kind))
    _check_kinds({note.kind for note in reading.notes if note.kind is not None}, labels)
    lost = [label for id_, label in labels.items() if id_ not in met]
    warnings = reading.warnings
    if lost:
        some = ", ".join(label.source or label.id for label in lost[:3])
        more = ", ..." if len(lost) > 3 else ""
        warnings += (
            f"labels.jsonl: {len(lost)} answer{'s'[: len(lost) != 1]} about notes that were changed "
            f"or are gone ({some}{more})",
        )
    return replace(reading, notes=tuple(notes), warnings=warnings)


def _check_kinds(kinds: Iterable[str], labels: Mapping[str, Label]) -> None:
    seen = {same_kind(kind): kind for kind in kinds}
    for label in labels.values():
        if label.kind is None:
            continue
        other = seen.setdefault(same_kind(label.kind), label.kind)
        if other != label.kind:
            raise NotesError(
                f'labels.jsonl: the kind "{label.kind}" differs from "{other}" in case or width alone: '
                "give them one name"
            )
