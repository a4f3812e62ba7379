"""A vault of each program, from the first look to the dataset, without an edit by hand."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightschool.config.kind_settings import KindSettings
from nightschool.config.notes_settings import NotesSettings
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.config.settings_edit import with_additions
from nightschool.config.settings_file import load
from nightschool.config.settings_template import template
from nightschool.notes.exclusion import Exclusion
from nightschool.notes.first_reading import NotesSeen
from nightschool.notes.folder_scan import NoteFile, scan
from nightschool.notes.kind_evidence import evidence_of
from nightschool.notes.kind_proposal import propose_kinds
from nightschool.notes.kind_resolution import KindCandidates, Unresolved
from nightschool.notes.kind_stems import kind_stem
from nightschool.notes.kinds import kind_name
from nightschool.notes.metadata.properties import Property
from nightschool.notes.note import Note, Skipped
from nightschool.notes.notes_places import notes_places
from nightschool.notes.readers import read_school
from nightschool.notes.tags import Tag
from nightschool.stages.first_look import FirstLook, look
from nightschool.stages.freeze_notes import read_and_freeze
from nightschool.stages.settings_draft import additions, draft
from tests.cli.conftest import invoke
from tests.notes.vaults import VAULTS


def labels_left(note: Note, kinds: Mapping[str, KindSettings]) -> list[str]:
    """What in a note's text still names a kind as a tag, a property or a link would."""
    names = "|".join(re.escape(n) for kind, each in kinds.items() for n in (kind, *each.aliases))
    mark = rf"(?i)#(?:\[\[)?(?:{names})\b|^\W*(?:kind|type|category|tags|filetags)\W*:.*\b(?:{names})\b"
    return [match[0] for match in re.finditer(mark, note.text, re.MULTILINE)]


@pytest.mark.parametrize("program", VAULTS)
def test_a_vault_needs_no_edit_between_init_and_prep(tmp_path: Path, program: str) -> None:
    truth = VAULTS[program](tmp_path / "my ノート")
    school = School(tmp_path / "学校 1")
    done = invoke(school, "init", "--notes", str(tmp_path / "my ノート"), "--preset", "cpu-demo")
    assert done.exit_code == 0, done.output
    values = load(school.settings_file)
    loaded = read_school(school.root, values)
    found = {note.source: note.kind and kind_stem(note.kind) for note in loaded.notes}
    assert found == truth
    assert [labels_left(note, values.kinds) for note in loaded.notes if note.kind] == [[]] * (
        len(truth) - list(truth.values()).count(None)
    )
    _, dataset = read_and_freeze(school, values)
    assert len(dataset.kinds) == len(values.kinds) >= 3
    assert not [warning for warning in loaded.warnings if "kind" in warning]


def write(root: Path, notes: Mapping[str, str]) -> Path:
    for name, text in notes.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return root


def proposed(root: Path) -> dict[str, tuple[str, ...]]:
    """The proposed kinds with their aliases."""
    return {kind.name: kind.aliases for kind in look(root, NotesSettings()).proposal.kinds}


def several(folder: str, text: str, n: int = 4) -> dict[str, str]:
    return {f"{folder}/{number}.md": f"{text} ({number} of {n})" for number in range(n)}


def test_a_folder_of_templates_under_a_number_is_left_out(tmp_path: Path) -> None:
    notes = several("10 Lessons", "It broke.") | several("20 Ideas", "What if?")
    notes |= several("Old [x]/99 Templates", "---\nkind: recipe\n---\nPour.")
    found = look(write(tmp_path, notes), NotesSettings())
    assert found.exclude == ("/Old \\[x\\]/99 Templates/",)
    proposal = draft(found)
    assert {name: each.aliases for name, each in proposal.kinds.items()} == {
        "Ideas": ["20 Ideas"], "Lessons": ["10 Lessons"],
    }  # fmt: skip
    result = found.labelled(proposal.applied(NotesSettings()), proposal.kinds)
    assert {note.kind for note in result.notes} == {"Ideas", "Lessons"} and len(result.notes) == 8


def test_a_table_among_the_notes_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    notes = several("Lessons", "It broke.") | several("Ideas", "What if?")
    notes |= {
        "data/costs.csv": "text,label\none,a\ntwo, too,a\n",
        "data/log.csv": "text,day\nx,1\n",
    }
    found = look(write(tmp_path, notes), NotesSettings())
    assert found.exclude == ("/data/costs.csv",)
    assert sorted(kind.name for kind in found.proposal.kinds) == ["Ideas", "Lessons"]


def test_a_file_that_vanishes_between_scan_and_reading_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(tmp_path, several("Lessons", "It broke.") | several("Ideas", "What if?"))

    def then_gone(folder: str, exclusion: Exclusion) -> list[NoteFile | Skipped]:
        found = list(scan(folder, exclusion))
        (root / "Lessons/0.md").unlink()
        return found

    monkeypatch.setattr("nightschool.notes.notes_places.scan", then_gone)
    found = look(root, NotesSettings())
    assert len(found.seen.notes) == 7 and [each.source for each in found.seen.skipped] == [
        "Lessons/0.md"
    ]


def test_of_very_many_files_some_are_read_at_even_distances(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(tmp_path, several("Lessons", "It broke.", 20) | several("Ideas", "What if?", 20))
    monkeypatch.setattr("nightschool.stages.first_look.MOST_FILES", 10)
    found = look(root, NotesSettings())
    assert (found.seen.files, found.seen.files_read) == (40, 10)
    assert sorted(kind.name for kind in found.proposal.kinds) == ["Ideas", "Lessons"]


def test_the_school_of_an_old_init_gets_only_what_it_lacks(tmp_path: Path) -> None:
    school = School(tmp_path)
    write(tmp_path / "notes", several("Lessons", "It broke.") | several("決定", "We chose."))
    school.settings_file.write_text(
        'base = "demo"\n[kinds]  # mine\nlesson = "learned"  # keep\ndecision = ""\nvalue = ""\n',
        "utf-8",
    )
    from nightschool.config.trusted_schools import trust

    trust(school)
    done = invoke(school, "init", "--update")
    assert done.exit_code == 0, done.output
    text = school.settings_file.read_text("utf-8")
    assert "[kinds]  # mine" in text and "# keep" in text
    kinds = load(school.settings_file).kinds
    assert kinds["lesson"] == KindSettings(meaning="learned", aliases=["Lessons"])
    assert kinds["decision"].aliases == ["決定"] and "value" in kinds
    assert [
        place.path.is_dir() for place in notes_places(school.root, load(school.settings_file).notes)
    ]
    assert "nothing to add" in invoke(school, "init", "--update").output
    assert school.settings_file.read_text("utf-8") == text


ODD_NAMES = (
    "lesson", "Lessons", "教訓", "work/lesson", "kind/x", "10 Ideas", "none", "Misc", "-", "#", '"', "a, b",
    "all", "\x7f",
)  # fmt: skip
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(ODD_NAMES)


@given(
    st.lists(st.tuples(NAMES, NAMES, NAMES), max_size=40),
    st.dictionaries(st.sampled_from(["lesson", "idea", "学び"]), st.just(""), max_size=2),
)
@settings(max_examples=15)
def test_whatever_the_names_are_the_proposal_can_be_written_and_read(
    tmp_path_factory: pytest.TempPathFactory,
    found: list[tuple[str, str, str]],
    listed: dict[str, str],
) -> None:
    notes = []
    for number, (folder, tag, value) in enumerate(found):
        properties = (Property("kind" if number % 2 else "type", (value,), 1),)
        folders = tuple(filter(None, (kind_name(folder),)))
        candidates = KindCandidates(properties, folders, text_tags=(Tag(tag, 0, 0),))
        notes.append(Unresolved(Note("text", None, f"{number}.md"), candidates))
    evidence = evidence_of(notes)
    seen = NotesSeen(tuple(notes), (), {}, len(notes), len(notes))
    first = FirstLook(seen, evidence, propose_kinds(evidence), (), {})
    proposal = draft(first)
    first.labelled(proposal.applied(NotesSettings()), proposal.kinds)
    values = {"kinds": {name: each.model_dump() for name, each in proposal.kinds.items()}}
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_text(template({**values, "notes": proposal.notes}, proposal.remarks), "utf-8")
    assert load(file).kinds == proposal.kinds
    old = template({"kinds": listed})
    added = additions(first, Settings.model_validate({"kinds": listed}))
    text = with_additions(old, "any.toml", added.kinds, added.remarks, added.notes)
    file.write_text(text, "utf-8")
    assert set(load(file).kinds) == (set(listed) or set(proposal.kinds))


def test_thousands_of_names_take_no_time() -> None:
    notes = [
        Unresolved(
            Note("text", None, f"{number}.md"),
            KindCandidates(
                (
                    Property("kind", (f"kind {number % 1500}",), 1),
                    Property("x", (f"v{number}",), 1),
                ),
                (f"folder {number % 700}", f"below {number % 900}"),
                text_tags=tuple(Tag(f"tag{number % divisor}", 0, 0) for divisor in (900, 1100)),
            ),
        )
        for number in range(3000)
    ]
    begin = time.process_time()
    assert len(propose_kinds(evidence_of(notes)).kinds) <= 20
    assert time.process_time() - begin < 3
