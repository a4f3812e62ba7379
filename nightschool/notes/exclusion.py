"""Which paths below the notes folder are left out, by patterns as in a .gitignore file."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pathspec import GitIgnoreSpec

# What note programs, synchronisation and build tools keep beside the notes. A pattern with "!" in
# notes.exclude brings a path back.
DEFAULT_PATTERNS = (
    "[Tt]emplate/", "[Tt]emplates/", "_[Tt]emplates/", "TEMPLATES/", "テンプレート/",  # of notes
    "[Aa]ttachments/", "_resources/", "**/logseq/bak/", "**/logseq/version-files/",
    "**/logseq/.recycle/", "node_modules/", "__MACOSX/",
    "*.sync-conflict-*", "*[Cc]onflicted copy*", "*[Cc]ase [Cc]onflict*", "*競合コピー*",
    "*_conflict-[0-9]*", "*_Conflict.*",  # of Syncthing, Dropbox, Obsidian, ownCloud and Synology
    "*.excalidraw.md", "*.tldraw.md",
)  # fmt: skip


class Exclusion:
    """The patterns of a school: a path is read if `include` matches it, or is empty, and none excludes it."""

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        """`exclude` adds to `DEFAULT_PATTERNS`; of several patterns that match, the last one counts."""
        self._include = GitIgnoreSpec.from_lines(include) if include else None
        self._exclude = GitIgnoreSpec.from_lines([*DEFAULT_PATTERNS, *exclude])
        # Almost no file matches any: one expression tells, ten times as fast as one for each pattern.
        patterns = [each.regex.pattern for each in self._exclude.patterns if each.regex]
        self._any = re.compile("|".join(re.sub(r"\?P<\w+>", "", each) for each in patterns))

    def pattern(self, source: str, *, folder: bool = False) -> str:
        """The pattern that excludes a path (with `/`), or "notes.include"; "" if the path is read."""
        path = f"{source}/" if folder else source
        if self._any.match(path):
            found = self._exclude.check_file(path)
            if found.include and found.index is not None:
                return str(self._exclude.patterns[found.index].pattern)
        if not folder and self._include is not None and not self._include.match_file(source):
            return "notes.include"
        return ""
