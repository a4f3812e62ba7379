"""What helps rare kinds, rough notes and notes of no kind: choices about the training notes, measured.

    python benchmarks/training_notes.py --notes ../shared/data/notes --out /tmp/balance \
        --arm balance=none --arm balance=logit_adjustment --arm balance=class_weights
    python benchmarks/training_notes.py ... --few value=5,decision=10,none=20
    python benchmarks/training_notes.py ... --arm roughen=0 --arm roughen=0.5

The included base model with the cpu-demo preset on a CPU with no network; `--with` changes its settings for
all arms. `--cheap` uses the cheap model (TF-IDF and logistic regression) instead. `--notes` is a folder
with a sub-folder per kind. There are three folds, in which each kind is divided by the hash of its notes'
contents: every note is tested once, by a model that was not trained on it, as it is and roughened. `--few`
limits the training notes of a kind. An arm is a list of [train] settings, joined by commas. Every fold of
every arm runs in its own process and writes a file to `--out`; existing files are not made again. Prints
one JSON line per arm and texture: accuracy, macro-F1, recall and precision of each kind over all notes,
with 95 % intervals (Wilson, and a bootstrap with 2000 resamples within kinds); and, against the first arm,
the fixed and broken notes with the exact McNemar test, and the interval of the difference in macro-F1.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from nightschool.notes.splits import Split

FOLDS = 3
RESAMPLES = 2000


class Silent:
    """A reporter that discards everything."""

    def progress(self, step: int, total: int, loss: float | None, eta_s: float | None) -> None:
        pass

    def say(self, kind: str, message: str) -> None:
        pass


def values_of(text: str) -> dict[str, Any]:
    """The settings in "name=value,name=value"."""
    found = {}
    for pair in filter(None, text.split(",")):
        name, _, value = pair.partition("=")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def fold_dataset(folder: Path, fold: int, few: dict[str, int]) -> Any:
    """The dataset of a fold, without augmentation."""
    from nightschool.notes.dataset import Dataset, Item
    from nightschool.notes.identity import content_id
    from nightschool.notes.readers import read_notes

    notes = {content_id(note.text): note for note in read_notes(folder).notes if note.kind}
    of: dict[str, list[str]] = defaultdict(list)
    for id_ in sorted(notes, key=lambda id_: hashlib.sha256(id_.encode()).digest()):
        of[str(notes[id_].kind)].append(id_)
    split: dict[str, Split] = {}
    for kind, ids in of.items():
        split |= {id_: Split.TEST for number, id_ in enumerate(ids) if number % FOLDS == fold}
        training = [id_ for id_ in ids if id_ not in split]
        split |= dict.fromkeys(training[: few.get(kind, len(training))], Split.TRAIN)
    items = tuple(
        Item(id_, notes[id_].text, str(notes[id_].kind), split[id_], notes[id_].source)
        for id_ in sorted(split)
    )
    return Dataset(items, tuple(sorted(of)), f"fold {fold}", ())


def run(arm: str, fold: int, given: argparse.Namespace) -> dict[str, Any]:
    """Train an arm on a fold and score its test notes in both textures."""
    from nightschool.config.presets import PRESETS
    from nightschool.config.settings import TrainSettings
    from nightschool.notes.augmentation import roughen, with_roughened_copies

    values = PRESETS["cpu-demo"]["train"] | {"chunk_minutes": 600.0, "checkpoint_minutes": 60.0}
    settings = TrainSettings(**(values | values_of(given.with_) | values_of(arm)))
    dataset = fold_dataset(given.notes, fold, values_of(given.few))
    test = [item for item in dataset.items if item.split == Split.TEST]
    dataset = with_roughened_copies(dataset, settings.roughen, seed=0)
    textures = {
        "as it is": [item.text for item in test],
        "roughened": [roughen(item.text, f"test:{item.id}") for item in test],
    }
    return {
        "kinds": dataset.kinds,
        "true": {item.id: item.kind for item in test},
        "trained": sum(item.split == Split.TRAIN for item in dataset.items),
        "probabilities": (cheap if given.cheap else small_base)(dataset, settings, textures),
    }


def cheap(dataset: Any, _: Any, textures: dict[str, list[str]]) -> dict[str, list[list[float]]]:
    from nightschool.scoring.cheap_baselines import classifier, text_features

    training = [item for item in dataset.items if item.split == Split.TRAIN]
    features = text_features([item.text for item in training])
    rows = features.fit_transform([item.text for item in training])
    model = classifier().fit(rows, [item.kind for item in training])
    return {
        texture: model.predict_proba(features.transform(texts)).tolist()
        for texture, texts in textures.items()
    }


def small_base(
    dataset: Any, settings: Any, textures: dict[str, list[str]]
) -> dict[str, list[list[float]]]:
    from nightschool.config.paths import DEMO_BASE
    from nightschool.learning.base import attach, load_base, load_tokenizer
    from nightschool.learning.device import pick
    from nightschool.learning.encoding import Encoder
    from nightschool.learning.fast.packed_engine import PackedEngine
    from nightschool.learning.memory_plan import MemoryNeed, Shape, choose, data_size_of
    from nightschool.learning.trainer import train
    from nightschool.learning.training_task import TaskIdentity
    from nightschool.scoring.scorer import score
    from nightschool.stages.run_task import training_task_of

    device = pick(settings)
    encoder = Encoder(load_tokenizer(DEMO_BASE), dataset.kinds, {}, "", settings.max_tokens)
    identity = TaskIdentity(dataset.fingerprint, encoder.fingerprint, "demo")
    task = training_task_of(dataset, encoder, settings, identity)
    load = data_size_of(task.notes, task.prefix, task.steps())
    need = MemoryNeed(Shape.read(DEMO_BASE), settings, load, device.precision.compute.itemsize)
    plan, _ = choose(need, None)
    with tempfile.TemporaryDirectory() as folder:
        base = load_base(DEMO_BASE, device, settings.quantisation)
        engine = PackedEngine.prepare(base, task, plan, device)
        train(engine, task, Path(folder), Silent(), lambda: False)
        model = attach(load_base(DEMO_BASE, device, settings.quantisation), Path(folder, "adapter"))
    return {
        texture: score(model, encoder, [encoder.encode(text) for text in texts], device)
        for texture, texts in textures.items()
    }


def measured(
    arm: str, folds: list[dict[str, Any]], first: list[dict[str, Any]], texture: str
) -> Any:
    import numpy as np
    from scipy.stats import binomtest

    kinds = folds[0]["kinds"]

    def answers(found: list[dict[str, Any]]) -> Any:
        rows = [row for fold in found for row in fold["probabilities"][texture]]
        return np.array(rows).argmax(axis=1)

    true = np.array([kinds.index(kind) for fold in folds for kind in fold["true"].values()])
    given, before = answers(folds), answers(first)

    def macro_f1(true: Any, given: Any) -> float:
        right = [int(((true == k) & (given == k)).sum()) for k in range(len(kinds))]
        both = [int((true == k).sum() + (given == k).sum()) for k in range(len(kinds))]
        return float(np.mean([2 * r / b if b else 0.0 for r, b in zip(right, both, strict=True)]))

    def wilson(right: Any) -> list[float]:
        edges = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
        return [round(edges.low, 3), round(edges.high, 3)]

    def percentiles(values: list[float]) -> list[float]:
        return [round(float(value), 3) for value in np.percentile(values, [2.5, 97.5])]

    numbers = np.random.default_rng(0)
    of = [np.flatnonzero(true == kind) for kind in range(len(kinds))]
    draws = [np.concatenate([numbers.choice(o, len(o)) for o in of]) for _ in range(RESAMPLES)]
    f1 = [macro_f1(true[d], given[d]) for d in draws]
    change = [value - macro_f1(true[d], before[d]) for value, d in zip(f1, draws, strict=True)]
    right, was = given == true, before == true
    fixed, broken = int((right & ~was).sum()), int((was & ~right).sum())
    return {
        "arm": arm, "texture": texture, "notes": len(true),
        "trained": [fold["trained"] for fold in folds],
        "accuracy": round(float(right.mean()), 3), "accuracy_ci": wilson(right),
        "macro_f1": round(macro_f1(true, given), 3), "macro_f1_ci": percentiles(f1),
        "macro_f1_change_ci": percentiles(change), "fixed": fixed, "broken": broken,
        "p": round(binomtest(fixed, fixed + broken).pvalue, 3) if fixed + broken else 1.0,
        "recall": {kind: f"{right[o].sum()}/{len(o)}" for kind, o in zip(kinds, of, strict=True)},
        "precision": {
            kind: f"{right[given == k].sum()}/{(given == k).sum()}" for k, kind in enumerate(kinds)
        },
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arm", action="append", required=True)
    parser.add_argument("--few", default="")
    parser.add_argument("--with", dest="with_", default="")
    parser.add_argument("--cheap", action="store_true")
    parser.add_argument("--fold", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.fold is not None:
        print(json.dumps(run(given.arm[0], given.fold, given)))
        return
    given.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[Any]] = defaultdict(list)
    for fold in range(FOLDS):
        for arm in given.arm:
            name = f"{arm} {given.few} {given.with_}{' cheap' * given.cheap} {fold}.json"
            file = given.out / name
            if not file.exists():
                command = [
                    sys.executable, __file__, "--notes", given.notes, "--out", given.out, "--arm", arm,
                    "--few", given.few, "--with", given.with_, "--fold", str(fold),
                    *["--cheap"] * given.cheap,
                ]  # fmt: skip
                done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=True)
                file.write_text(done.stdout.splitlines()[-1], encoding="utf-8")
            found[arm].append(json.loads(file.read_text("utf-8")))
    for texture in ("as it is", "roughened"):
        for arm in given.arm:
            line = measured(arm, found[arm], found[given.arm[0]], texture)
            print(json.dumps(line, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
