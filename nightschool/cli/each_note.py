"""`notes --each`: every note as a model would get it, then everything that was skipped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from rich.cells import cell_len

from nightschool.config.printable import one_line, printable, without_controls
from nightschool.notes.note import LoadedNotes

_EXCERPT = 60  # characters
_WIDEST = 40  # terminal cells that a column may be padded to


def note_lines(loaded: LoadedNotes) -> Iterator[str]:
    """A line for each note (file, kind, what named the kind, how its text begins), then the skipped files."""
    rows = [(note.source, note.kind or "-", note.kind_from or "-") for note in loaded.notes]
    widths = [
        min(_WIDEST, max((cell_len(row[column]) for row in rows), default=0)) for column in range(3)
    ]
    for row, note in zip(rows, loaded.notes, strict=True):
        columns = (
            text + " " * (width - cell_len(text)) for text, width in zip(row, widths, strict=True)
        )
        excerpt = one_line(note.text[: 4 * _EXCERPT])[:_EXCERPT]
        yield _shown("  ".join((*columns, excerpt)))
    for skipped in loaded.skipped:
        yield _shown(f"{skipped.source}  skipped: {skipped.message}")


def _shown(line: str) -> str:
    return printable(without_controls(line))


def note_objects(loaded: LoadedNotes) -> Iterator[dict[str, object]]:
    """An object for each note, then one for each skipped file, row or section.

    A warning about a whole file is with the first of its notes, or with the file if it was skipped.
    """
    warnings: dict[str, list[str]] = defaultdict(list)
    for each in loaded.troubles:
        warnings[each.source].append(str(each.trouble))
    for note in loaded.notes:
        own = warnings.pop(note.source, [])
        if note.file != note.source:
            own = [*warnings.pop(note.file, []), *own]
        yield {
            "source": note.source,
            "kind": note.kind,
            "kind_from": note.kind_from or None,
            "text": note.text.strip(),
            "warnings": own,
        }
    for skipped in loaded.skipped:
        found = {"source": skipped.source, "skipped": skipped.message}
        own = warnings.pop(skipped.source, [])
        yield {**found, "warnings": own} if own else {**found}
