"""`classify`: what it reads and answers, and that a model gets the same tokens as in training."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nightschool.cli import classify
from nightschool.config.paths import School
from nightschool.config.settings import recorded
from nightschool.config.settings_file import load
from nightschool.notes.dataset import load as load_dataset
from nightschool.notes.identity import content_id
from nightschool.notes.labels import Label, write_labels
from nightschool.stages.child_jobs import ClassifiedNote
from nightschool.stages.context import StageContext, make_encoder
from nightschool.stages.publish import publish, read_card
from nightschool.stats.stage_results import PrepResult, read_record
from tests.cli.conftest import invoke
from tests.conftest import KINDS, new_school
from tests.prepared import prepare

NOTES = {
    "lesson/front.md": "---\nkind: lesson\ntags: [home]\n---\n\n#lesson #home Try small first. #misc\n",
    "lesson/crlf.md": "\ufeffone  \r\ntwo #lesson/deploy\r\n\r\n",
    "misc/over.md": "---\nkind: decision\n---\n[kind:: decision] We chose #misc SQLite.",
    "lesson/fields.md": "kind:: lesson\n\nstatus:: open\nA page of Logseq. #[[lesson]]",
    "decision/long.md": "A sentence about nothing in particular. " * 200,
    "decision/picture.md": "Before ![x](data:image/png;base64," + "iVBORw0KGgo" * 50 + ") after.",
    "decision/labelled.md": "Labelled otherwise, #renamed and #decision.",
    "lesson/leak.md": "filed under Lessons\n【教訓】Never on a Friday.",
    "none/日本.md": "買い物：牛乳 #none #買い物\n",
}


REMOVED = {"remove_lines": ["Filed under *"], "remove_text": ["【教訓】"]}


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> School:
    """A school with a dataset, and a model of a run that reads it."""
    root = tmp_path_factory.mktemp("classify") / "my 学校"
    school = new_school(root, base=tiny_base.as_posix(), train={"max_tokens": 64}, notes=REMOVED)
    for name, text in NOTES.items():
        file = school.root / "notes" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    text = "Labelled otherwise, #renamed and ."
    write_labels(school.labels_file, [Label(content_id(text), "renamed")])
    prepare(school)
    context = StageContext(school, 1, load(school.settings_file), cast(Any, SimpleNamespace()))
    adapter = root / "adapter"
    adapter.mkdir()
    publish(context, adapter)
    return school


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The (source, text) pairs that a model is asked about; it answers lesson."""
    pairs: list[tuple[str, str]] = []

    def answer(school: School, run: int, notes: list[tuple[str, str]], **_: object) -> Any:
        pairs.extend(notes)
        return [
            ClassifiedNote(
                source=source, kind="lesson", likeliest="lesson", probability=1.0, unseen=0.0,
                probabilities={"lesson": 1.0},
            )
            for source, _ in notes
        ]  # fmt: skip

    monkeypatch.setattr(classify, "ask_to_classify", answer)
    return pairs


def test_the_model_gets_the_same_tokens_as_in_training(
    school: School, asked: list[tuple[str, str]]
) -> None:
    card = read_card(school, 1)
    settings = recorded(card.settings)
    dataset = load_dataset(
        school.datasets / read_record(school.run_folder(1) / "prep.json", PrepResult).dataset
    )
    trained = {item.source: item for item in dataset.items}
    assert trained["decision/labelled.md"].kind == "renamed" and set(KINDS) < set(card.kinds)
    encoder = make_encoder(settings, Path(settings.base), card.kinds)
    for name, text in NOTES.items():
        expected = encoder.encode(trained[name].text)
        assert encoder.fingerprint == card.prompt
        line = json.dumps({"text": text, "id": name})
        for arguments, keys in (
            ((str(school.root / "notes" / name),), None),
            (("-",), text),
            (("-", "--jsonl"), line),
            (("--", text), None),
        ):
            done = invoke(school, "classify", "--run", "1", *arguments, keys=keys)
            assert done.exit_code == 0, done.output
            [(_, given)] = asked
            assert encoder.encode(given).prompt == expected.prompt, (name, arguments)
            asked.clear()
    assert encoder.encode(trained["decision/long.md"].text).cut
    assert trained["misc/over.md"].text == "We chose SQLite."
    assert trained["lesson/leak.md"].text == "Never on a Friday."


def test_rows_of_a_table_lose_what_the_text_of_a_file_loses(
    school: School, asked: list[tuple[str, str]], tmp_path: Path
) -> None:
    table = tmp_path / "a.jsonl"
    table.write_text("".join(json.dumps({"text": text}) + "\n" for text in NOTES.values()), "utf-8")
    invoke(school, "classify", "--run", "1", str(table))
    from_rows = [text for _, text in asked]
    asked.clear()
    invoke(school, "classify", "--run", "1", *(str(school.root / "notes" / name) for name in NOTES))
    assert from_rows == [text for _, text in asked]


def test_lines_of_json_are_answered_with_their_ids_and_broken_ones_named(
    school: School, asked: list[tuple[str, str]]
) -> None:
    lines = ['{"id": 7, "text": "a"}', "", "{", '{"txt": "b"}', '{"text": "#lesson"}', '{"text": "c"}',
             '{"text": "d", "id": ["x"]}']  # fmt: skip
    arguments = ("classify", "--run", "1", "--jsonl")
    done = invoke(school, *arguments, "--json", "-", keys="\n".join(lines))
    assert done.exit_code == 1
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each.get("id"), each["source"]) for each in answers] == [(7, "-:1"), (None, "-:6")]
    assert asked == [("-:1", "a"), ("-:6", "c")]
    problems = done.stderr.splitlines()
    assert [re.split(":| is", problem)[0] for problem in problems] == [
        f"skipped standard input, line {number}" for number in (3, 4, 5, 7)
    ]
    assert problems[1].endswith('no "text": write {"text": "a note"}')
    assert invoke(school, *arguments, keys='{"text": "a"}').stdout == "lesson  100 %  -:1\n"
    nothing = invoke(school, *arguments, keys="\n")
    assert nothing.exit_code == 2 and "standard input is empty" in nothing.stderr
    elsewhere = invoke(school, *arguments, "a.jsonl")
    assert elsewhere.exit_code == 2 and "--jsonl is for standard input" in elsewhere.stderr


@pytest.mark.parametrize(
    "note", ["-buy milk", "- [ ] buy milk", "-牛乳", "--buy milk", "-5 °C", "--a=b c"]
)
def test_a_note_that_begins_with_a_dash_needs_two_before_it(
    school: School, asked: list[tuple[str, str]], note: str
) -> None:
    refused = invoke(school, "classify", note, "--run", "1")
    assert refused.exit_code == 2
    last = refused.stderr.splitlines()[-1]
    assert last.endswith("if it is a note, write -- before it, or use standard input")
    assert note in last
    assert invoke(school, "classify", "--run", "1", "--", note).exit_code == 0
    assert asked == [("text", note)]


def test_a_misspelt_option_is_no_note(school: School) -> None:
    done = invoke(school, "classify", "--jsno", "text")
    assert done.exit_code == 2 and "No such option" in done.stderr


def test_a_note_of_nothing_but_its_kind_is_empty(school: School, tmp_path: Path) -> None:
    done = invoke(school, "classify", "--run", "1", "#lesson")
    assert done.exit_code == 2 and "the text is empty: give a note" in done.stderr
    file = tmp_path / "a.md"
    file.write_text("#lesson", "utf-8")
    done = invoke(school, "classify", "--run", "1", str(file))
    assert (
        done.exit_code == 2 and "a.md: empty\n" in done.stderr and "no notes found" in done.stderr
    )


def test_a_run_that_does_not_exist_is_said_as_elsewhere(school: School) -> None:
    refused = invoke(school, "classify", "buy milk", "--run", "99")
    assert refused.exit_code == 2 and "there is no run 99" in refused.stderr
