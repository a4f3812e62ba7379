"""The evaluate stage: the run's adapter answers the test notes, with the same scorer and prompt as before."""

from __future__ import annotations

from nightschool.config import files
from nightschool.ledger.outcomes import Outcome
from nightschool.notes.splits import Split
from nightschool.stages.champion import answer_new_test_notes
from nightschool.stages.context import StageContext
from nightschool.stages.endings import Ending
from nightschool.stages.score_test_notes import score_test_notes
from nightschool.stages.seeds import seed_folder, seed_name, seeds_of
from nightschool.stats.stage_results import (
    EvaluateResult,
    SeedAnswers,
    TrainResult,
    read_whole,
    write_record,
)


def evaluate(context: StageContext) -> EvaluateResult | Ending:
    """Score the adapter of each seed on the test notes, each in a process of its own.

    Before that, the champion answers the test notes that are newer than its own run.
    """
    # Version 0.1.0 could leave activations there, which reveal nearly as much as the notes.
    files.discard(context.school.activations)
    if message := answer_new_test_notes(context, context.dataset().of(Split.TEST)):
        context.parent.say("state", message)
        return Ending(Outcome.CHUNK_DONE, message)
    settings = context.settings.train
    if settings.seeds == 1:
        adapter = context.school.model_folder(context.run) / "adapter"
        context.recorded.check_folder(adapter)
        scored, _ = score_test_notes(context, adapter)
        return EvaluateResult(**dict(scored))
    results: dict[int, EvaluateResult] = {}
    for number, seed in enumerate(seeds_of(settings)):
        file = seed_folder(context, seed) / "evaluated.json"
        evaluated = read_whole(file, EvaluateResult, context.parent.say)
        if evaluated is None:
            name = seed_name(seed, number, settings.seeds)
            adapter = seed_folder(context, seed) / "adapter"
            context.recorded.check_folder(adapter)
            scored, _ = score_test_notes(context, adapter, seed, f"adapter of {name}: ")
            evaluated = EvaluateResult(**dict(scored))
            write_record(file, evaluated)
            if number + 1 < settings.seeds:
                return Ending(Outcome.CHUNK_DONE, f"{name} is evaluated")
        results[seed] = evaluated
    published = context.result(TrainResult).seed
    answers = tuple(SeedAnswers(seed=s, answers=r.answers) for s, r in results.items())
    return results[settings.seed if published is None else published].model_copy(
        update={"seeds": answers}
    )
