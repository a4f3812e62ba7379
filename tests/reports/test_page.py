"""The page is self-contained, escapes every text, and claims nothing that n does not support."""

import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from nightschool.reports.charts.draw import draw
from nightschool.reports.charts.palette import DARK, LIGHT
from nightschool.reports.page import LONGEST_EXCERPT, excerpt, render
from nightschool.reports.report_file import parse
from nightschool.reports.text.verdict import verdict
from nightschool.stats.results import Report
from nightschool.stats.terms import ArmName, Decision

Data = dict[str, Any]

HOSTILE_TEXT = (
    '</blockquote><script src="https://evil.example/x.js"></script>'
    "<img src=http://evil.example/p.png onerror=alert(1)> {{ 7 * 7 }}"
)


class Page(HTMLParser):
    """A parsed page: its tags, their attributes, and the text inside each element."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data: str) -> None:
        words = data.replace("\N{NO-BREAK SPACE}", " ").strip()
        if words and self.tags:
            self.text.append((self.tags[-1], words))

    @property
    def words(self) -> list[str]:
        return [words for tag, words in self.text if tag != "style"]

    def after(self, heading: str) -> list[str]:
        return self.words[self.words.index(heading) + 1 :]


@pytest.fixture(scope="module")
def html(written: Path) -> str:
    return (written / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_page_loads_nothing(html: str, page: Page) -> None:
    loading = [
        value or ""
        for _, name, value in page.attributes
        if name in ("src", "srcset", "href", "data", "poster", "action")
    ]
    assert len(loading) == 12  # six charts, light and dark
    assert all(value.startswith("data:image/png;base64,") for value in loading)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style and "@import" not in style
    assert "default-src 'none'" in html


def test_hostile_text_is_shown_as_text(html: str, page: Page, hostile_kind: str) -> None:
    assert "<script" not in html
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert HOSTILE_TEXT in page.words
    assert hostile_kind in page.words


def test_japanese_text_is_shown_unchanged(html: str) -> None:
    assert "今日は雨。" in html and "買い物" in html
    assert '<meta charset="utf-8">' in html and '<html lang="en">' in html


def test_the_verdict_is_the_headline_and_the_decision_follows(page: Page, report: Report) -> None:
    title, eyebrow, _created, headline, badge, reason = page.words[:6]
    assert title == "Run 3: promote | nightschool report"
    assert eyebrow.startswith("nightschool, run 3")
    assert (headline, badge, reason) == (verdict(report), "Promote", report.reason)


def test_page_has_both_colour_schemes(html: str) -> None:
    dark_screen = "screen and (prefers-color-scheme: dark)"  # paper stays light
    light, dark = html.index(LIGHT.paper), html.index(DARK.paper)
    assert light < html.index(f"@media {dark_screen}") < dark
    assert html.count(f'<source media="{dark_screen}"') == 6


def test_sections_come_in_order(page: Page) -> None:
    headings = [words for tag, words in page.text if tag == "h2"]
    assert headings == [
        "Before and after",
        "The decision",
        "Per kind",
        "Confusions",
        "What changed",
        "Training",
        "Confidence",
        "Test exposures",
        "The night",
        "How to reproduce",
    ]


def test_no_f1_is_claimed_of_a_kind_with_few_notes(
    page: Page, report: Report, thin_kind: str
) -> None:
    assert [value for _, _, value in page.attributes].count("thin") == 1
    for name in (ArmName.BEFORE, ArmName.AFTER):
        assert report.arm(name).per_kind[thin_kind].f1 > 0
    row = page.after("Per kind")
    place = row.index(thin_kind)
    assert row[place : place + 7] == [
        thin_kind, "4", "1 of 4", "5 to 45 %", "2 of 4", "30 to 70 %", "n too small",
    ]  # fmt: skip


def test_a_kind_with_enough_notes_shows_recall_its_interval_and_f1(page: Page) -> None:
    row = page.after("Per kind")
    place = row.index("journal")
    assert row[place : place + 8] == [
        "journal", "16", "69 %", "49 to 89 %", "88 %", "68 to 100 %", "0.65", "0.88",
    ]  # fmt: skip


def test_changes_past_the_eighth_are_folded(page: Page, report: Report) -> None:
    fixed = [change for change in report.changes if change.after == change.kind]
    assert page.after("Fixed")[0] == str(len(fixed))
    assert f"{len(fixed) - 8} more" in page.words
    assert page.after("Broken")[0] == "1"
    before_fold = page.tags[: page.tags.index("details")]
    assert before_fold.count("blockquote") == 8


def test_long_notes_are_cut_to_an_excerpt() -> None:
    assert excerpt("  short \n") == "short"
    cut = excerpt("語" * 1000)
    assert len(cut) == LONGEST_EXCERPT and cut.endswith("語…")


def test_what_it_takes_to_reproduce_is_there(page: Page, report: Report) -> None:
    end = page.after("How to reproduce")
    assert report.base in end
    assert report.dataset.fingerprint in end
    assert report.training.adapter_sha256 in end
    assert report.settings.strip() in end
    assert all(choice.reason in end for choice in report.chosen)
    assert "nightschool 0.1.0, torch 2.9.0, transformers 5.0.1, python 3.11.7" in end


def test_a_run_without_losses_and_changes_still_has_a_page(unlogged: Data, tmp_path: Path) -> None:
    html = render(parse(unlogged), draw(parse(unlogged), tmp_path))
    page = Page(html)
    assert "No answer was fixed." in page.words and "No answer was broken." in page.words
    assert "No loss was recorded." in html
    assert "loss" not in [alt.split()[0] for alt in _alts(page)]


def _page(report: Report, folder: Path) -> Page:
    return Page(render(report, draw(report, folder)))


def _alts(page: Page) -> list[str]:
    return [value or "" for tag, name, value in page.attributes if (tag, name) == ("img", "alt")]


@pytest.fixture(scope="module")
def full(full_report: Report, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return _page(full_report, tmp_path_factory.mktemp("full"))


def test_every_check_is_shown_with_its_question_and_detail(full: Page) -> None:
    words = full.after("The decision")
    assert [words.count(mark) for mark in ("✓ passed", "✗ failed", "? unsettled")] == [4, 1, 2]
    place = words.index("✗ failed")
    assert words[place + 1 : place + 3] == [
        "Is every kind still recognized as often?",
        'of 16 notes "journal", 16 recognized before, 11 after: a drop beyond chance',
    ]
    assert (
        words.index("Compared with before")
        < words.index("Compared with the model in use (run 2)")
        < place
    )


def test_every_arm_has_intervals_and_the_probability_that_after_is_better(full: Page) -> None:
    words = full.after("Arm")
    place = words.index("Word counts (tfidf-lr)")
    assert words[place + 1 : place + 7] == [
        "cheap", "61 %", "48 to 72 %", "0.51", "0.38 to 0.62", "97.3 %",
    ]  # fmt: skip
    place = words.index("After")
    assert words[place + 1 : place + 5] == ["80 %", "68 to 89 %", "0.76", "0.60 to 0.86"]


def test_change_shows_the_confidence_of_each_answer(full: Page, hostile_kind: str) -> None:
    words = full.after("Broken")
    place = words.index("before")
    assert words[place : place + 6] == ["before", "journal", "31 %", "after", hostile_kind, "55 %"]


def test_every_chart_has_its_figures_as_alternative_text(full: Page) -> None:
    accuracy, before, after, loss, sure, risk, night = _alts(full)
    assert "Sentence embeddings 70 % (58 to 81 %)" in accuracy
    assert before.startswith("Before: 25 of 56 notes on the diagonal")
    assert after.startswith("After: 45 of 56 notes on the diagonal")
    assert "validation loss 0.92 at step 40, 0.66 at step 120" in loss
    assert "calibration error 14 %: 58 % confidence 35 % correct of 12" in sure
    assert "After: 25 % answered 1 % wrong" in risk
    assert (
        "computer in use interrupted 41 min" in night and "on battery interrupted 12 min" in night
    )


def test_champion_seeds_none_and_exposures_are_explained(full: Page) -> None:
    assert {"The model in use", "Seeds", "None of the above"} <= set(full.words)
    text = " ".join(full.words)
    assert "Run 2 sorts 73 % of the same test notes correctly" in text
    assert "77 % to 82 % correct, 5 points apart" in text
    assert (
        "evaluated 7 times, for 3 trained models. By chance alone, the best of 3 equally good models"
        in text
    )
    assert "lowers the model's confidence" in text


def test_page_says_why_the_champion_was_not_compared(data: Data, tmp_path: Path) -> None:
    why = "its base model is another one"
    data["champion"] = {"run": 2, "accuracy": None, "paired": None, "why_not": why}
    text = " ".join(_page(parse(data), tmp_path).after("The model in use"))
    assert text.startswith(f"This run was not compared with run 2: {why}.")


def test_sections_without_data_are_left_out(minimal_report: Report, tmp_path: Path) -> None:
    page = _page(minimal_report, tmp_path)
    headings = [words for tag, words in page.text if tag == "h2"]
    assert headings == [
        "Before and after", "Per kind", "Confusions", "What changed", "Training",
        "How to reproduce",
    ]  # fmt: skip
    assert len(_alts(page)) == 3
    assert "None" not in " ".join(page.words)


@pytest.mark.parametrize("decision", ["promote", "keep", "inconclusive"])
def test_each_decision_has_its_badge(data: Data, decision: Decision) -> None:
    data["decision"] = decision
    assert f'class="badge {decision}">{decision.capitalize()}<' in render(parse(data), {})


def test_many_kinds_are_folded_and_their_worst_confusions_listed(
    report_with_kinds: Callable[[Sequence[str]], Report], tmp_path: Path
) -> None:
    page = _page(report_with_kinds([f"intent {place:03d}" for place in range(150)]), tmp_path)
    assert "126 more kinds" in page.words
    words = page.after("Answer")
    assert words[1:4] == ["intent 000", "intent 001", "2"]
    widths = [
        int(value or 0) for tag, name, value in page.attributes if (tag, name) == ("img", "width")
    ]
    assert max(widths) <= 450


def test_every_box_that_scrolls_can_be_reached_by_keyboard_and_has_a_name(html: str) -> None:
    boxes = re.findall(r'<div class="scroll[^>]*>', html)
    assert boxes and all('tabindex="0"' in box and "aria-label=" in box for box in boxes)


def test_tables_scroll_in_their_own_box_on_a_phone(html: str) -> None:
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    tables = re.findall(r'<div class="scroll[^>]*>\s*<table', html)
    assert len(tables) == html.count("<table")
