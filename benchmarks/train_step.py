"""Seconds an optimizer step and peak memory of QLoRA on a Qwen2.5-3B shape, arm by arm, side by side.

    python benchmarks/train_step.py                        # our arms
    python benchmarks/train_step.py --arm trl --arm unsloth-8   # where trl or unsloth is installed
    python benchmarks/train_step.py --mean 900 --memory-gb 6

Needs a CUDA GPU and 13 GB of disk (`--work`), no network: the weights are random, which costs
the same arithmetic. 576 examples: 150 shared prompt tokens, log-normal notes (sigma 0.8), 3 answer
tokens; effective batch 8, LoRA r=16 on all linear layers. Each arm runs in a process of its own:
14 steps, then steps 5 to 14 again, timed (TRL and Unsloth: 4 steps to warm up, 10 timed). The first 14
capture a CUDA graph for each size of packs, which takes `making_s` seconds; `prepare_s` are the seconds
before. One JSON line per arm. `model_flops` counts what a row-by-row trainer computes: 4 operations per
weight and token (frozen weights have no gradient), each row with its prompt and without padding; `utilisation`
divides by the GPU's dense 16-bit peak (989 TFLOP/s: H100, H200).
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
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
CONFIG: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 2048, "intermediate_size": 11008,
    "num_hidden_layers": 36, "num_attention_heads": 16, "num_key_value_heads": 2,
    "max_position_embeddings": 32768, "rope_theta": 1e6, "tie_word_embeddings": True,
}  # fmt: skip
OURS: dict[str, dict[str, Any]] = {
    "packed": {},
    "packed-all-recomputed": {"activation_checkpointing": "all"},
    "packed-none-recomputed": {"activation_checkpointing": "none"},
    "packed-fp16": {"precision": "fp16"},
    "packed-inexact": {"exact": False},
}
OTHERS = ["rows-1", "rows-4", "rows-8", "trl", "unsloth-1", "unsloth-8"]


def make_base(folder: Path, layers: int = 36) -> None:
    """Write a Qwen2.5-3B (or some layers of it) with random weights and a tokenizer of numbers."""
    import torch
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    if (folder / "config.json").exists():
        return
    torch.manual_seed(0)
    with torch.device("cuda"):
        model = Qwen2ForCausalLM(Qwen2Config(**CONFIG | {"num_hidden_layers": layers}))
    model.half()  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    words = {str(number): number for number in range(VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="0"))
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
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
    from nightschool.learning.device import cap_memory, memory_limit, pick
    from nightschool.learning.encoding import Encoded
    from nightschool.learning.fast.packed_engine import PackedEngine
    from nightschool.learning.memory_plan import MemoryNeed, MemoryPlan, Shape, choose, data_size_of
    from nightschool.learning.trainer import take_step
    from nightschool.learning.training_task import TaskIdentity, TrainingTask

    settings = TrainSettings.model_validate({"memory_gb": memory_gb, **OURS.get(arm, {})})
    rows = [Encoded(prompt, answer, 0, False) for prompt, answer in examples(mean)]
    task = TrainingTask(
        notes=rows, ids=[f"{n:04}" for n in range(len(rows))], sources=[], validation=[],
        prefix=rows[0].prompt[:PROMPT], suffix=[], padding=2, settings=settings, identity=TaskIdentity(),
    )  # fmt: skip
    device = pick(settings)
    most = memory_limit(device, settings)
    load = data_size_of(rows, task.prefix, task.steps())
    need = MemoryNeed(Shape.read(base), settings, load, device.precision.compute.itemsize)
    plan, _ = choose(need, most)
    cap_memory(device, most, plan.bytes.get("graphs", 0))
    began = time.perf_counter()
    model = load_base(base, device, "nf4", base.parent / "quantised")
    torch.cuda.synchronize()
    loading = time.perf_counter() - began
    if arm.startswith("rows-"):
        plan = MemoryPlan(plan.budget, 36, {})  # `Rows.split` ignores the budget
        _rows_of(int(arm.removeprefix("rows-")))
    if arm in EXTRA:
        EXTRA[arm](model)
    began = time.perf_counter()
    engine = PackedEngine.prepare(model, task, plan, device)
    torch.cuda.synchronize()
    preparing = time.perf_counter() - began

    def step(number: int) -> None:
        take_step(engine, task, number, lambda: False)

    began = time.perf_counter()
    for number in range(1, WARM_UP + TIMED + 1):  # makes the graphs
        step(number)
    torch.cuda.synchronize()
    making = time.perf_counter() - began
    times = timed(step)
    return {
        **result(times, mean),
        "load_s": round(loading, 2),
        "prepare_s": round(preparing, 2),
        "making_s": round(making - sum(times) * (1 + WARM_UP / TIMED), 2),
        "device_gb": round(used_gb(), 3),
        "budget": plan.budget,
        "recomputed": plan.recomputed,
        "predicted_gb": round(plan.total / 1e9, 3),
        "predicted": {name: round(size / 1e6) for name, size in plan.bytes.items()},
    }


def used_gb() -> float:
    """What the GPU has in use, all processes', in GB (10^9 bytes)."""
    import torch

    free, total = torch.cuda.mem_get_info()
    return (total - free) / 1e9


def _rows_of(count: int) -> None:
    """Let the trainer take padded rows of so many notes, in their order, instead of packs."""
    from nightschool.learning.fast import packed_engine
    from nightschool.learning.fast.packing import Layout

    class Rows(Layout):
        def split(self, notes: Any, budget: int, most: int | None = None) -> list[list[int]]:
            return [list(range(n, min(n + count, len(notes)))) for n in range(0, len(notes), count)]

    def rows(model: Any, prefix: Any, padding: int, *_: Any) -> tuple[Layout, str]:
        return Rows(tuple(prefix), padding, model.device, model.dtype, "rows"), "the benchmark's"

    packed_engine.layout_for = rows  # type: ignore[assignment, attr-defined]


def with_liger(model: Any) -> None:
    """Liger's kernels for rotary embedding and SwiGLU (its norms and losses have a fused twin here)."""
    from liger_kernel.transformers import apply_liger_kernel_to_qwen2

    apply_liger_kernel_to_qwen2(
        rope=True, swiglu=True, rms_norm=False, cross_entropy=False,
        fused_linear_cross_entropy=False, model=model,
    )  # fmt: skip


def with_compile(model: Any) -> None:
    """torch.compile of each decoder layer; the adapter's own layers and the attention stay apart."""
    import torch

    from nightschool.learning.fast import adapter, attention

    adapter._forward = torch.compiler.disable(adapter._forward)  # type: ignore[no-untyped-call]
    attention._Attention.apply = torch.compiler.disable(  # type: ignore[method-assign, no-untyped-call]
        attention._Attention.apply
    )
    for layer in model.model.layers:
        layer.forward = torch.compile(layer.forward, dynamic=True)


def without_graphs(model: Any) -> None:
    """Launch kernel by kernel."""
    from nightschool.learning.fast import packed_engine

    packed_engine.reason_for_eager_passes = lambda *_: "the benchmark"  # type: ignore[attr-defined]


def with_their_nf4(model: Any) -> None:
    """bitsandbytes' dequantisation: several kernels a weight."""
    from nightschool.learning.fast import kernels

    kernels.dequantise = lambda weight, state: None


EXTRA = {
    "packed-liger": with_liger,
    "packed-compiled": with_compile,
    "packed-eager": without_graphs,
    "packed-bnb-nf4": with_their_nf4,
}


def timed(step: Callable[[int], object]) -> list[float]:
    """Seconds of each timed step."""
    import torch

    times = []
    for number in range(WARM_UP + 1, WARM_UP + TIMED + 1):
        torch.cuda.synchronize()
        began = time.perf_counter()
        step(number)
        torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return times


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

    class Clock(transformers.TrainerCallback):
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
            quantization_config=BitsAndBytesConfig(  # type: ignore[no-untyped-call]
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
    parser.add_argument("--arm", action="append", choices=[*OURS, *EXTRA, *OTHERS])
    parser.add_argument("--mean", type=int, choices=sorted(LENGTHS), default=417)
    parser.add_argument("--memory-gb", type=float, default=0.0)
    parser.add_argument("--timed", type=int, default=TIMED, help="timed steps an arm")
    parser.add_argument("--work", type=Path, default=Path("/tmp/nightschool-benchmark"))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    globals()["TIMED"] = given.timed
    base = given.work / "base"
    arms = given.arm or [*OURS, *EXTRA, "rows-1", "rows-4", "rows-8"]
    if given.here:
        print(json.dumps(run(arms[0], base, given.mean, given.memory_gb)))
        return
    make_base(base)
    for arm in arms:
        command = [sys.executable, __file__, "--here", "--arm", arm, "--work", str(given.work)]
        command += ["--mean", str(given.mean), "--memory-gb", str(given.memory_gb)]
        command += ["--timed", str(given.timed)]
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
