"""The page is whole in itself, trusts no text, and claims nothing that n does not carry."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from reports_example import HOSTILE_KIND, HOSTILE_TEXT, THIN_KIND

from nightschool.reports.charts import draw
from nightschool.reports.contract import Report, arm_of
from nightschool.reports.page import LONGEST_EXCERPT, excerpt, render
from nightschool.reports.palette import DARK, LIGHT
from nightschool.reports.verdict import verdict


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


def test_nothing_is_loaded_from_elsewhere(html: str, page: Page) -> None:
    loading = [
        value or ""
        for _, name, value in page.attributes
        if name in ("src", "srcset", "href", "data", "poster", "action")
    ]
    assert len(loading) == 6  # three charts, light and dark
    assert all(value.startswith("data:image/png;base64,") for value in loading)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style and "@import" not in style
    assert "default-src 'none'" in html


def test_hostile_text_is_shown_as_text(html: str, page: Page) -> None:
    assert "<script" not in html
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert HOSTILE_TEXT in page.words
    assert HOSTILE_KIND in page.words


def test_japanese_text_is_shown_as_it_is(html: str) -> None:
    assert "今日は雨。" in html and "買い物" in html
    assert '<meta charset="utf-8">' in html and '<html lang="en">' in html


def test_the_verdict_is_the_headline_and_the_decision_follows(page: Page, report: Report) -> None:
    title, eyebrow, _created, headline, badge, reason = page.words[:6]
    assert title == "Run 3: promote | nightschool report"
    assert eyebrow.startswith("nightschool, run 3")
    assert (headline, badge, reason) == (verdict(report), "Promote", report["reason"])


def test_both_colour_schemes_are_there(html: str) -> None:
    light, dark = html.index(LIGHT.paper), html.index(DARK.paper)
    assert light < html.index("@media (prefers-color-scheme: dark)") < dark
    assert html.count('<source media="(prefers-color-scheme: dark)"') == 3


def test_sections_come_in_order(page: Page) -> None:
    headings = [words for tag, words in page.text if tag == "h2"]
    assert headings == [
        "Before and after",
        "Per kind",
        "What is taken for what",
        "What changed",
        "Training",
        "The night",
        "How to reproduce",
    ]


def test_no_f1_is_claimed_of_a_kind_with_few_notes(page: Page, report: Report) -> None:
    assert [value for _, _, value in page.attributes].count("thin") == 1
    for name in ("before", "after"):
        assert arm_of(report, name)["per_kind"][THIN_KIND]["f1"] > 0
    row = page.after("Per kind")
    place = row.index(THIN_KIND)
    assert row[place : place + 5] == [THIN_KIND, "4", "1 of 4", "2 of 4", "n too small"]


def test_a_kind_with_enough_notes_shows_recall_and_f1(page: Page) -> None:
    row = page.after("Per kind")
    place = row.index("journal")
    assert row[place : place + 6] == ["journal", "16", "69 %", "88 %", "0.65", "0.88"]


def test_changes_past_the_eighth_are_folded(page: Page, report: Report) -> None:
    fixed = [change for change in report["changes"] if change["after"] == change["kind"]]
    assert page.after("Fixed")[0] == str(len(fixed))
    assert f"{len(fixed) - 8} more" in page.words
    assert page.after("Broke")[0] == "1"
    assert page.tags.count("details") == 1
    before_fold = page.tags[: page.tags.index("details")]
    assert before_fold.count("blockquote") == 8


def test_long_notes_are_cut_to_an_excerpt() -> None:
    assert excerpt("  short \n") == "short"
    cut = excerpt("語" * 1000)
    assert len(cut) == LONGEST_EXCERPT and cut.endswith("語…")


def test_what_it_takes_to_reproduce_is_there(page: Page, report: Report) -> None:
    end = page.after("How to reproduce")
    assert report["base"] in end
    assert report["dataset"]["fingerprint"] in end
    assert report["training"]["adapter_sha256"] in end
    assert report["settings"].strip() in end
    assert all(choice["reason"] in end for choice in report["chosen"])
    assert "nightschool 0.1.0, torch 2.9.0, transformers 5.0.1, python 3.11.7" in end


def test_a_run_without_losses_and_changes_still_has_a_page(
    unlogged: Report, tmp_path: Path
) -> None:
    html = render(unlogged, draw(unlogged, tmp_path))
    page = Page(html)
    assert "No answer became right." in page.words and "No answer became wrong." in page.words
    assert "No loss was recorded." in html
    assert page.tags.count("img") == 2
    assert "details" not in page.tags


def test_tables_scroll_in_their_own_box_on_a_phone(html: str) -> None:
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    tables = re.findall(r'<div class="scroll[^>]*>\s*<table', html)
    assert len(tables) == html.count("<table")
