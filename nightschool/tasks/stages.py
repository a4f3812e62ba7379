"""The stages of a run, as a child process does them.

Each reads files, writes files, and ends by writing its result to `runs/N/STAGE.json`: a stage
whose result is there is done, whoever died afterwards.
"""

from __future__ import annotations

from pathlib import Path

from nightschool.config.paths import School
from nightschool.config.settings import recorded
from nightschool.ledger.ledger import Ledger
from nightschool.notes.dataset import write, write_sides
from nightschool.tasks.child import Parent
from nightschool.tasks.training import train
from nightschool.tasks.work import Ending, Work, read_and_freeze, write_json


def run_stage(school: School, run: int, stage: str, parent: Parent) -> Ending:
    """Do one stage, or a chunk of it; see `tasks.jobs.perform` for what it returns."""
    with Ledger(school.ledger_file) as ledger:
        settings = recorded(ledger.run(run).settings)
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
    reading, dataset = read_and_freeze(work.school, settings)
    reasons: dict[str, list[str]] = {}
    for skipped in reading.skipped:
        reasons.setdefault(skipped.reason, []).append(skipped.source)
    left_out = [
        f"{len(sources)} skipped ({reason}): {', '.join(sources[:3])}{', ...' if len(sources) > 3 else ''}"
        for reason, sources in sorted(reasons.items())
    ]
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
    own = [item for item in dataset.items if not item.origin]
    write_sides(work.school.sides_file, {item.id: item.side for item in own})
    counts = {
        side: sum(item.side == side for item in dataset.items)
        for side in ("train", "validation", "test")
    }
    made = len(dataset.items) - len(own)
    work.parent.say(
        "state",
        f"{len(own)} notes in {len(dataset.kinds)} kinds: {counts['train'] - made} to train on"
        f"{f' (and {made} made of these)' if made else ''}, "
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
    from nightschool.learning.encoding import cuts_in_words
    from nightschool.scoring.scorer import best, score

    items = [item for item in work.dataset().items if item.side == "test"]
    device = pick(work.settings.train)
    held = lock(work.school, device)
    encoder = work.encoder()
    base = work.base(device)
    model = base if adapter is None else attach(base, adapter)
    notes = [encoder.encode(item.text) for item in items]
    cuts = cuts_in_words(notes, "test notes", encoder.max_tokens)
    if cuts:
        work.parent.say("warning", cuts)
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
        "warnings": [cuts] if cuts else [],
        "chosen": work.chose(*device.choices, *encoder.choices),
        "answers": {item.id: answer for item, answer in zip(items, answers, strict=True)},
        "probabilities": {
            item.id: [round(p, 6) for p in row]
            for item, row in zip(items, probabilities, strict=True)
        },
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
