"""The inventory of a school."""

import shutil

import pytest

from nightschool.config.errors import NotesError
from nightschool.config.kind_settings import KindSettings
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.config.settings_file import load
from nightschool.notes.inventory import ExpectedTestSplit
from nightschool.notes.new_notes import NewNotes
from nightschool.notes.splits import Split
from nightschool.reports.inventory_page import findings
from nightschool.stages.freeze_notes import read_and_freeze
from nightschool.stages.survey import survey
from tests.conftest import MakeSchool, write_notes
from tests.prepared import prepare


def _settings(school: School, **notes: object) -> Settings:
    settings = load(school.settings_file)
    return settings.model_copy(update={"notes": settings.notes.model_copy(update=notes)})


def test_the_inventory_has_all_parts_and_progress_is_reported(make_school: MakeSchool) -> None:
    school = make_school()
    for number in range(25):
        text = f"loose thought number {number}: what about {number * 7} lamps"
        (school.root / f"notes/{number}.md").write_text(text, encoding="utf-8")
    tasks: list[str] = []
    inventory = survey(school, _settings(school), lambda task, done, total: tasks.append(task))
    assert (inventory.total, inventory.unlabelled) == (61, 25)
    assert (inventory.lengths.unit, inventory.lengths.limit) == ("tokens", 320)
    assert inventory.suspects and inventory.suspects.judged == 36
    assert inventory.style_shift and inventory.style_shift.style
    assert list(dict.fromkeys(tasks)) == [
        "reading", "counting tokens", "detecting languages", "comparing notes",
        "looking for wrong labels", "looking for label leaks",
        "comparing labelled with unlabelled notes",
    ]  # fmt: skip


@pytest.mark.parametrize("base", ["nobody/nothing", "./gone"])
def test_without_the_base_model_lengths_are_in_characters(
    make_school: MakeSchool, base: str
) -> None:
    school = make_school(base=base)
    inventory = survey(school, _settings(school))
    assert inventory.lengths.unit == "characters"
    assert base in inventory.lengths.fallback_reason


def test_near_duplicates_are_searched_among_distinct_contents(
    make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = make_school(each=0)
    for name, text in (
        ("a/1.md", "one"),
        ("a/2.md", "ONE"),
        ("b/3.md", "two"),
        ("c/4.md", "one more"),
    ):
        file = school.root / "notes" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    asked: list[list[str]] = []

    def near_duplicates(texts: list[str]) -> list[list[int]]:
        asked.append(list(texts))
        return [[0, 2]]

    monkeypatch.setattr("nightschool.stages.survey.near_duplicates", near_duplicates)
    inventory = survey(school, _settings(school))
    assert asked == [["one", "two", "one more"]]
    assert inventory.duplicates == (("a/1.md", "a/2.md"),)
    assert inventory.near_duplicates == (("a/1.md", "c/4.md"),)
    assert inventory.contradictions == (("a/1.md (a)", "c/4.md (c)", "a/2.md (a)"),)


def test_notes_that_are_all_copies_are_not_an_error(make_school: MakeSchool) -> None:
    school = make_school(each=0)
    for number in range(60):
        folder = school.root / "notes" / ("a", "b", "")[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.md").write_text("the same", encoding="utf-8")
    inventory = survey(school, _settings(school))
    assert [len(group) for group in inventory.duplicates] == [60]
    assert len(inventory.contradictions) == 1
    assert inventory.suspects and not inventory.suspects.judged
    assert inventory.style_shift and inventory.style_shift.style is None


def test_sections_of_one_file_are_judged_together(make_school: MakeSchool) -> None:
    school = make_school(each=0)
    sections = "".join(f"## {n}\nbuy item {n} #none\n" for n in range(8))
    notes = school.root / "notes"
    notes.mkdir()
    (notes / "list.md").write_text(sections, encoding="utf-8")
    write_notes(notes / "sub")
    settings = _settings(school, split="headings", kind_from=["tags"])
    settings = settings.model_copy(update={"kinds": {"none": KindSettings()}})
    inventory = survey(school, settings)
    assert inventory.kinds["none"].n == 8
    assert inventory.suspects and inventory.suspects.judged == 0


@pytest.mark.parametrize(("same_source", "judged"), [(True, 0), (False, 16)])
def test_rows_of_one_source_are_judged_together(
    make_school: MakeSchool, same_source: bool, judged: int
) -> None:
    """As prep groups them: a model that saw the source would confirm the kinds of its rows."""
    school = make_school(each=0)
    rows = [
        f"{kind} thing number {n * 7919:x},{kind},book {n % 4} of {kind}"
        for kind in ("food", "bike")
        for n in range(8)
    ]
    (school.root / "rows.csv").write_text("\n".join(["text,label,book", *rows]), encoding="utf-8")
    settings = _settings(school, folder="rows.csv", group_column="book")
    split = settings.split.model_copy(update={"same_source": same_source})
    found = survey(school, settings.model_copy(update={"split": split})).suspects
    assert found and found.judged == judged


def test_the_expected_test_split_is_that_of_prep(make_school: MakeSchool) -> None:
    """Kinds with sections of few files: whole files share a split."""
    school = make_school(each=0)
    for number in range(8):
        file = school.root / f"notes/{'ab'[number % 2]}/diary {number}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        days = (f"## Day {day}\n{number * 7919:x} was day {day * 7919:x}\n" for day in range(10))
        file.write_text("".join(days), encoding="utf-8")
    settings = _settings(school, split="headings")
    found = survey(school, settings)
    test = read_and_freeze(school, settings)[1].of(Split.TEST)
    kept = found.to_measure
    assert kept and (kept.kinds, kept.groups) == ({"a": 10, "b": 10}, 2)
    assert kept.warnings and findings(found)[0].lower().startswith(kept.warnings[0].lower())
    assert (len(test), len({item.group for item in test})) == (20, 2)


def test_notes_without_a_possible_test_split_are_a_problem(make_school: MakeSchool) -> None:
    school = make_school(each=0)
    texts = {
        "a": "The meeting of the week was held at ten in room {}.",
        "b": "Bread {}, flour, yeast and salt: knead, rest, bake, and let it cool.",
    }
    for kind, text in texts.items():
        for number in range(20):
            file = school.root / f"notes/{kind}/{number}.md"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.format(number), encoding="utf-8")
    settings = _settings(school)
    with pytest.raises(NotesError, match="there are no test notes") as refused:
        read_and_freeze(school, settings)
    found = survey(school, settings)
    assert found.to_measure == ExpectedTestSplit({}, 0, (), str(refused.value))
    assert f"No run is possible: {refused.value}." in findings(found)


@pytest.mark.parametrize("folder", ["gone", "empty"])
def test_a_missing_folder_is_an_error_and_an_empty_one_is_not(
    make_school: MakeSchool, folder: str
) -> None:
    school = make_school(each=0)
    (school.root / "empty").mkdir()
    if folder == "empty":
        assert survey(school, _settings(school, folder=folder)).total == 0
    else:
        with pytest.raises(NotesError, match="there are no notes at"):
            survey(school, _settings(school, folder=folder))


def test_new_notes_since_the_newest_run_are_counted(make_school: MakeSchool) -> None:
    school = make_school()
    assert survey(school, _settings(school)).news is None
    assert not school.ledger_file.exists()
    prepare(school)
    (school.root / "notes/lesson/new.md").write_text("Water the seedlings first.", "utf-8")
    inventory = survey(school, _settings(school))
    assert inventory.news == NewNotes(run=1, before=36, now=37, new=1, grown=())
    assert findings(inventory)[-1] == (
        "1 new labelled note since run 1: `nightschool run --tonight` trains on them, too."
    )
    shutil.rmtree(school.datasets)
    assert survey(school, _settings(school)).news is None
    for file in school.state.glob("ledger.db*"):
        file.unlink()
    school.ledger_file.write_bytes(b"no database" * 99)
    inventory = survey(school, _settings(school))
    assert inventory.news is None and "ledger.db is damaged" in " ".join(inventory.warnings)
