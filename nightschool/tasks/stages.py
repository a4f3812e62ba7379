"""The stages of a run, as a child process does them.

Each reads files, writes files, and ends by writing its result to `runs/N/STAGE.json`: a stage
whose result is there is done, whoever died afterwards.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from nightschool.config.paths import School
from nightschool.config.settings import recorded
from nightschool.ledger.ledger import Ledger
from nightschool.notes.dataset import write
from nightschool.notes.enough import enough, too_small
from nightschool.notes.sides import SIDES, write_sides
from nightschool.reports.wording import percent
from nightschool.tasks.champion import ask_again
from nightschool.tasks.child import Parent
from nightschool.tasks.known import write_left_out
from nightschool.tasks.looks import ADAPTER, BASE, record_look
from nightschool.tasks.seeds import read_result, said, seed_folder, seeds_of
from nightschool.tasks.training import train
from nightschool.tasks.work import Ending, Work, read_and_freeze, write_json

_UNWATCHED = (
    "no validation notes: the training will not end early, and no temperature or threshold is found; add "
    "notes of other files or sources, or raise split.validation"
)


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
    test = dataset.of("test")
    kinds, groups = Counter(item.kind for item in test), {item.group for item in test}
    small = too_small(kinds, len(groups), settings.decide.confidence)
    unwatched = [] if dataset.of("validation") else [_UNWATCHED]
    warnings = [*left_out, *reading.warnings, *dataset.warnings, *unknown, *small, *unwatched]
    for warning in warnings:
        work.parent.say("warning", warning)
    name = dataset.fingerprint[:16]
    write(dataset, work.school.datasets / name)
    own = [item for item in dataset.items if not item.origin]
    write_sides(work.school.sides_file, own)
    write_left_out(work.folder, reading, own)
    counts = {side: len(dataset.of(side)) for side in SIDES}
    made = len(dataset.items) - len(own)
    work.parent.say(
        "state",
        f"{len(own)} notes in {len(dataset.kinds)} kinds: {counts['train'] - made} to train on"
        f"{f' (and {made} made of these)' if made else ''}, "
        f"{counts['validation']} to watch, {counts['test']} to measure with (dataset {name})",
    )
    if not small:
        work.parent.say("state", enough(counts["test"]))

    from nightschool.learning.hub import fetch, fingerprint

    base = fetch(settings.base, work.school.root)
    return {
        "dataset": name,
        "fingerprint": dataset.fingerprint,
        **counts,
        "made": made,
        "warnings": warnings,
        "base_folder": str(base),
        "base_fingerprint": fingerprint(base),
    }


def baseline(work: Work) -> Ending:
    """Score the untouched base on the test notes."""
    return _score_test(work, BASE, adapter=None)


def evaluate(work: Work) -> Ending:
    """Score the adapter on the test notes, with the same scorer and prompt; with several seeds one
    adapter after another, each in a process of its own. The model in use goes first, where it has
    to answer test notes that came since it was measured."""
    from nightschool.learning.activations import drop

    # Windows deletes no file that is mapped into memory, as these are to a training process's end.
    drop(work.school.activations)
    if asked := ask_again(work, [i for i in work.dataset().items if i.side == "test"]):
        work.parent.say("state", asked)
        return {"outcome": "chunk_done", "reason": asked}
    settings = work.settings.train
    if settings.seeds == 1:
        adapter = work.school.model_folder(work.run) / "adapter"
        return _score_test(work, ADAPTER, adapter)
    results = {}
    for number, seed in enumerate(seeds_of(settings)):
        file = seed_folder(work, seed) / "evaluated.json"
        result = read_result(file)
        if result is None:
            name = said(seed, number, settings.seeds)
            adapter = seed_folder(work, seed) / "adapter"
            result = _score_test(work, f"{ADAPTER} of {name}", adapter)
            write_json(file, result)
            if number + 1 < settings.seeds:
                return {"outcome": "chunk_done", "reason": f"{name} is measured"}
        results[seed] = result
    answers = [{"seed": seed, "answers": found["answers"]} for seed, found in results.items()]
    return {**results[work.result("train")["seed"]], "seeds": answers}


def _score_test(work: Work, what: str, adapter: Path | None) -> Ending:
    """Score the test notes, and the validation notes, from which temperature and threshold come;
    without an adapter also what else the untouched base can answer with."""
    from nightschool.learning.base import attach
    from nightschool.learning.device import capped, lock
    from nightschool.learning.encoding import cuts_in_words
    from nightschool.scoring.scorer import best
    from nightschool.tasks.arms import by_id, measure, rounded, score_sides

    dataset = work.dataset()
    test = dataset.of("test")
    device = work.device()
    held = lock(work.school, device)
    encoder = work.encoder(dataset.kinds)
    notes = [encoder.encode(item.text) for item in test]
    cuts = cuts_in_words(notes, "test notes", encoder.max_tokens)
    if cuts:
        work.parent.say("warning", cuts)
    with capped(device, work.settings.train):
        base = work.base(device)
        model = base if adapter is None else attach(base, adapter)
        sides = score_sides(work, model, encoder, device, dataset, notes, untouched=adapter is None)
        others = measure(sides) if adapter is None else {}
    held.release()
    record_look(work, dataset, what)
    answers = [best(encoder.kinds, row) for row in sides.probabilities]
    right = sum(answer == item.kind for answer, item in zip(answers, test, strict=True))
    share = f"{right} of {len(test)} test notes right ({percent(right / len(test))})"
    work.parent.say("state", share if what in (BASE, ADAPTER) else f"{what}: {share}")
    return {
        "accuracy": right / len(test),
        "prompt": encoder.fingerprint,
        "cut": sum(note.cut for note in notes),
        "warnings": [cuts] if cuts else [],
        "chosen": work.chose(*device.choices, *encoder.choices),
        "answers": by_id(test, answers),
        "probabilities": by_id(test, rounded(sides.probabilities)),
        "validation": by_id(sides.watched, rounded(sides.watched_probabilities)),
        **others,
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
