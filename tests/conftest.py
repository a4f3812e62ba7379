"""What many tests stand on: a tiny real base model, and schools with a few notes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from nightschool.config.paths import School
from nightschool.config.settings_template import template
from nightschool.config.trusted_schools import trust

# Threads that wait sleep: two test processes that spin for one core took a hundred times as long. It
# counts when torch is imported, as does the other when huggingface_hub is.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
os.environ["HF_HUB_OFFLINE"] = "1"

# A busy machine is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

KINDS = ("decision", "lesson", "none")
OPENINGS = {
    "decision": "We chose {} over the other because it was cheaper.",
    "lesson": "The {} broke. Next time I will test it first. 次からは先に試す。",
    "none": "Buy {} and milk. 買い物メモ。",
}
THINGS = (
    "restic", "postgres", "the bicycle", "oat bread", "a lamp", "the router", "SQLite", "green tea",
    "the old laptop", "a train ticket", "the garden hose", "strings",
)  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def _apart(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["NIGHTSCHOOL_STATE"] = str(tmp_path_factory.mktemp("state"))
    os.environ.pop("NIGHTSCHOOL_SCHOOL", None)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of `make_tiny_base`, on disk."""
    return make_tiny_base(tmp_path_factory.mktemp("base") / "tiny")


def make_tiny_base(folder: Path) -> Path:
    """Write a Qwen2 model of 2 layers with random weights and a byte-level tokenizer; returns the folder.

    In bf16 and with a config that says so, as Qwen's are: nothing may take that for its own dtype.
    """
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<end>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    answers = [f" {kind}" for kind in KINDS]
    tokenizer.train_from_iterator([*answers * 9, *OPENINGS.values(), *THINGS], trainer)
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token="<end>", pad_token="<pad>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=1,
    )
    Qwen2ForCausalLM(config).bfloat16().save_pretrained(folder)
    return folder


def write_notes(folder: Path, each: int = 12) -> None:
    """`each` notes of three kinds, English and Japanese, in sub-folders."""
    for kind in KINDS:
        (folder / kind).mkdir(parents=True)
        for number in range(each):
            text = OPENINGS[kind].format(THINGS[number % len(THINGS)]) + f" ({number})"
            if number >= len(THINGS):  # or they would be near-copies
                text += " " + hashlib.sha256(text.encode()).hexdigest()
            (folder / kind / f"{kind}-{number}.md").write_text(text, encoding="utf-8")


MakeSchool = Callable[..., School]


@pytest.fixture
def make_school(tmp_path: Path) -> MakeSchool:
    """Makes schools in a folder with a space and Japanese in its name; see `new_school`."""

    def make(**tables: Any) -> School:
        return new_school(tmp_path / "my 学校", **tables)

    return make


def new_school(root: Path, each: int = 12, **tables: Any) -> School:
    """A school with `write_notes`, the cpu-demo preset and the given settings on top."""
    school = School(root)
    if each:
        write_notes(root / "notes", each)
    root.mkdir(parents=True, exist_ok=True)
    school.settings_file.write_text(template({"preset": "cpu-demo", **tables}), encoding="utf-8")
    trust(school)
    return school
