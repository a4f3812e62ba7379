"""Which tags, or values of a property, are kinds: a note has at most one kind, and any number of topics."""

from __future__ import annotations

from collections.abc import Collection, Mapping

# Of a tag's notes, those that may have another kind's tag, too.
_MAX_SHARED = 0.1
_MAX_STARTS = 12


def exclusive_tags(
    tags: Mapping[str, set[int]], least: int, sure: Collection[str] = ()
) -> list[str]:
    """Tags of which hardly a note has two, and that together cover the most notes; the most frequent first.

    `tags` holds the notes of each, `least` is the fewest of a kind. Those that are `sure` come first.
    """
    frequent = [tag for tag in tags if len(tags[tag]) >= least]
    frequent.sort(key=lambda tag: (-len(tags[tag]), tag))
    known = [tag for tag in frequent if tag in sure]
    if len(known) >= 2:
        return _grown(known, frequent, tags)
    sets = [_grown([start, *known], frequent, tags) for start in frequent[:_MAX_STARTS]]
    return max(sets, key=lambda chosen: len(set().union(*(tags[t] for t in chosen))), default=[])


def _grown(start: list[str], tags: list[str], notes: Mapping[str, set[int]]) -> list[str]:
    """A set of tags, and every other tag that shares hardly a note with them."""
    chosen = list(dict.fromkeys(start))
    covered = set().union(*(notes[tag] for tag in chosen))
    for tag in tags:
        if tag not in chosen and len(notes[tag] & covered) <= _MAX_SHARED * len(notes[tag]):
            chosen.append(tag)
            covered |= notes[tag]
    return sorted(chosen, key=lambda tag: (-len(notes[tag]), tag))
