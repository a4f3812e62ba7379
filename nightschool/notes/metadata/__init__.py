"""Metadata of notes in the syntaxes of note programs: what it says, and the text without it."""
