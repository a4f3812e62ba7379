"""The inventory in words and as a page."""

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from nightschool.cli.inventory_tables import show_inventory
from nightschool.notes.inventory import (
    Auc,
    ExpectedTestSplit,
    Feature,
    Inventory,
    LabelErrors,
    LikelyLabelError,
    StyleShift,
    take_inventory,
)
from nightschool.notes.label_leaks import LabelLeak, LabelLeaks, LeakAccuracy
from nightschool.notes.leak_candidates import LeakForm
from nightschool.notes.note import LoadedNotes, Note, Skipped, SkipReason
from nightschool.notes.style_features import FEATURES, StyleFeature
from nightschool.reports.inventory_page import (
    HASTY_FEATURES,
    TIDY_FEATURES,
    findings,
    render,
    some,
    style_shift_details,
    write,
)

MADE_UP = '<script>alert("x")</script>'


def _inventory(
    *notes: Note,
    tokens: list[int] | None = None,
    near: Sequence[Sequence[int]] | None = None,
    **more: Any,
) -> Inventory:
    loaded = LoadedNotes(notes, (Skipped("x", SkipReason.EMPTY),), (f"{MADE_UP} warns",))
    inventory = take_inventory(
        loaded,
        tokens=tokens,
        limit=100,
        languages=["en"] * len(notes),
        near=near,
    )
    return replace(inventory, **more)


@pytest.fixture
def full() -> Inventory:
    """An inventory in which everything stands out."""
    notes = [Note(f"note {n}", "lesson" if n % 2 else MADE_UP, f"a/{n}.md") for n in range(50)]
    notes += [Note("note 1", "lesson", "copy.md"), Note("note 2", "lesson", "wrong.md")]
    notes += [Note(f"loose {n}", None, f"{n}.md") for n in range(30)]
    suspect = LikelyLabelError(f"{MADE_UP}.md", "lesson", MADE_UP, 0.1, 0.8, f"{MADE_UP} text")
    return _inventory(
        *notes,
        tokens=[*range(10, 10 + 81), 400],
        near=[[5, 7]],
        suspects=LabelErrors(52, 1, (suspect,), "a remark"),
        style_shift=StyleShift(
            52,
            30,
            Auc(0.93, 0.9, 0.95),
            Auc(0.5, 0.4, 0.6),
            (
                Feature(StyleFeature.HEADINGS, 0.12, 0.004),
                Feature(StyleFeature.LINE_LENGTH, 740.4, 9.26),
            ),
            "",
        ),
    )


def test_findings_are_sentences(full: Inventory) -> None:
    assert findings(full) == [
        "The same or nearly the same text has different kinds in 1 group of notes. Choose one kind for each "
        "group.",
        "2 notes are exact copies of others; each text counts once.",
        "2 notes are near-duplicates of one another, in 1 group.",
        "train.max_tokens = 100 cuts 1 % of the notes and loses 6.7 % of all text.",
        "A word-count model fitted on the other notes disagrees with the label of 1 of 52 notes: check those "
        "below.",
        "Style alone distinguishes labelled from unlabelled notes in 93 of 100 pairs; chance gives 50 (AUC "
        "0.93, 95 % interval 0.90 to 0.95): they look like two different sources. Label some of the "
        "unlabelled ones, so that the model learns from what it will sort, or set train.roughen = 0.5.",
    ]
    assert full.style_shift and style_shift_details(full.style_shift) == [
        "lines that are headings 12 % against 1 %",
        "length of a line 740 against 9.3",
        "by words: AUC 0.50, 95 % interval 0.40 to 0.60",
    ]


@pytest.mark.parametrize(
    ("auc", "said"),
    [
        (Auc(0.55, 0.49, 0.6), "cannot be distinguished by style"),
        (Auc(0.65, 0.41, 0.83), "too few notes to tell"),
        (Auc(0.6, 0.55, 0.65), "they look much alike."),
        (Auc(0.7, 0.6, 0.8), "they differ somewhat. Label some"),
        (Auc(0.999, 0.99, 1.0), "in nearly all pairs"),
    ],
)
def test_style_shift_is_described_by_its_size(full: Inventory, auc: Auc, said: str) -> None:
    assert full.style_shift
    assert said in findings(replace(full, style_shift=replace(full.style_shift, style=auc)))[-1]


@pytest.mark.parametrize(
    ("features", "advised"),
    [
        ([(StyleFeature.HEADINGS, 0.3, 0.0), (StyleFeature.CAPITALS, 4, 1)], True),
        ([(StyleFeature.SMALL_STARTS, 0.1, 0.9)], True),
        ([(StyleFeature.HEADINGS, 0.0, 0.3), (StyleFeature.SENTENCE_ENDS, 0.1, 0.9)], False),
        ([(StyleFeature.SMALL_STARTS, 0.9, 0.1)], False),
        ([(StyleFeature.LENGTH, 900, 100)], False),
    ],
)
def test_roughening_is_advised_only_if_the_labelled_notes_are_tidier(
    full: Inventory, features: list[tuple[StyleFeature, float, float]], advised: bool
) -> None:
    assert full.style_shift
    texture = replace(full.style_shift, features=tuple(Feature(*feature) for feature in features))
    said = findings(replace(full, style_shift=texture))[-1]
    assert "Label some of the unlabelled ones" in said and ("train.roughen" in said) == advised


def test_tidy_features_are_measured() -> None:
    assert set(FEATURES) > TIDY_FEATURES | HASTY_FEATURES


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ([], "There are no notes."),
        ([Note("x", None, "1")], "None of 1 note has a kind: put notes into sub-folders"),
        ([Note("x", "a", "1")], "There is only one kind, a: add a second"),
        (
            [Note("x", "a", "1"), Note("y", "b", "2")],
            "Kinds with fewer than 20 notes, which can hardly be measured: a (1)",
        ),
    ],
)
def test_most_serious_finding_comes_first(notes: list[Note], said: str) -> None:
    assert findings(_inventory(*notes))[0].startswith(said)


@pytest.mark.parametrize("kinds", [1, 2])
def test_findings_include_the_warnings_of_prep(kinds: int) -> None:
    notes = [Note(f"{kind} {n}", kind, f"{kind}{n}") for n in range(30) for kind in "ab"[:kinds]]
    kept = ExpectedTestSplit({"a": 6, "b": 6}, 12, ("few test notes: add notes",))
    told = "Few test notes: add notes." in findings(_inventory(*notes, to_measure=kept))
    assert told == (kinds == 2)


def test_notes_with_the_same_text_are_reported() -> None:
    same = _inventory(*(Note("same", "ab"[n % 2], str(n)) for n in range(40)))
    assert findings(same)[1:] == ["All 40 notes have the same text: there is nothing to learn."]


def test_only_the_largest_counts_are_listed() -> None:
    assert (
        some({"en": 1200, "ja": 3, "de": 2, "fr": 2, "it": 1, "es": 1})
        == "en 1,200, ja 3, de 2, fr 2, others 2"
    )
    assert some({}) == ""


class _Page(HTMLParser):
    """The page's text, its tags with nothing left open, and all that it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "line", "rect", "circle"):
            self.open.append(tag)
        self.loads += [str(v) for k, v in attrs if k in ("src", "href", "srcset")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _parsed(inventory: Inventory) -> _Page:
    page = _Page()
    page.feed(render(inventory))
    page.close()
    return page


def test_page_is_well_formed_loads_nothing_and_escapes_everything(full: Inventory) -> None:
    page = _parsed(full)
    assert (page.open, page.loads) == ([], [])
    assert "<script" not in render(full)
    for text in (
        "82 notes: 52 in 2 kinds, 30 unlabelled",
        f"{MADE_UP} text",
        f"{MADE_UP}.md",
        f"{MADE_UP} warns",
        "A remark.",
        "100 tokens (as set)",
        "a/1.md, copy.md",
        "the dashed line is train.max_tokens = 100",
    ):
        assert text in page.text


def test_histogram_has_every_note_and_the_limit(full: Inventory) -> None:
    html = render(full)
    heights = re.findall(
        r'class="(?:un)?labelled" x="[\d.]+" y="[\d.]+" width="54" height="([\d.]+)"', html
    )
    assert len(heights) == 2 * len(full.lengths.histogram)
    [place] = re.findall(r'<line x1="([\d.]+)" y1="-22"', html)
    # 16, 32, 64, 128: 100 lies in the fourth bar, log2(100 / 64) of its width from its left.
    assert float(place) == pytest.approx(60 * (3 + 0.6439), abs=0.01)


@pytest.mark.parametrize("tokens", [None, [1]])
def test_page_of_an_empty_inventory_is_well_formed(tokens: list[int] | None) -> None:
    for inventory in (_inventory(), _inventory(Note("x", None, "1"), tokens=tokens)):
        page = _parsed(inventory)
        assert page.open == [] and "None" not in page.text.replace("None of 1 note", "")


def test_page_is_written_atomically_into_a_new_folder(full: Inventory, tmp_path: Path) -> None:
    file = tmp_path / "学校" / "inventory.html"
    write(full, file)
    assert file.read_text("utf-8") == render(full)
    assert [path.name for path in file.parent.iterdir()] == ["inventory.html"]


def test_remark_keeps_the_case_of_names(full: Inventory) -> None:
    suspects = LabelErrors(0, 0, (), "too few to judge: KPI")
    assert "Too few to judge: KPI." in render(replace(full, suspects=suspects))


def test_label_leaks_come_first_and_are_detailed_on_the_page_and_in_the_terminal() -> None:
    leak = LabelLeak(
        MADE_UP,
        LeakForm.LINE,
        f"Kind: {MADE_UP}",
        9,
        10,
        0,
        12,
        "a.md",
        3,
        "remove_lines",
        "Kind: *",
    )
    leaks = LabelLeaks(22, (leak,) * 12, LeakAccuracy(22, 0.95, 0.6))
    inventory = _inventory(Note("one", "a", "1.md"), Note("two", "b", "2.md"), label_leaks=leaks)
    assert findings(inventory)[0].startswith(f'The notes give their kinds away: "Kind: {MADE_UP}"')
    page = render(inventory)
    assert "What gives kinds away" in page and MADE_UP not in page
    assert page.count("to notes.remove_lines") == 12
    shown = io.StringIO()
    show_inventory(inventory, Console(file=shown, width=80))
    assert "(as in a.md, line 3)" in shown.getvalue()
    assert "... and 2 more (--json lists all)" in shown.getvalue()
    assert inventory.as_dict()["label_leaks"]["leaks"][0]["entry"] == "Kind: *"
