"""Small vaults as six note programs lay them out, with the kind that each note has."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import nightschool

_TEXTS = Path(nightschool.__file__).parent / "demo/notes"
_TEMPLATE = "\n# {{title}}\n\nWhat happened on {{date}}?\n\nWhat would I do differently?\n"

Vault = dict[str, str | None]
"""The kind of each file that is a note: lesson, decision, knowledge, value or none; None: to be sorted."""


class _Writer:
    """Writes files, and takes texts of each kind that were not taken before."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.vault: Vault = {}
        self._texts = {
            kind.name: iter(sorted(kind.glob("*.md"))) for kind in _TEXTS.iterdir() if kind.is_dir()
        }

    def text(self, kind: str) -> str:
        return next(self._texts[kind]).read_text("utf-8").strip()

    def file(self, name: str, content: str | bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def note(self, name: str, content: str, kind: str | None) -> None:
        self.file(name, content)
        self.vault[name] = kind


def _identifier(name: str) -> str:
    return hashlib.md5(name.encode()).hexdigest()


def _title(kind: str, number: int) -> str:
    """A title that does not tell the kind."""
    return f"Page {_identifier(f'{kind} {number}')[:5]}"


def _kinds(**counts: int) -> Iterator[tuple[str, int]]:
    for kind, count in counts.items():
        for number in range(count):
            yield kind, number


def obsidian(root: Path) -> Vault:
    """Folders by kind, also a Japanese one, beside those of all kinds; a Zettelkasten with tags."""
    w = _Writer(root)
    folders = {
        "decision": "Decisions",
        "knowledge": "Knowledge",
        "lesson": "Lessons",
        "value": "Values",
    }
    for kind, n in _kinds(decision=5, knowledge=6, lesson=5, value=3):
        w.note(f"{folders[kind]}/{_title(kind, n)}.md", w.text(kind), kind)
    for n in range(3):
        w.note(f"教訓/失敗 {n}.md", w.text("lesson"), "lesson")
        w.note(f"Misc/thing {n}.md", w.text("none"), "none")
        w.note(f"Inbox/Untitled {n}.md", w.text("none"), None)
        w.note(f"Daily/2026-11-0{n + 1}.md", f"- [ ] call the dentist {n}\n- walked #home", None)
    for n, kind in enumerate(("lesson", "decision", "lesson", "knowledge")):
        title = f"2026110112{n}0 Zettel {n}"
        w.note(f"Zettelkasten/{title}.md", f"#{kind} #home\n\n{w.text(kind)}\n\n[[Home]]", kind)
    w.note("Zettelkasten/202611011300 Offen.md", w.text("none"), None)
    w.note("Projects/Garden/Beds.md", f"---\nkind: lesson\n---\n{w.text('lesson')}", "lesson")
    w.note("Projects/Garden/Plan.md", "---\ntype: project\n---\nDig, sow, water, wait.", None)
    w.note("Projects/Kitchen/Lamp.md", w.text("none"), None)
    w.note("Archive/Lessons/Old.md", w.text("lesson"), "lesson")
    w.note("Home.md", "# Home\n\n[[Lessons]] [[Decisions]]\n\nWhere everything begins.", None)
    w.file("Templates/Lesson.md", "---\nkind: lesson\n---" + _TEMPLATE)
    w.file("Attachments/lamp.png", b"\x89PNG\r\n\x1a\n\0\0")
    w.file("Board.canvas", '{"nodes":[],"edges":[]}')
    w.file(".obsidian/app.json", "{}")
    return w.vault


def logseq(root: Path) -> Vault:
    """A graph: page properties with links, tags in the blocks of journals."""
    w = _Writer(root)
    written = {"lesson": "[[Lesson]]", "decision": "[[Decision]]", "knowledge": "[[Knowledge]]"}
    for kind, n in _kinds(lesson=7, decision=6, knowledge=7):
        blocks = "\n".join(f"- {line}" for line in w.text(kind).split("\n") if line.strip())
        name = f"pages/{'ops___' * (n == 1)}{_title(kind, n)}.md"
        w.note(name, f"type:: {written[kind]}\ntags:: [[home]]\n\n{blocks}", kind)
    for n in range(5):
        w.note(f"journals/2026_11_0{n + 1}.md", f"- got up at {n + 5}\n- TODO buy lamp {n}", None)
    w.note("journals/2026_11_09.md", f"- {w.text('lesson')} #lesson", "lesson")
    w.note("pages/contents.md", "- [[Lesson]]\n- what I read and wrote", None)
    w.file("logseq/config.edn", "{:meta/version 1}")
    w.file("logseq/bak/pages/lesson 1/2026-11-01.md", "type:: [[Lesson]]\n\n- an older version")
    w.file("assets/lamp.png", b"\x89PNG\r\n\x1a\n\0\0")
    return w.vault


def notion(root: Path) -> Vault:
    """An export: a database whose pages have a select property, its CSV files, and other pages."""
    w = _Writer(root)
    top = f"Export-{_identifier('export')[:8]}"
    base = f"{top}/Notes {_identifier('db')}"
    written = {
        "lesson": "Lesson",
        "decision": "Decision",
        "knowledge": "Knowledge",
        "none": "Other",
    }
    rows = ["Name,Category,Created,Tags"]
    for kind, n in _kinds(lesson=7, decision=7, knowledge=7, none=4):
        title = _title(kind, n)
        properties = (
            f"Created: November {n + 1}, 2026 9:00 AM\nCategory: {written[kind]}\nTags: home, work"
        )
        w.note(
            f"{base}/{title} {_identifier(title)}.md",
            f"# {title}\n\n{properties}\n\n{w.text(kind)}",
            kind,
        )
        rows.append(f'{title},{written[kind]},"November {n + 1}, 2026 9:00 AM","home, work"')
    for n in range(3):
        title = f"loose {n}"
        w.note(f"{top}/{title} {_identifier(title)}.md", f"# Loose {n}\n\n{w.text('none')}", None)
    w.file(f"{base}.csv", "\ufeff" + "\n".join(rows))
    w.file(f"{base}_all.csv", "\ufeff" + "\n".join(rows))
    return w.vault


def joplin(root: Path) -> Vault:
    """A RAW export: notebooks, notes, tags and links between them, each a file named by its identifier."""
    w = _Writer(root)

    def item(name: str, text: str, type_: int, **properties: str) -> tuple[str, str]:
        identifier = _identifier(name)
        lines = [f"id: {identifier}", *(f"{key}: {value}" for key, value in properties.items())]
        return f"{identifier}.md", "\n".join(
            [*([text, ""] if text else []), *lines, "encryption_applied: 0", f"type_: {type_}"]
        )

    notebooks = {
        "lesson": "Lessons",
        "decision": "Decisions",
        "knowledge": "Knowledge",
        "": "Inbox",
    }
    for title in notebooks.values():
        w.file(*item(title, title, 2, parent_id=""))
    w.file(*item("home", "home", 5))
    w.file(*item("tag decision", "decision", 5))
    for kind, n in _kinds(lesson=8, decision=7, knowledge=8):
        name = _title(kind, n)
        text = f"{name}\n\n{w.text(kind)}"
        w.note(*item(name, text, 1, parent_id=_identifier(notebooks[kind]), is_todo="0"), kind)
        w.file(*item(f"link {name}", "", 6, note_id=_identifier(name), tag_id=_identifier("home")))
    for n in range(5):
        name = f"inbox {n}"
        tagged_as = "decision" if n == 4 else None
        text = f"{name}\n\n{w.text(tagged_as or 'none')}"
        w.note(*item(name, text, 1, parent_id=_identifier("Inbox"), is_todo="0"), tagged_as)
    link = {"note_id": _identifier("inbox 4"), "tag_id": _identifier("tag decision")}
    w.file(*item("link decision", "", 6, **link))
    w.file(*item("lamp", "lamp.png", 4, mime="image/png"))
    w.file(f"resources/{_identifier('lamp')}.png", b"\x89PNG\r\n\x1a\n\0\0")
    return w.vault


def bear(root: Path) -> Vault:
    """An export: one folder, kinds and topics as tags, also of two words and below others."""
    w = _Writer(root)
    written = {
        "lesson": "#lesson",
        "decision": "#design decision#",
        "knowledge": "#knowledge/howto",
    }
    for kind, n in _kinds(lesson=8, decision=8, knowledge=8):
        topic = ("#home", "#work/ops", "#garden")[n % 3]
        w.note(
            f"{_title(kind, n)}.md",
            f"# {_title(kind, n)}\n{written[kind]} {topic}\n\n{w.text(kind)}",
            kind,
        )
    for n, topic in enumerate(("#home", "#garden", "#work/ops", "#home")):
        w.note(f"Thought {n}.md", f"# Thought {n}\n{topic}\n\n{w.text('none')}", None)
    w.file(f"{_title('lesson', 1)}/lamp.png", b"\x89PNG\r\n\x1a\n\0\0")
    return w.vault


def org(root: Path) -> Vault:
    """A folder of org-roam: identifiers in the names and in drawers, file tags, dailies."""
    w = _Writer(root)
    for kind, n in _kinds(lesson=8, decision=8, knowledge=8):
        drawer = f":PROPERTIES:\n:ID:       {_identifier(kind + str(n))}\n:END:\n"
        tags = f":{kind}:home:" if n % 2 else f":{kind}:"
        head = f"#+title: {_title(kind, n)}\n#+filetags: {tags}\n\n"
        w.note(f"202611011200{n:02}-{_title(kind, n)}.org", f"{drawer}{head}{w.text(kind)}", kind)
    for n in range(4):
        head = f"#+title: 2026-11-0{n + 1}\n\n"
        w.note(f"daily/2026-11-0{n + 1}.org", f"{head}* 09:00 call the dentist {n}\n", None)
    w.note("inbox.org", "#+title: Inbox\n\n* TODO buy a lamp\n* TODO write to Ada\n", None)
    w.file("templates/lesson.org", "#+title: ${title}\n#+filetags: :lesson:\n\n* What happened\n")
    return w.vault


VAULTS: dict[str, Callable[[Path], Vault]] = {
    "Obsidian": obsidian, "Logseq": logseq, "Notion": notion, "Joplin": joplin, "Bear": bear, "org": org,
}  # fmt: skip
