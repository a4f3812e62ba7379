"""The stages of a run, as a child process does them.

Each reads files, writes files, and ends by writing its result to `runs/N/STAGE.json`: a stage
whose result is there is done, whoever died afterwards.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

from nightschool.config.paths import School
from nightschool.config.settings import recorded
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import Answerer
from nightschool.notes.dataset import write
from nightschool.notes.printable import listed
from nightschool.notes.split_assignments import write_split_assignments
from nightschool.notes.splits import Split
from nightschool.notes.test_set_size import describe_power, size_warnings
from nightschool.reports.text.wording import percent
from nightschool.stages.champion import ask_again
from nightschool.stages.context import Ending, StageContext, read_and_freeze, write_json
from nightschool.stages.known_notes import write_left_out
from nightschool.stages.parent import Parent
from nightschool.stages.seeds import read_result, said, seed_folder, seeds_of
from nightschool.stages.test_exposure import record_exposure
from nightschool.stages.train import train

_UNWATCHED = (
    "no validation notes: the training will not end early, and no temperature or threshold is found; add "
    "notes of other files or sources, or raise split.validation"
)


def run_stage(school: School, run: int, stage: str, parent: Parent) -> Ending:
    """Do one stage, or a chunk of it; see `stages.queries.perform` for what it returns."""
    with Ledger(school.ledger_file) as ledger:
        settings = recorded(ledger.run(run).settings)
    context = StageContext(school, run, settings, parent)
    done = context.folder / f"{stage}.json"
    if not done.exists():
        steps = {
            "prep": prep,
            "baseline": baseline,
            "train": train,
            "evaluate": evaluate,
            "compare": compare,
        }
        result = steps[stage](context)
        if "outcome" in result:
            return result
        write_json(done, result)
    return {"outcome": "finished", "result": context.result(stage)}


def prep(context: StageContext) -> Ending:
    """Read the notes, freeze the dataset, and see that the base model is on disk."""
    settings = context.settings
    reading, dataset = read_and_freeze(context.school, settings)
    left_out = [
        f"{len(group.sources)} skipped ({group.message}): {listed(group.sources, 3)}"
        for group in reading.skipped_groups()
    ]
    unknown = [
        f'[kinds] speaks of "{k}", which no note has'
        for k in settings.kinds
        if k not in dataset.kinds
    ]
    test = dataset.of(Split.TEST)
    kinds, groups = Counter(item.kind for item in test), {item.group for item in test}
    small = size_warnings(kinds, len(groups), settings.decide.confidence)
    unwatched = [] if dataset.of(Split.VALIDATION) else [_UNWATCHED]
    warnings = [*left_out, *reading.warnings, *dataset.warnings, *unknown, *small, *unwatched]
    for warning in warnings:
        context.parent.say("warning", warning)
    name = dataset.fingerprint[:16]
    write(dataset, context.school.datasets / name)
    own = [item for item in dataset.items if not item.origin]
    write_split_assignments(context.school.split_assignments_file, own)
    write_left_out(context.folder, reading, own)
    counts = {split.value: len(dataset.of(split)) for split in Split}
    made = len(dataset.items) - len(own)
    context.parent.say(
        "state",
        f"{len(own)} notes in {len(dataset.kinds)} kinds: {counts['train'] - made} to train on"
        f"{f' (and {made} made of these)' if made else ''}, "
        f"{counts['validation']} to watch, {counts['test']} to measure with (dataset {name})",
    )
    if not small:
        context.parent.say("state", describe_power(counts["test"]))

    from nightschool.learning.hub import fetch, fingerprint

    base = fetch(settings.base, context.school.root)
    return {
        "dataset": name,
        "fingerprint": dataset.fingerprint,
        **counts,
        "made": made,
        "warnings": warnings,
        "base_folder": str(base),
        "base_fingerprint": fingerprint(base),
    }


def baseline(context: StageContext) -> Ending:
    """Score the untouched base on the test notes."""
    return _score_test(context, adapter=None)


def evaluate(context: StageContext) -> Ending:
    """Score the adapter on the test notes, with the same scorer and prompt; with several seeds one
    adapter after another, each in a process of its own. The model in use goes first, where it has
    to answer test notes that came since it was measured."""
    # Version 0.1.0 could leave activations there, which reveal nearly as much as the notes.
    shutil.rmtree(context.school.activations, ignore_errors=True)
    if asked := ask_again(context, [i for i in context.dataset().items if i.split == Split.TEST]):
        context.parent.say("state", asked)
        return {"outcome": "chunk_done", "reason": asked}
    settings = context.settings.train
    if settings.seeds == 1:
        adapter = context.school.model_folder(context.run) / "adapter"
        return _score_test(context, adapter)
    results = {}
    for number, seed in enumerate(seeds_of(settings)):
        file = seed_folder(context, seed) / "evaluated.json"
        result = read_result(file)
        if result is None:
            name = said(seed, number, settings.seeds)
            adapter = seed_folder(context, seed) / "adapter"
            result = _score_test(context, adapter, seed, f"adapter of {name}: ")
            write_json(file, result)
            if number + 1 < settings.seeds:
                return {"outcome": "chunk_done", "reason": f"{name} is measured"}
        results[seed] = result
    answers = [{"seed": seed, "answers": found["answers"]} for seed, found in results.items()]
    return {**results[context.result("train")["seed"]], "seeds": answers}


def _score_test(
    context: StageContext, adapter: Path | None, seed: int | None = None, prefix: str = ""
) -> Ending:
    """Score the test notes, and the validation notes, from which temperature and threshold come;
    without an adapter also what else the untouched base can answer with."""
    from nightschool.learning.base import attach
    from nightschool.learning.device import capped, lock
    from nightschool.learning.encoding import cuts_in_words
    from nightschool.scoring.scorer import best
    from nightschool.stages.model_arms import by_id, measure, rounded, score_splits

    dataset = context.dataset()
    test = dataset.of(Split.TEST)
    device = context.device()
    held = lock(context.school, device)
    encoder = context.encoder(dataset.kinds)
    notes = [encoder.encode(item.text) for item in test]
    cuts = cuts_in_words(notes, "test notes", encoder.max_tokens)
    if cuts:
        context.parent.say("warning", cuts)
    with capped(device, context.settings.train):
        base = context.base(device)
        model = base if adapter is None else attach(base, adapter)
        sides = score_splits(
            context, model, encoder, device, dataset, notes, untouched=adapter is None
        )
        others = measure(sides) if adapter is None else {}
    held.release()
    answerer = Answerer.BASE if adapter is None else Answerer.ADAPTER
    record_exposure(context, dataset, answerer, seed=seed)
    answers = [best(encoder.kinds, row) for row in sides.probabilities]
    right = sum(answer == item.kind for answer, item in zip(answers, test, strict=True))
    share = f"{right} of {len(test)} test notes right ({percent(right / len(test))})"
    context.parent.say("state", prefix + share)
    return {
        "accuracy": right / len(test),
        "prompt": encoder.fingerprint,
        "cut": sum(note.cut for note in notes),
        "warnings": [cuts] if cuts else [],
        "chosen": context.chose(*device.choices, *encoder.choices),
        "answers": by_id(test, answers),
        "probabilities": by_id(test, rounded(sides.probabilities)),
        "validation": by_id(sides.watched, rounded(sides.watched_probabilities)),
        **others,
    }


def compare(context: StageContext) -> Ending:
    """Put the answers side by side, decide, and write the report."""
    from nightschool.reports.writer import write as write_report
    from nightschool.stages.compare import make_report

    report = make_report(context)
    page = write_report(report, context.folder / "report")
    return {
        "decision": report.decision,
        "reason": f"{report.decision}: {report.reason}",
        "page": str(page.relative_to(context.school.root)),
    }
