"""Embeddings of a tiny model on disk, as sentence-transformers would make them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from nightschool.config.errors import LearningError, Stopped
from nightschool.scoring.embeddings import embed

CPU = torch.device("cpu")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "buy", "milk", "we", "chose", "restic", "topic"]
TEXTS = ["buy milk", "we chose restic", "milk", "buy " * 60]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    path = tmp_path / "my モデル"
    numbers = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]"
    ).save_pretrained(path)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=32,
    )  # fmt: skip
    BertModel(config).train(False).save_pretrained(path)
    return path


def module(
    folder: Path, number: int, name: str, config: Mapping[str, object] | None = None
) -> dict[str, object]:
    path = f"{number}_{name}" if number else ""
    if config is not None:
        (folder / path).mkdir(exist_ok=True)
        (folder / path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return {"idx": number, "path": path, "type": f"sentence_transformers.models.{name}"}


def pool(folder: Path, config: Mapping[str, object]) -> None:
    modules = [
        module(folder, 0, "Transformer"),
        module(folder, 1, "Pooling", config),
        module(folder, 2, "Normalize"),
    ]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")


def by_hand(folder: Path, text: str, pooling: str) -> np.ndarray:
    """A text by itself, so without padding."""
    from transformers import AutoModel, AutoTokenizer

    ids = AutoTokenizer.from_pretrained(folder)(text, truncation=True, max_length=32)["input_ids"]
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(folder)(torch.tensor([ids])).last_hidden_state[0]
    vector: np.ndarray = {"mean": hidden.mean(0), "cls": hidden[0], "lasttoken": hidden[-1]}[
        pooling
    ].numpy()
    vector /= np.linalg.norm(vector)
    return vector


@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
def test_each_text_is_pooled_as_the_model_says_whatever_its_company(
    folder: Path, pooling: str
) -> None:
    name = {"mean": "mean_tokens", "cls": "cls_token"}.get(pooling, pooling)
    flags = {
        f"pooling_mode_{key}": key == name for key in ("mean_tokens", "cls_token", "lasttoken")
    }
    for config in ({"word_embedding_dimension": 16, **flags}, {"pooling_mode": pooling}):
        pool(folder, config)
        found = embed(folder, TEXTS, CPU)
        assert found.shape == (4, 16)
        for row, text in zip(found, TEXTS, strict=True):
            assert row == pytest.approx(by_hand(folder, text, pooling), abs=1e-5)


def test_a_model_without_a_word_on_pooling_is_averaged(folder: Path) -> None:
    assert embed(folder, ["buy milk"], CPU)[0] == pytest.approx(
        by_hand(folder, "buy milk", "mean"), abs=1e-5
    )


def test_a_models_own_prompt_stands_before_the_text(folder: Path) -> None:
    kept = {"prompts": {"query": "we ", "Classification": "topic "}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(kept), encoding="utf-8")
    assert embed(folder, ["milk"], CPU)[0] == pytest.approx(
        by_hand(folder, "topic milk", "mean"), abs=1e-5
    )


def test_what_cannot_be_used_is_one_line(folder: Path, tmp_path: Path) -> None:
    def said(path: Path) -> str:
        with pytest.raises(LearningError) as caught:
            embed(path, ["milk"], CPU)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    (tmp_path / "empty").mkdir()
    assert "contains no model" in said(tmp_path / "empty")
    pool(folder, {"pooling_mode_weightedmean_tokens": True})
    assert "pooling by weightedmean_tokens cannot be used" in said(folder)
    modules = [module(folder, 0, "Transformer"), module(folder, 1, "Dense", {})]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    assert "module 'Dense' cannot be used" in said(folder)
    (folder / "modules.json").write_text("{", encoding="utf-8")
    assert "modules.json cannot be read" in said(folder)


def test_weights_that_would_have_to_be_unpickled_are_not_loaded(folder: Path) -> None:
    from safetensors.torch import load_file

    weights = folder / "model.safetensors"
    torch.save(load_file(weights), folder / "pytorch_model.bin")
    weights.unlink()
    with pytest.raises(LearningError, match=r"has pytorch_model\.bin but no model\.safetensors"):
        embed(folder, ["milk"], CPU)


def test_it_stops_between_two_passes(folder: Path) -> None:
    with pytest.raises(Stopped):
        embed(folder, TEXTS, CPU, should_stop=lambda: True)
