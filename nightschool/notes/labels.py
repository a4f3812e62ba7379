"""Labels: the owner's decisions about single notes, in `labels.jsonl` beside the settings.

Each line is a JSON object about one note: `id` is its content id, `kind` its kind (null: the note is left
out), `at` the time of the decision; `source` and `begins` identify the note for a reader. A label
overrides the kind that the note's folder, front matter or table gives. The notes are not changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from nightschool.config import files
from nightschool.config.errors import NotesError
from nightschool.config.kind_settings import KindSettings, same_kind
from nightschool.config.paths import LABELS_NAME
from nightschool.config.printable import encodable
from nightschool.notes.identity import content_id
from nightschool.notes.kinds import kind_name, known_kinds
from nightschool.notes.note import LoadedNotes, Skipped, SkipReason
from nightschool.notes.tables import parse_json

_MOST_BYTES = 64_000_000
_MOST_CHARACTERS = 64_000  # of a line


@dataclass(frozen=True, slots=True)
class Label:
    """The owner's decision about one note."""

    id: str
    kind: str | None
    source: str = ""
    begins: str = ""
    at: str = ""


def read_labels(file: Path) -> dict[str, Label]:
    """The labels by content id, the last one of each note; empty if there is no file.

    Raises NotesError, which names the line, if a line is broken.
    """
    try:
        lines = files.read(file, _MOST_BYTES).decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise NotesError(f"{file} cannot be read ({why})", "correct it, or move it away") from None
    labels = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            label = _label(line, f"{file}, line {number}")
            labels[label.id] = label
    return labels


def _label(line: str, where: str) -> Label:
    if len(line) > _MOST_CHARACTERS:
        raise NotesError(
            f"{where}: longer than {_MOST_CHARACTERS:,} characters", "correct or remove it"
        )
    row = parse_json(line, where)
    row = row if isinstance(row, dict) else {}
    id_, kind = row.get("id"), row.get("kind", 0)
    if not (isinstance(id_, str) and id_ and (kind is None or isinstance(kind, str))):
        raise NotesError(f"{where}: not a label", 'write {"id": "...", "kind": "..." or null}')
    texts = {name: row.get(name) for name in ("source", "begins", "at")}
    name = kind_name(kind)
    if kind is not None and name is None:
        raise NotesError(
            f"{where}: the kind is empty or long",
            "name a kind, or write null to leave the note out",
        )
    return Label(
        encodable(id_),
        name,
        **{key: encodable(text) if isinstance(text, str) else "" for key, text in texts.items()},
    )


def write_labels(file: Path, labels: Iterable[Label]) -> None:
    """Write all labels to the disk before returning; a crash leaves the old or the new file.

    A caller that has read them holds the lock of the labels since then. Raises OSError.
    """
    lines = (json.dumps(asdict(label), ensure_ascii=False) + "\n" for label in labels)
    files.rewrite(file, "".join(lines))


def with_labels(
    loaded: LoadedNotes,
    labels: Mapping[str, Label],
    kinds: Mapping[str, KindSettings] | None = None,
) -> LoadedNotes:
    """Apply labels to notes: each gets the kind of its label, or is skipped if the label leaves it out.

    A label may use any spelling or alias of the `kinds` in the settings. Without these, raises NotesError if
    a label's kind differs from a note's kind only in case or width.
    """
    if not labels:
        return loaded
    if kinds:
        known = known_kinds(kinds)
        labels = {
            id_: replace(label, kind=known.named(label.kind) or label.kind)
            for id_, label in labels.items()
        }
    notes, left_out, used = [], [], set()
    for note in loaded.notes:
        label = labels.get(id_ := content_id(note.text))
        if label is None:
            notes.append(note)
            continue
        used.add(id_)
        if label.kind is None:
            left_out.append(Skipped(note.source, SkipReason.LEFT_OUT))
        else:
            notes.append(replace(note, kind=label.kind, kind_from=LABELS_NAME))
    _check_kinds({note.kind for note in loaded.notes if note.kind is not None}, labels)
    unused = [label for id_, label in labels.items() if id_ not in used]
    warnings = loaded.warnings
    if unused:
        some = ", ".join(label.source or label.id for label in unused[:3])
        more = ", ..." if len(unused) > 3 else ""
        warnings += (
            f"labels.jsonl: {len(unused)} label{'s'[: len(unused) != 1]} about notes that were changed "
            f"or are gone ({some}{more})",
        )
    return replace(
        loaded, notes=tuple(notes), skipped=(*loaded.skipped, *left_out), warnings=warnings
    )


def _check_kinds(kinds: Iterable[str], labels: Mapping[str, Label]) -> None:
    seen = {same_kind(kind): kind for kind in kinds}
    for label in labels.values():
        if label.kind is None:
            continue
        other = seen.setdefault(same_kind(label.kind), label.kind)
        if other != label.kind:
            raise NotesError(
                f'labels.jsonl: the kind "{label.kind}" differs from "{other}" only in case or width',
                "give them one name",
            )
