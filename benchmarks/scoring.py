"""Notes scored per second: one `generate` call per note, and the scorer, alternating in one run.

    python benchmarks/scoring.py                    # the included base model on a CPU, about three minutes
    python benchmarks/scoring.py --device cuda      # a Qwen2.5-3B shape, under a minute

On a CPU: the demo's notes and base (NF4). On CUDA: the random weights and examples of
`train_step.py` (150 shared prompt tokens; 417 tokens per note on average, prompt included), which need
7 GB of disk (`--work`). `--prompt` is the number of tokens before every note: 0 for the included
prompt, 150 for instructions, 500 or 1000 for few-shot examples.

Arms: "generate-3" and "generate-16" sort as a chat model does, with transformers' own greedy `generate`
and its KV cache, one note per call. They generate the tokens of the longest answer (3), which is the
minimum, or 16, enough for a sentence from an untrained model. "packs" is the scorer with the prompt
computed in every pack, "scorer" computes the prompt's keys and values once. The arms alternate `--rounds`
times; `generate` gets a part of the notes (`--generated`). Prints one JSON line per arm with the median
and the range over the rounds, in wall-clock time and, on a CPU, in processor time (which other programs
do not affect: use one thread to compare). `difference` is the largest deviation of the label
probabilities from those of `generate`'s first step.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from nightschool.config.paths import DEMO_BASE
from nightschool.config.settings import TrainSettings
from nightschool.learning.base import load_base, load_tokenizer
from nightschool.learning.device import Device, pick
from nightschool.learning.encoding import Encoded, Encoder
from nightschool.notes.readers import read_notes
from nightschool.scoring import scorer

LONG = 16
DEMO_NOTES = Path(__file__).parents[1] / "nightschool/demo/notes"


@dataclass(frozen=True, slots=True)
class Prompted:
    """What the scorer needs of an encoder."""

    prefix: list[int]
    padding: int
    longest: int
    first_tokens: tuple[int, ...]
    answer: int
    """Tokens of the longest answer."""


def on_cpu(prompt: int, count: int) -> tuple[Prompted, list[Encoded]]:
    """The demo's notes, with `prompt` arbitrary tokens before them."""
    found = sorted(read_notes(DEMO_NOTES).notes, key=lambda note: note.source)
    random.Random(0).shuffle(found)
    kinds = sorted({note.kind for note in found if note.kind})
    encoder = Encoder(load_tokenizer(DEMO_BASE), kinds, {}, "", 320)
    extra = [random.Random(0).randrange(10, 8000) for _ in range(prompt)]
    notes = [encoder.encode(note.text) for note in found[:count]]
    answers = [len(encoder.encode("", kind).answer) for kind in kinds]
    asked = Prompted(
        [*extra, *encoder.prefix], encoder.padding, encoder.longest + len(extra),
        encoder.first_tokens, max(answers),
    )  # fmt: skip
    return asked, [Encoded([*extra, *note.prompt], [], -1, False) for note in notes]


def on_cuda(prompt: int, count: int) -> tuple[Prompted, list[Encoded]]:
    from train_step import ANSWER, PROMPT, VOCABULARY, examples

    numbers = random.Random(1)
    extra = [numbers.randrange(10, VOCABULARY) for _ in range(max(0, prompt - PROMPT))]
    rows = [[*extra, *ids] for ids, _ in examples(417)][:count]
    asked = Prompted(
        rows[0][: len(extra) + PROMPT],
        2,
        max(map(len, rows)) + ANSWER,
        (20, 30, 40, 50, 60),
        ANSWER,
    )
    return asked, [Encoded(row, [], -1, False) for row in rows]


Rows = list[list[float]]
Arm = Callable[[Any, Prompted, Sequence[Encoded], Device], Rows]


@torch.no_grad()
def by_generating(
    model: Any, asked: Prompted, notes: Sequence[Encoded], device: Device, tokens: int
) -> Rows:
    """One call per note; returns the label probabilities of its first step."""
    base_attention = model.config._attn_implementation
    model.set_attn_implementation("sdpa")
    rows = []
    for note in notes:
        ids = torch.tensor([note.prompt], device=device.torch)
        found = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, do_sample=False,
            return_dict_in_generate=True, output_logits=True, pad_token_id=asked.padding,
        )  # fmt: skip
        rows.append(found.logits[0][0].float()[list(asked.first_tokens)].softmax(-1).tolist())
    model.set_attn_implementation(base_attention)
    return rows


def by_packs(model: Any, asked: Prompted, notes: Sequence[Encoded], device: Device) -> Rows:
    from nightschool.learning.memory_plan import Shape, cheapest

    budget = cheapest(Shape.of(model.config.to_dict()), len(asked.prefix))
    budget = budget if device.torch.type == "cpu" else max(budget, 4096)
    with mock.patch.object(scorer, "cache_prompt", lambda model, layout: (layout, "")):
        return scorer.score(model, asked, notes, device, budget)  # type: ignore[arg-type]


def by_scorer(model: Any, asked: Prompted, notes: Sequence[Encoded], device: Device) -> Rows:
    return scorer.score(model, asked, notes, device)  # type: ignore[arg-type]


def timed(
    arm: Arm, model: Any, asked: Prompted, notes: Sequence[Encoded], device: Device
) -> tuple[float, float, Rows]:
    """Notes per second in wall-clock and in processor time, and the probabilities."""
    clock, processor = time.perf_counter(), time.process_time()
    found = arm(model, asked, notes, device)
    if device.torch.type == "cuda":
        torch.cuda.synchronize()
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    return len(notes) / clock, len(notes) / processor, found


def compare(
    model: Any, asked: Prompted, notes: Sequence[Encoded], device: Device, given: argparse.Namespace
) -> None:
    """Print a line for each arm."""
    arms: dict[str, Arm] = {
        f"generate-{tokens}": partial(by_generating, tokens=tokens)
        for tokens in (asked.answer, LONG)
    }
    arms |= {"packs": by_packs, "scorer": by_scorer}
    parts = {
        name: notes[: given.generated] if name.startswith("generate") else notes for name in arms
    }
    runs: dict[str, list[tuple[float, float, Rows]]] = {name: [] for name in arms}
    for turn in range(given.rounds + 1):
        for name, arm in arms.items():
            # The first round warms up.
            run = timed(arm, model, asked, parts[name] if turn else parts[name][:2], device)
            runs[name] += [run] * (turn > 0)
    reference = torch.tensor(runs[f"generate-{LONG}"][0][2])
    for name, found in runs.items():
        rows = torch.tensor(found[0][2][: len(reference)])
        line = {
            "arm": name,
            "device": device.label,
            "prompt_tokens": len(asked.prefix),
            "mean_tokens": round(sum(len(note.prompt) for note in notes) / len(notes), 1),
            "notes": len(parts[name]),
            "notes_per_s": spread([clock for clock, _, _ in found]),
            "difference": float(f"{float((rows - reference).abs().max()):.2g}"),
        }
        if device.torch.type == "cpu":
            line["notes_per_cpu_s"] = spread([processor for _, processor, _ in found])
        print(json.dumps(line, ensure_ascii=False), flush=True)


def spread(values: list[float]) -> list[float]:
    """Median, minimum and maximum."""
    return [round(value, 2) for value in (statistics.median(values), min(values), max(values))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--prompt", type=int, action="append", help="tokens before every note")
    parser.add_argument("--notes", type=int, help="how many are scored")
    parser.add_argument("--generated", type=int, help="how many of them by generate")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: all cores")
    parser.add_argument("--layers", type=int, default=36, help="of the 3B shape")
    parser.add_argument("--work", type=Path, default=Path("/tmp/nightschool-scoring"))
    given = parser.parse_args()
    cuda = given.device == "cuda"
    given.generated = given.generated or (6 if cuda else 24)
    device = pick(TrainSettings(device=given.device, threads=given.threads, exact=False))
    began = time.perf_counter()
    if cuda:
        from train_step import make_base

        make_base(given.work / "base", given.layers)
        model = load_base(given.work / "base", device, "nf4")
    else:
        model = load_base(DEMO_BASE, device, "nf4")
    print(json.dumps({"loading_s": round(time.perf_counter() - began, 1)}), flush=True)
    make, some = (on_cuda, 256) if cuda else (on_cpu, 96)
    for prompt in given.prompt or ([150, 1000] if cuda else [0, 150, 500]):
        asked, notes = make(prompt, given.notes or some)
        compare(model, asked, notes, device, given)


if __name__ == "__main__":
    main()
