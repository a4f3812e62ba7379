"""Accuracy, seconds and memory of training the upper layers alone, against all of them.

    python benchmarks/top_layers.py --notes ../shared/data/notes
    python benchmarks/top_layers.py --clinc ../shared/data/clinc150
    python benchmarks/top_layers.py --notes ... --arm all --arm all@3 --arm "top:4 run" --seed 1

The shipped base with the cpu-demo preset, on a CPU with no network. `--notes` is a folder with a
sub-folder a kind, split as `nightschool prep` does (20 % test, 10 % validation). `--clinc` holds
CLINC150's data_small.json (github.com/clinc/oos-eval): the first ten intents by name and "out of
scope", its own split, every third of the test's 1000 out-of-scope texts. Each arm runs in a process of
its own; one JSON line an arm, with the 95 % interval (Wilson) and the exact paired test (McNemar)
against the first arm. `seconds` is the training, from the loaded base to the saved adapter;
`keeping_s` of these went into running the lower layers once. An arm "all@3" has 3 epochs
instead of the preset's 6; "top:4 run" trains the same layers without keeping anything.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

INTENTS = 10
ARMS = ["all", "top:4", "top:2"]


def texts(given: argparse.Namespace) -> tuple[list[tuple[str, str, str, str]], list[str]]:
    """(id, text, kind, side) of each note, and the kinds."""
    from nightschool.notes.dataset import freeze
    from nightschool.notes.readers import read_notes

    if given.notes:
        notes = read_notes(given.notes).notes
        dataset = freeze(notes, test=0.2, validation=0.1, seed=0)
        return [(i.id, i.text, i.kind, i.side) for i in dataset.items], list(dataset.kinds)
    found = json.loads((given.clinc / "data_small.json").read_text("utf-8"))
    kinds = sorted({kind for _, kind in found["train"]})[:INTENTS]
    rows = []
    for side, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        outside = found[f"oos_{name}"][:: 3 if name == "test" else 1]
        for number, (text, kind) in enumerate([*found[name], *outside]):
            if kind in kinds or kind == "oos":
                named = "out of scope" if kind == "oos" else kind.replace("_", " ")
                rows.append((f"{side}-{number:05}", text, named, side))
    return rows, sorted({kind for _, _, kind, _ in rows})


class Log:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def progress(self, step: int, total: int, loss: float | None, eta_s: float | None) -> None:
        pass

    def say(self, kind: str, message: str) -> None:
        self.said.append(message)


def run(arm: str, given: argparse.Namespace) -> dict[str, Any]:
    from nightschool.config.paths import DEMO_BASE
    from nightschool.config.presets import PRESETS
    from nightschool.config.settings import TrainSettings
    from nightschool.learning import frozen_layers
    from nightschool.learning.auto_choice import AutoChoice
    from nightschool.learning.base import attach, load_base, load_tokenizer
    from nightschool.learning.device import pick
    from nightschool.learning.encoding import Encoder
    from nightschool.learning.memory_plan import Need, Shape, choose, load_of
    from nightschool.learning.prepared_model import place_of, prepare
    from nightschool.learning.trainer import train
    from nightschool.learning.training_task import TrainingTask
    from nightschool.scoring.scorer import best, score
    from nightschool.stats.metrics import scores

    named, _, way = arm.partition(" ")
    layers, _, epochs = named.partition("@")
    values = PRESETS["cpu-demo"]["train"] | {"layers": layers, "seed": given.seed}
    values |= {"chunk_minutes": 600.0} | ({"epochs": float(epochs)} if epochs else {})
    settings = TrainSettings(**values)
    device = pick(settings)
    rows, kinds = texts(given)
    encoder = Encoder(load_tokenizer(DEMO_BASE), kinds, {}, "", settings.max_tokens)
    sides: dict[str, list[tuple[str, str, str, str]]] = {}
    for row in rows:
        sides.setdefault(row[3], []).append(row)

    def encoded(side: str) -> list[Any]:
        return [encoder.encode(text, kind) for _, text, kind, _ in sides[side]]

    task = TrainingTask(
        notes=encoded("train"), ids=[row[0] for row in sides["train"]],
        sources=[row[0] for row in sides["train"]], validation=encoded("validation"),
        prefix=encoder.prefix, padding=encoder.padding, settings=settings,
        identity={"dataset": "d", "prompt": encoder.fingerprint, "base": "demo"},
    )  # fmt: skip
    shape = Shape.read(DEMO_BASE)
    load = load_of(task.notes, task.prefix, task.steps())
    plan, _ = choose(Need(shape, settings, load, device.precision.compute.itemsize), None)
    keeping = [0.0]
    leave_out = frozen_layers.leave_out

    def timed(*parts: Any) -> Any:
        if way == "run":
            return parts[3], AutoChoice("lower layers", "run in each step", "asked for")
        began = time.perf_counter()
        try:
            return leave_out(*parts)
        finally:
            keeping[0] = time.perf_counter() - began

    frozen_layers.leave_out = timed  # type: ignore[assignment]
    log = Log()
    with tempfile.TemporaryDirectory() as folder:
        base = load_base(DEMO_BASE, device, settings.quantisation)
        began = time.perf_counter()
        kept = Path(folder, "activations")
        place = place_of(kept, task, plan, device, log.say, lambda: False)
        prepared = prepare(base, task, plan, device, place)
        ended = train(prepared, task, device, Path(folder), log, lambda: False)
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        model = attach(load_base(DEMO_BASE, device, settings.quantisation), Path(folder, "adapter"))
    test = sides["test"]
    notes = [encoder.encode(text) for _, text, _, _ in test]
    answers = [best(encoder.kinds, row) for row in score(model, encoder, notes, device)]
    true, single = [kind for _, _, kind, _ in test], [row[0] for row in test]
    found = scores("after", kinds, true, answers, single)
    return {
        "trained": len(task.notes), "tested": len(test), "steps": ended.step,
        "accuracy": round(found["accuracy"], 4),
        "accuracy_ci": [round(edge, 4) for edge in found["accuracy_ci"]],
        "macro_f1": round(found["macro_f1"], 4),
        "seconds": round(seconds, 1), "keeping_s": round(keeping[0], 1),
        "s_per_step": round((seconds - keeping[0]) / ended.step, 3),
        "peak_rss_mb": round(peak * 1024 / 1e6),
        "lower_layers": [line for line in log.said if line.startswith("lower layers")],
        "validation": [round(loss, 4) for _, loss in ended.validation],
        "answers": answers, "true": true, "kinds": list(kinds), "groups": single,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--notes", type=Path)
    data.add_argument("--clinc", type=Path)
    parser.add_argument("--arm", action="append", help="all, top:K, all@EPOCHS, 'top:K run'")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        print(json.dumps(run(given.arm[0], given)))
        return
    from nightschool.stats.paired import paired

    first: list[str] = []
    where = ["--notes", str(given.notes)] if given.notes else ["--clinc", str(given.clinc)]
    for arm in given.arm or ARMS:
        command = [sys.executable, __file__, "--here", "--arm", arm, "--seed", str(given.seed)]
        done = subprocess.run(
            [*command, *where], stdout=subprocess.PIPE, encoding="utf-8", check=True
        )
        found = json.loads(done.stdout.splitlines()[-1])
        answers, true, kinds, groups = map(found.pop, ("answers", "true", "kinds", "groups"))
        first = first or answers
        pair = paired(kinds, true, first, answers, groups)
        line = {"data": where[0][2:], "seed": given.seed, "arm": arm, **found}
        line |= {"fixed": pair["wins"], "broken": pair["losses"], "p": round(pair["mcnemar_p"], 4)}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
