"""What is wrong with the notes."""


class NotesError(Exception):
    """One line: what is wrong, where, and what to do."""
