"""How many notes can be read: they are in memory, and a laptop has little more than what these take."""

from __future__ import annotations

from nightschool.config.errors import NotesError

MOST_NOTES = 1_000_000
"""With what is skipped."""
MOST_CHARACTERS = 200_000_000


def check_size(notes: int, characters: int, place: str) -> None:
    """Raise NotesError if `notes`, read and skipped, or their `characters` are too many; `place` was last."""
    if notes > MOST_NOTES:
        what = f"{MOST_NOTES:,} notes, skipped ones included"
    elif characters > MOST_CHARACTERS:
        what = f"{MOST_CHARACTERS:,} characters in all notes"
    else:
        return
    raise NotesError(f"{place}: more than {what}", "leave some out: notes.exclude")
