"""The stages of a run, as a child process does them.

Each reads files, writes files, and ends by writing its result to `runs/N/STAGE.json`: a stage
whose result is there is done, whoever died afterwards.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.ledger.ledger import Ledger
from nightschool.notes.dataset import Dataset, freeze, load, read_sides, write, write_sides
from nightschool.notes.readers import read_notes
from nightschool.tasks.child import Parent

if TYPE_CHECKING:
    from nightschool.learning.choice import Choice
    from nightschool.learning.device import Device
    from nightschool.learning.encoding import Encoder

Ending = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Work:
    """One stage's surroundings."""

    school: School
    run: int
    settings: Settings
    parent: Parent

    @property
    def folder(self) -> Path:
        return self.school.run_folder(self.run)

    def result(self, stage: str) -> dict[str, Any]:
        """What an earlier stage recorded."""
        found: dict[str, Any] = json.loads((self.folder / f"{stage}.json").read_text("utf-8"))
        return found

    def dataset(self) -> Dataset:
        return load(self.school.datasets / self.result("prep")["dataset"])

    def chose(self, *choices: Choice) -> list[dict[str, str]]:
        for choice in choices:
            self.parent.say("choice", f"{choice.name} = {choice.value} ({choice.reason})")
        return [choice.as_dict() for choice in choices]


def run_stage(school: School, run: int, stage: str, parent: Parent) -> Ending:
    """Do one stage, or a chunk of it; see `tasks.jobs.perform` for what it returns."""
    with Ledger(school.ledger_file) as ledger:
        settings = Settings.model_validate(ledger.run(run).settings)
    work = Work(school, run, settings, parent)
    done = work.folder / f"{stage}.json"
    if not done.exists():
        steps = {
            "prep": prep,
            "baseline": baseline,
            "train": train,
            "evaluate": evaluate,
            "compare": compare,
        }
        result = steps[stage](work)
        if "outcome" in result:
            return result
        write_json(done, result)
    return {"outcome": "finished", "result": work.result(stage)}


def prep(work: Work) -> Ending:
    """Read the notes, freeze the dataset, and see that the base model is on disk."""
    settings = work.settings
    reading = read_notes(
        work.school.root / Path(settings.notes.folder).expanduser(),
        text_column=settings.notes.text_column,
        label_column=settings.notes.label_column,
        max_bytes=settings.notes.max_bytes,
    )
    reasons: dict[str, list[str]] = {}
    for skipped in reading.skipped:
        reasons.setdefault(skipped.reason, []).append(skipped.source)
    left_out = [
        f"{len(sources)} skipped ({reason}): {', '.join(sources[:3])}{', ...' if len(sources) > 3 else ''}"
        for reason, sources in sorted(reasons.items())
    ]
    dataset = freeze(
        reading.notes,
        test=settings.split.test,
        validation=settings.split.validation,
        seed=settings.split.seed,
        sides=read_sides(work.school.sides_file),
    )
    unknown = [
        f'[kinds] speaks of "{k}", which no note has'
        for k in settings.kinds
        if k not in dataset.kinds
    ]
    warnings = [*left_out, *reading.warnings, *dataset.warnings, *unknown]
    for warning in warnings:
        work.parent.say("warning", warning)
    name = dataset.fingerprint[:16]
    write(dataset, work.school.datasets / name)
    write_sides(work.school.sides_file, {item.id: item.side for item in dataset.items})
    counts = {
        side: sum(item.side == side for item in dataset.items)
        for side in ("train", "validation", "test")
    }
    work.parent.say(
        "state",
        f"{len(dataset.items)} notes in {len(dataset.kinds)} kinds: {counts['train']} to train on, "
        f"{counts['validation']} to watch, {counts['test']} to measure with (dataset {name})",
    )

    from nightschool.learning.hub import fetch, fingerprint

    base = fetch(settings.base, work.school.root)
    return {
        "dataset": name,
        "fingerprint": dataset.fingerprint,
        **counts,
        "warnings": warnings,
        "base_folder": str(base),
        "base_fingerprint": fingerprint(base),
    }


def baseline(work: Work) -> Ending:
    """Score the untouched base on the test notes."""
    return _score_test(work, adapter=None)


def evaluate(work: Work) -> Ending:
    """Score the adapter on the test notes, with the same scorer and prompt."""
    return _score_test(work, adapter=work.school.model_folder(work.run) / "adapter")


def _score_test(work: Work, adapter: Path | None) -> Ending:
    from nightschool.learning.base import attach
    from nightschool.learning.device import lock, pick
    from nightschool.scoring.scorer import best, score

    items = [item for item in work.dataset().items if item.side == "test"]
    device = pick(work.settings.train)
    held = lock(work.school, device)
    model, encoder, choices = _loaded(work, device)
    if adapter is not None:
        model = attach(model, adapter)
    notes = [encoder.encode(item.text) for item in items]
    probabilities = score(
        model, encoder, notes, device,
        progress=lambda done, total: work.parent.progress(done, total, None, None),
        should_stop=work.parent.should_stop,
    )  # fmt: skip
    held.release()
    answers = [best(encoder.kinds, row) for row in probabilities]
    right = sum(answer == item.kind for answer, item in zip(answers, items, strict=True))
    work.parent.say("state", f"{right} of {len(items)} test notes right ({right / len(items):.0%})")
    return {
        "accuracy": right / len(items),
        "prompt": encoder.fingerprint,
        "cut": sum(note.cut for note in notes),
        "chosen": choices,
        "answers": {item.id: answer for item, answer in zip(items, answers, strict=True)},
        "probabilities": {
            item.id: [round(p, 6) for p in row]
            for item, row in zip(items, probabilities, strict=True)
        },
    }


def train(work: Work) -> Ending:
    """Train one chunk; with the last one, publish the adapter as the school's model of this run."""
    import time

    from nightschool.learning.base import memory_gb
    from nightschool.learning.device import lock, pick
    from nightschool.learning.trainer import Task, adapter_sha256
    from nightschool.learning.trainer import train as train_chunk

    settings, prepared = work.settings, work.result("prep")
    dataset = work.dataset()
    device = pick(settings.train)
    held = lock(work.school, device)
    began = time.monotonic()
    model, encoder, choices = _loaded(work, device)
    training = [item for item in dataset.items if item.side == "train"]
    notes = [encoder.encode(item.text, item.kind) for item in training]
    cut = sum(note.cut for note in notes)
    if cut:
        work.parent.say(
            "warning",
            f"{cut} of {len(notes)} training notes are longer than train.max_tokens = "
            f"{settings.train.max_tokens}: only their beginning is used",
        )
    task = Task(
        notes=notes,
        ids=[item.id for item in training],
        validation=[
            encoder.encode(i.text, i.kind) for i in dataset.items if i.side == "validation"
        ],
        padding=encoder.padding,
        settings=settings.train,
        identity={
            "dataset": prepared["dataset"],
            "prompt": encoder.fingerprint,
            "base": prepared["base_fingerprint"],
        },
    )
    trained = train_chunk(model, task, device, work.folder, work.parent, work.parent.should_stop)
    seconds = _add_seconds(work.folder / "seconds.json", time.monotonic() - began)
    if trained.ended != "finished":
        return {
            "outcome": trained.ended,
            "reason": f"after step {trained.step} of {task.total_steps}",
        }
    _publish(work, encoder)
    held.release()
    return {
        "steps": trained.step,
        "seconds": seconds,
        "peak_gb": memory_gb(device),
        "losses": trained.losses,
        "validation": trained.validation,
        "cut": cut,
        "chosen": choices,
        "adapter_sha256": adapter_sha256(work.folder / "adapter"),
    }


def compare(work: Work) -> Ending:
    """Put the answers side by side, decide, and write the report."""
    from nightschool.reports.writer import write as write_report
    from nightschool.tasks.comparing import make_report

    report = make_report(work)
    page = write_report(report, work.folder / "report")
    return {
        "decision": report["decision"],
        "reason": f"{report['decision']}: {report['reason']}",
        "page": str(page.relative_to(work.school.root)),
    }


def _loaded(work: Work, device: Device) -> tuple[Any, Encoder, list[dict[str, str]]]:
    """The frozen base and the encoder of this run, with the choices that were made."""
    from nightschool.learning.base import load_base, load_tokenizer
    from nightschool.learning.encoding import Encoder
    from nightschool.learning.errors import LearningError
    from nightschool.learning.hub import context_length, fingerprint

    settings = work.settings
    folder = Path(work.result("prep")["base_folder"])
    if not folder.is_dir() or fingerprint(folder) != work.result("prep")["base_fingerprint"]:
        raise LearningError(
            f"the base model in {folder} is gone or another one since prep: put it back, or `run --new`"
        )
    encoder = Encoder(
        load_tokenizer(folder),
        work.dataset().kinds,
        settings.kinds,
        settings.prompt.instructions,
        settings.train.max_tokens,
    )
    limit = context_length(folder)
    if limit and encoder.longest > limit:
        most = settings.train.max_tokens - (encoder.longest - limit)
        raise LearningError(
            f"train.max_tokens = {settings.train.max_tokens} and the prompt do not fit into the base's "
            f"{limit} tokens: set it to {most} or less, then `nightschool run --new`"
        )
    choices = work.chose(*device.choices, *encoder.choices)
    return load_base(folder, device, settings.train.quantisation), encoder, choices


def _publish(work: Work, encoder: Encoder) -> None:
    """Put the adapter, and what is needed to use it, where `classify` finds it: whole or not at all."""
    from nightschool.learning.checkpoints import sync_tree

    final = work.school.model_folder(work.run)
    aside = final.with_name(final.name + ".tmp")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(work.folder / "adapter", aside / "adapter")
    settings = work.settings
    write_json(
        aside / "model.json",
        {
            "run": work.run,
            "base": settings.base,
            "base_fingerprint": work.result("prep")["base_fingerprint"],
            "kinds": list(encoder.kinds),
            "prompt": encoder.fingerprint,
            "settings": settings.model_dump(),
        },
    )
    sync_tree(aside)
    shutil.rmtree(final, ignore_errors=True)
    os.replace(aside, final)


def _add_seconds(file: Path, seconds: float) -> float:
    """Add to the time that all chunks of a run took, process start excluded; returns the sum."""
    total = seconds + (json.loads(file.read_text("utf-8")) if file.exists() else 0.0)
    write_json(file, total)
    return float(total)


def write_json(file: Path, content: Mapping[str, Any] | float) -> None:
    """Write JSON so that the file is whole or not there, also after a crash."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_suffix(".tmp")
    with aside.open("w", encoding="utf-8", newline="\n") as stream:
        json.dump(content, stream, ensure_ascii=False, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(aside, file)
