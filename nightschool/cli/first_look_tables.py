"""What the first look found and proposes, for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nightschool.config.notes_settings import FOLDER, TAGS
from nightschool.config.printable import listed
from nightschool.notes.kind_evidence import KIND_TAGS, KindEvidence
from nightschool.notes.note import LoadedNotes
from nightschool.reports.text.wording import counted
from nightschool.stages.first_look import FirstLook
from nightschool.stages.settings_draft import SettingsDraft

_MOST_SHOWN = 12


def show_found(look: FirstLook, console: Console) -> None:
    """Print the folders, properties and tags of the notes, with the number of notes that have each."""
    seen = look.seen
    sampled = f"; looked at {seen.files_read:,} of {seen.files:,} files" * (
        seen.files_read < seen.files
    )
    skipped = f"; {counted(len(seen.skipped), 'file')} skipped" if seen.skipped else ""
    _line(console, f"found {counted(len(seen.notes), 'note')}{skipped}{sampled}")
    for line in _found(look.evidence):
        _line(console, line)
    for reason in seen.broken.values():
        _line(console, f"cannot be read: {reason}")


def show_draft(
    look: FirstLook, draft: SettingsDraft, result: LoadedNotes, console: Console
) -> None:
    """Print the kinds of a draft with the notes that each gets by it, and what it leaves out."""
    counts = Counter(note.kind for note in result.notes)
    if draft.kinds:
        table = Table("kind", "notes", "named by")
        table.columns[1].justify = "right"
        for kind in draft.kinds:
            table.add_row(*map(Text, (kind, f"{counts[kind]:,}", draft.remarks.get(kind, ""))))
        console.print(table)
        known = {
            name
            for kind in look.proposal.kinds
            if kind.name in draft.kinds
            for name in _folders(kind.found)
        }
        others = [name for name in look.evidence.top_folders if name not in known]
        if others:
            plural = "s" if len(others) > 1 else ""
            _line(console, f"no kinds: the folder{plural} {listed(others, _MOST_SHOWN)}")
    for key in look.columns:
        _line(console, f"notes.{key} = {look.columns[key]}")
    if patterns := draft.notes.get("exclude"):
        _line(console, f"left out (notes.exclude): {listed(patterns, _MOST_SHOWN)}")
    labelled = sum(n for kind, n in counts.items() if kind is not None)
    if draft.kinds:
        left = counts[None]
        rest = f"; {left:,} {'is a note' if left == 1 else 'are notes'} to sort" if left else ""
        _line(console, f"{labelled:,} of {counted(len(result.notes), 'note')} get a kind{rest}")


def _folders(found: Iterable[tuple[str, str, int]]) -> Iterator[str]:
    return (name for source, name, _ in found if source == FOLDER)


def _found(evidence: KindEvidence) -> Iterator[str]:
    if evidence.top_folders:
        yield f"folders: {_counted(evidence.top_folders)}"
    for key in evidence.property_keys():
        yield f"property {key}: {_counted(_counts(evidence, key))}"
    if tags := _counts(evidence, TAGS) + _counts(evidence, KIND_TAGS):
        yield f"tags: {_counted(tags)}"


def _counts(evidence: KindEvidence, source: str) -> Counter[str]:
    names = evidence.names.get(source, {})
    return Counter({name: len(found.notes) for name, found in names.items()})


def _counted(counts: Counter[str]) -> str:
    ordered = sorted(counts, key=lambda name: (-counts[name], name))
    return listed([f"{name} ({counts[name]:,})" for name in ordered], _MOST_SHOWN)


def _line(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)
