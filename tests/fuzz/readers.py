"""Everything that reads what anybody may have written: what it is given, and what it may raise."""

from __future__ import annotations

import contextlib
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nightschool.config import bounded_json, bounded_toml, settings_file
from nightschool.config.checksums import with_checksum
from nightschool.config.errors import (
    ConfigError,
    DamagedFile,
    LearningError,
    LedgerError,
    NotesError,
    ReportError,
)
from nightschool.config.printable import json_text, one_line, printable
from nightschool.config.settings import NotesSettings
from nightschool.jobs.note_check import read_note_check
from nightschool.jobs.signals.snapshot import read_snapshot
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.run_files import read_run_file
from nightschool.notes import dataset
from nightschool.notes.labels import read_labels
from nightschool.notes.readers import parse_note, read_notes, read_to_classify
from nightschool.notes.split_assignments import read_split_assignments
from nightschool.notes.style_features import style_features
from nightschool.reports import report_file
from nightschool.scoring import server_client
from nightschool.scoring.answer_parsing import kind_in
from nightschool.scoring.server_client import ServerError
from nightschool.stages import server_arm
from nightschool.stages.kept_plan import read_kept_plan
from nightschool.stages.publish import ModelCard
from nightschool.stats.stage_results import (
    BaselineResult,
    CompareResult,
    EvaluateResult,
    PrepResult,
    Record,
    TrainResult,
    read_record,
)
from nightschool.tasks.channel import parse_message
from nightschool.tasks.stage_messages import StageMessageSerializer

SCHOOL = Path(__file__).parents[1] / "upgrade" / "school-0.1.0.zip"
_STATE = ".nightschool/"


@dataclass(frozen=True)
class FuzzedReader:
    """A reader of bytes. Any exception but `expected` is a fault; what it returns is not looked at."""

    read: Callable[[bytes], object]
    expected: tuple[type[Exception], ...] = ()
    samples: tuple[bytes, ...] = (b"",)
    """What it reads without an error, to be changed here and there."""


@cache
def _school() -> dict[str, bytes]:
    with zipfile.ZipFile(SCHOOL) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _of(*names: str) -> tuple[bytes, ...]:
    return tuple(_school()[_STATE + name] for name in names)


@contextmanager
def _written(raw: bytes, name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, name)
        file.write_bytes(raw)
        yield file


def _from_file(
    read: Callable[[Path], object], name: str, *, summed: bool = False
) -> Callable[[bytes], object]:
    """A reader of a file. `summed`: whoever changed the file has made its checksum anew."""

    def read_bytes(raw: bytes) -> object:
        if summed:
            with contextlib.suppress(ValueError):
                value = bounded_json.loads(raw)
                if isinstance(value, dict) and value:
                    value.pop("sha256", None)
                    raw = with_checksum(json.dumps(value)).encode()
        with _written(raw, name) as file:
            return read(file)

    return read_bytes


def _record(kind: type[Record], *names: str) -> FuzzedReader:
    return FuzzedReader(
        _from_file(lambda file: read_record(file, kind), "record.json", summed=True),
        (DamagedFile, LearningError),
        _of(*names),
    )


def _folder(raw: bytes) -> object:
    with _written(raw, "note.md") as file:
        for name in ("note.org", "table.csv", "table.jsonl"):
            (file.parent / name).write_bytes(raw)
        return read_notes(file.parent, NotesSettings(split="headings"))


def _ledger(file: Path) -> object:
    with Ledger(file) as ledger:
        return [ledger.events(run) for run in ledger.run_numbers()]


def _texts(raw: bytes) -> None:
    text = raw.decode("utf-8", "surrogateescape")
    assert printable(json_text({"a": text})) == json_text({"a": text})
    assert printable(printable(text)) == printable(text)
    one_line(text)
    style_features(text)


def _queued(raw: bytes) -> Any:
    return StageMessageSerializer("nightschool.tasks.app")._deserialize(raw)


_NOTES = (
    b"---\nkind: lesson\ntags: [a, b]\naliases:\n  - c\n---\n# One\n\nText with `code` and #tag.\n",
    b'+++\ntitle = "x"\nkind = "lesson"\n[taxonomies]\ntags = ["a"]\n+++\nbody\n',
    b'{"title": "x", "kind": "lesson"}\n\nbody\n',
    b"kind:: lesson\ntags:: a, b\n\n- one\n  - two\n",
    b":PROPERTIES:\n:KIND: lesson\n:END:\n#+title: x\n* Head :tag:\nbody\n",
    b"title\n\nbody\n\nid: 0123456789abcdef0123456789abcdef\nparent_id: \ntype_: 1\n",
    "# 学び\n\n次からは先に試す。\n種類: 教訓\n".encode("cp932"),
    "# 学び\n\n次からは先に試す。\n".encode("utf-16"),
)
_CSV = b'text,label\n"one, two",lesson\n"a ""quoted"" one",idea\n'
_JSONL = b'{"text": "one", "label": "lesson"}\n{"text": "two", "label": null}\n'
_CHAT = b'{"choices": [{"message": {"content": [{"type": "text", "text": "kind: lesson"}]}}]}'
_ANSWER = (
    b'<think>not an idea</think> {"kind": "lesson"} The answer is **not an idea** but a lesson.'
)
_DAMAGED = (DamagedFile, LearningError)


@cache
def readers() -> dict[str, FuzzedReader]:
    """All readers, by name."""
    settings = NotesSettings()
    return {
        "a note": FuzzedReader(
            lambda raw: parse_note(raw, "a.md", settings), (NotesError,), _NOTES
        ),
        "a note of org mode": FuzzedReader(
            lambda raw: parse_note(raw, "a.org", settings), (NotesError,), _NOTES
        ),
        "a folder of notes": FuzzedReader(_folder, (NotesError,), (*_NOTES, _CSV, _JSONL)),
        "a table in CSV": FuzzedReader(
            _from_file(lambda file: read_notes(file, settings), "a.csv"), (NotesError,), (_CSV,)
        ),
        "a table in JSONL": FuzzedReader(
            _from_file(lambda file: read_to_classify(file, settings), "a.jsonl"),
            (NotesError,),
            (_JSONL,),
        ),
        "labels": FuzzedReader(
            _from_file(read_labels, "labels.jsonl"), (NotesError,), (_school()["labels.jsonl"],)
        ),
        "settings": FuzzedReader(
            _from_file(settings_file.load, "nightschool.toml"),
            (ConfigError,),
            (
                b'base = "demo"\nseed = 1\n[kinds]\nidea = "x"\n[kinds.a]\naliases = ["b"]\n'
                b'[night]\nstart = "22:00"\n[server]\nurl = "http://localhost:1/v1"\nmodel = "m"\n',
            ),
        ),
        "TOML": FuzzedReader(
            lambda raw: bounded_toml.loads(raw.decode()), (ValueError,), (b"a.b = [1, {c = '2'}]",)
        ),
        "JSON": FuzzedReader(bounded_json.loads, (ValueError,), (b'{"a": [1, "\\ud800"]}',)),
        "an answer": FuzzedReader(
            lambda raw: kind_in(raw.decode("utf-8", "replace"), ["lesson", "idea", "教訓", '"']),
            samples=(_ANSWER, "教訓ではない。種類は「教訓」。".encode()),
        ),
        "a server's reply": FuzzedReader(server_client._content, (ServerError,), (_CHAT,)),
        "a server's error": FuzzedReader(
            server_client._error_text, samples=(b'{"error": {"message": "x"}}',)
        ),
        "kept answers of a server": FuzzedReader(
            _from_file(server_arm._read, "server.jsonl"),
            samples=(b'{"id": "a", "outcome": "answered", "kind": "b", "seconds": 1.5}\n',),
        ),
        "printed text": FuzzedReader(_texts, samples=_NOTES),
        "prep.json": _record(PrepResult, "runs/1/prep.json"),
        "baseline.json": _record(BaselineResult, "runs/1/baseline.json"),
        "train.json": _record(TrainResult, "runs/1/train.json"),
        "evaluate.json": _record(EvaluateResult, "runs/1/evaluate.json"),
        "compare.json": _record(CompareResult, "runs/1/compare.json"),
        "model.json": _record(ModelCard, "models/run-1/model.json"),
        "plan.json": FuzzedReader(
            _from_file(read_kept_plan, "plan.json", summed=True),
            _DAMAGED,
            _of("runs/1/plan.json", "runs/2/plan.json"),
        ),
        "report.json": FuzzedReader(
            _from_file(report_file.read, "report.json", summed=True),
            (ReportError, *_DAMAGED),
            _of("runs/1/report/report.json"),
        ),
        "sides.json": FuzzedReader(
            _from_file(read_split_assignments, "sides.json", summed=True),
            _DAMAGED,
            (_of("datasets/sides.json")[0],),
        ),
        "a dataset's manifest": FuzzedReader(
            _from_file(lambda file: dataset.load(file.parent), "manifest.json", summed=True),
            _DAMAGED,
            _of("datasets/4c8cdb23d6a9b963/manifest.json"),
        ),
        "seen.json": FuzzedReader(
            _from_file(read_note_check, "seen.json", summed=True),
            samples=(
                b'{"at": 1.0, "fingerprint": "a", "news": null, "asked": null, "problem": ""}',
            ),
        ),
        "signals.json": FuzzedReader(
            _from_file(lambda file: read_snapshot(file, 100.0), "signals.json"),
            samples=(
                b'{"at": 99.0, "signals": {"idle_s": {"value": 1.0, "source": "x", "age_s": 0.0}}}',
            ),
        ),
        "a run's rows": FuzzedReader(
            _from_file(read_run_file, "run.json", summed=True),
            (ValueError,),
            (b'{"version": 1, "runs": [{"id": 1, "settings": "{}"}]}',),
        ),
        "the ledger": FuzzedReader(
            _from_file(_ledger, "ledger.db"), (LedgerError,), _of("ledger.db")
        ),
        "a child's message": FuzzedReader(
            parse_message,
            (ValidationError,),
            (b'{"version": 1, "event": "progress", "step": 1, "total": 2, "loss": null}',),
        ),
        "a queued message": FuzzedReader(
            _queued,
            (ValidationError,),
            (b'{"version": 1, "id": "a", "task": "prep", "run": 1, "priority": 0}',),
        ),
    }
