"""Seconds an optimizer step and peak memory of QLoRA on a Qwen2.5-3B shape, arm by arm, side by side.

    python benchmarks/train_step.py                        # our arms
    python benchmarks/train_step.py --arm trl --arm unsloth-8   # where trl or unsloth is installed
    python benchmarks/train_step.py --mean 900 --memory-gb 6

Needs a CUDA GPU and 13 GB of disk (`--work`), no network: the weights are random, which costs
the same arithmetic. 576 examples: 150 shared prompt tokens, log-normal notes (sigma 0.8), 3 answer
tokens; effective batch 8, LoRA r=16 on all linear layers. Each arm runs in a process of its own:
4 steps to warm up, 10 timed. `prepare_s` is what comes before the first step: with "top-12" it holds
running the other layers once for every example. One JSON line an arm. `model_flops` counts what a
row-by-row trainer has to do: 4 operations a weight and token (frozen weights have no gradient), each
row with its prompt and without padding; `utilisation` divides by the GPU's dense 16-bit peak (989
TFLOP/s: H100, H200).
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

WARM_UP, TIMED = 4, 10
EXAMPLES, PROMPT, ANSWER, BATCH = 576, 150, 3, 8
VOCABULARY = 151_936
# Median and cut of the notes that give a mean length (prompt and answer included) of the key.
LENGTHS = {417: (200, 1024), 900: (600, 2048)}
PEAK_FLOPS = 989e12
CONFIG = {
    "vocab_size": VOCABULARY, "hidden_size": 2048, "intermediate_size": 11008,
    "num_hidden_layers": 36, "num_attention_heads": 16, "num_key_value_heads": 2,
    "max_position_embeddings": 32768, "rope_theta": 1e6, "tie_word_embeddings": True,
}  # fmt: skip
OURS = {
    "packed": {},
    "packed-all-recomputed": {"activation_checkpointing": "all"},
    "packed-none-recomputed": {"activation_checkpointing": "none"},
    "packed-fp16": {"precision": "fp16"},
    "packed-inexact": {"exact": False},
    "top-12": {"layers": "top:12"},
}
OTHERS = ["rows-1", "rows-4", "rows-8", "trl", "unsloth-1", "unsloth-8"]


def make_base(folder: Path) -> None:
    """Write a Qwen2.5-3B with random weights and a tokenizer of numbers."""
    import torch
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    if (folder / "config.json").exists():
        return
    torch.manual_seed(0)
    with torch.device("cuda"):
        model = Qwen2ForCausalLM(Qwen2Config(**CONFIG)).to(torch.float16)
    model.save_pretrained(folder)
    words = {str(number): number for number in range(VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="0"))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="1", pad_token="2"
    ).save_pretrained(folder)


def examples(mean: int) -> Iterator[tuple[list[int], list[int]]]:
    """Prompt-and-note and answer of each example, as token ids."""
    median, cut = LENGTHS[mean]
    numbers = random.Random(0)
    prompt = [numbers.randrange(10, VOCABULARY) for _ in range(PROMPT)]
    for _ in range(EXAMPLES):
        length = min(cut, max(8, round(numbers.lognormvariate(math.log(median), 0.8))))
        note = [numbers.randrange(10, VOCABULARY) for _ in range(length)]
        yield [*prompt, *note], [numbers.randrange(10, VOCABULARY) for _ in range(ANSWER)]


def ours(arm: str, base: Path, mean: int, memory_gb: float) -> dict[str, Any]:
    import torch

    from nightschool.config.settings import TrainSettings
    from nightschool.learning.base import load_base
    from nightschool.learning.device import cap, pick, room
    from nightschool.learning.encoding import Encoded
    from nightschool.learning.lower import Place
    from nightschool.learning.packing import Layout
    from nightschool.learning.plan import Plan, Shape, choose, load_of
    from nightschool.learning.trainer import Task, prepare, take_step

    settings = TrainSettings.model_validate({"memory_gb": memory_gb, **OURS.get(arm, {})})
    rows = [Encoded(prompt, answer, 0, False) for prompt, answer in examples(mean)]
    task = Task(
        notes=rows, ids=[f"{n:04}" for n in range(len(rows))], sources=[], validation=[],
        prefix=rows[0].prompt[:PROMPT], padding=2, settings=settings, identity={},
    )  # fmt: skip
    device = pick(settings)
    most = room(device, settings)
    plan, _ = choose(
        Shape.read(base), settings, load_of(rows, task.prefix, task.steps()),
        device.precision.compute.itemsize, most,
    )  # fmt: skip
    cap(device, most)
    began = time.perf_counter()
    model = load_base(base, device, "nf4")
    torch.cuda.synchronize()
    loading = time.perf_counter() - began
    if arm.startswith("rows-"):
        at_once = int(arm.removeprefix("rows-"))
        plan = Plan(10**9, 36, {})
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=base.parent) as folder:
        kept = Place(Path(folder), {}, lambda kind, text: None, lambda: False)
        student = prepare(model, task, plan, device, kept)
    torch.cuda.synchronize()
    preparing = time.perf_counter() - began
    if arm.startswith("rows-"):
        layout = student.layout
        student.layout = Layout(layout.prefix, 2, layout.device, layout.dtype, "rows")
        Layout.split = lambda self, notes, budget: [  # type: ignore[method-assign]
            list(range(start, min(start + at_once, len(notes))))
            for start in range(0, len(notes), at_once)
        ]
    torch.cuda.reset_peak_memory_stats()
    times = timed(lambda step: take_step(student, task, step, lambda: False))
    return {
        **result(times, mean),
        "load_s": round(loading, 2),
        "prepare_s": round(preparing, 2),
        "budget": plan.budget,
        "recomputed": plan.recomputed,
        "predicted_gb": round(plan.total / 1e9, 3),
        "predicted": {name: round(size / 1e6) for name, size in plan.bytes.items()},
    }


def timed(step: Callable[[int], object]) -> list[float]:
    """Seconds of each timed step; `step` is called with numbers from 1 on."""
    import torch

    times = []
    for number in range(1, WARM_UP + TIMED + 1):
        torch.cuda.synchronize()
        began = time.perf_counter()
        step(number)
        torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return times[WARM_UP:]


def result(times: list[float], mean: int) -> dict[str, Any]:
    import torch

    tokens = sum(len(prompt) + len(answer) for prompt, answer in examples(mean)) / EXAMPLES * BATCH
    hidden, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    weights = 36 * (2 * hidden * hidden + 2 * hidden * 256 + 3 * hidden * inner)
    seconds = sum(times) / len(times)
    return {
        "s_per_step": round(seconds, 4),
        "slowest_s": round(max(times), 4),
        "notes_per_s": round(BATCH / seconds, 2),
        "peak_gb": round(torch.cuda.max_memory_allocated() / 1e9, 3),
        "reserved_gb": round(torch.cuda.max_memory_reserved() / 1e9, 3),
        "tokens_a_step": round(tokens),
        "model_flops": 4 * weights * tokens,
        "utilisation": round(4 * weights * tokens / seconds / PEAK_FLOPS, 4),
    }


def through_trl(base: Path, mean: int, model: Any = None, at_once: int = 1) -> dict[str, Any]:
    """The first author's recipe through TRL; with `model`, the same through Unsloth's patches."""
    import torch
    import transformers
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
    from trl import SFTConfig, SFTTrainer

    rows = list(examples(mean))
    data = Dataset.from_dict(
        {
            "input_ids": [[*prompt, *answer] for prompt, answer in rows],
            "completion_mask": [[0] * len(prompt) + [1] * len(answer) for prompt, answer in rows],
        }
    )
    times: list[float] = []
    began = [0.0]

    class Clock(transformers.TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            torch.cuda.synchronize()
            if len(times) == WARM_UP:
                torch.cuda.reset_peak_memory_stats()
            began[0] = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            torch.cuda.synchronize()
            times.append(time.perf_counter() - began[0])

    lora = None
    if model is None:
        model = AutoModelForCausalLM.from_pretrained(
            base, dtype=torch.float16, device_map={"": 0},
            quantization_config=BitsAndBytesConfig(
                load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=torch.float16,
            ),
        )  # fmt: skip
        lora = LoraConfig(
            r=16, lora_alpha=32, lora_dropout=0.05, task_type="CAUSAL_LM",
            target_modules=[
                "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
            ],
        )  # fmt: skip
    unsloth = lora is None
    config = SFTConfig(
        output_dir=str(base.parent / "trl"), per_device_train_batch_size=at_once,
        gradient_accumulation_steps=BATCH // at_once, max_steps=WARM_UP + TIMED,
        learning_rate=2e-4, optim="paged_adamw_8bit", gradient_checkpointing=not unsloth,
        fp16=False, bf16=unsloth, max_length=None, logging_strategy="no", save_strategy="no",
        report_to="none", completion_only_loss=True,
    )  # fmt: skip
    trainer = SFTTrainer(
        model=model, args=config, train_dataset=data, peft_config=lora, callbacks=[Clock()],
        processing_class=AutoTokenizer.from_pretrained(base),
    )  # fmt: skip
    trainer.train()
    return result(times[WARM_UP:], mean)


def through_unsloth(base: Path, mean: int, at_once: int) -> dict[str, Any]:
    from unsloth import FastLanguageModel

    model, _ = FastLanguageModel.from_pretrained(
        str(base), load_in_4bit=True, max_seq_length=4096, dtype=None
    )
    model = FastLanguageModel.get_peft_model(
        model, r=16, lora_alpha=32, lora_dropout=0, use_gradient_checkpointing="unsloth"
    )
    return through_trl(base, mean, model, at_once)


def run(arm: str, base: Path, mean: int, memory_gb: float) -> dict[str, Any]:
    if arm == "trl":
        return through_trl(base, mean)
    if arm.startswith("unsloth-"):
        return through_unsloth(base, mean, int(arm.removeprefix("unsloth-")))
    return ours(arm, base, mean, memory_gb)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--arm", action="append", choices=[*OURS, *OTHERS])
    parser.add_argument("--mean", type=int, choices=sorted(LENGTHS), default=417)
    parser.add_argument("--memory-gb", type=float, default=0.0)
    parser.add_argument("--work", type=Path, default=Path("/tmp/nightschool-benchmark"))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    base = given.work / "base"
    arms = given.arm or [*OURS, "rows-1", "rows-4", "rows-8"]
    if given.here:
        print(json.dumps(run(arms[0], base, given.mean, given.memory_gb)))
        return
    make_base(base)
    for arm in arms:
        command = [sys.executable, __file__, "--here", "--arm", arm, "--work", str(given.work)]
        command += ["--mean", str(given.mean), "--memory-gb", str(given.memory_gb)]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
        lines = done.stdout.strip().splitlines()
        asked = {"arm": arm, "mean_tokens": given.mean, "memory_gb": given.memory_gb}
        found = (
            json.loads(lines[-1])
            if done.returncode == 0
            else {"error": done.stderr.strip().splitlines()[-3:]}
        )
        print(json.dumps(asked | found), flush=True)


if __name__ == "__main__":
    main()
