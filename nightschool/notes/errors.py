"""What is wrong with the notes."""


class NotesError(Exception):
    """One line: what is wrong, where, and what to do."""


class NotesGone(NotesError):
    """All notes are out of reach, as on a drive that is not connected; trying again later helps."""
