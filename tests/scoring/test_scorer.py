from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nightschool.config.errors import LearningError, Stopped
from nightschool.config.settings import TrainSettings
from nightschool.learning.base import load_base, load_tokenizer
from nightschool.learning.device import pick
from nightschool.learning.encoding import Encoder
from nightschool.learning.fast.batch import Batch
from nightschool.learning.fast.packing import Layout
from nightschool.scoring import scorer
from nightschool.scoring.scorer import read, score
from tests.conftest import KINDS


def test_answers_come_in_the_order_of_the_notes_and_do_not_depend_on_their_company(
    tiny_base: Path,
) -> None:
    device = pick(TrainSettings(device="cpu"))
    encoder = Encoder(load_tokenizer(tiny_base), KINDS, {}, "", 64)
    notes = [encoder.encode(text) for text in ("Buy bread. " * 3, "A lamp.", "次からは先に試す。")]
    model = load_base(tiny_base, device, "none").double()
    together = score(model, encoder, notes, device)
    alone = [score(model, encoder, [note], device)[0] for note in notes]
    for one, other in zip(together, alone, strict=True):
        assert one == pytest.approx(other, abs=1e-6)
        assert sum(one) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("way", ["packs", "rows"])
def test_features_are_the_last_hidden_states_where_the_answer_comes_next(
    tiny_base: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = pick(TrainSettings(device="cpu"))
    encoder = Encoder(load_tokenizer(tiny_base), KINDS, {}, "", 64)
    model = load_base(tiny_base, device, "none").double()
    if way == "rows":
        rows = Layout(tuple(encoder.prefix), encoder.padding, model.device, model.dtype, "rows")
        monkeypatch.setattr(scorer, "layout_for", lambda *_: (rows, ""))
    notes = [encoder.encode(text) for text in ("Buy bread. " * 3, "A lamp.", "次からは先に試す。")]
    found = read(model, encoder, notes, device, features=True)
    assert found.features is not None and found.features.shape == (3, 64)
    for note, row, probabilities in zip(notes, found.features, found.probabilities, strict=True):
        with torch.no_grad():
            alone = model(torch.tensor([note.prompt]), output_hidden_states=True)
        assert row == pytest.approx(alone.hidden_states[-1][0, -1].numpy(), abs=1e-5)
        labels = alone.logits[0, -1, list(encoder.first_tokens)].softmax(-1)
        assert probabilities == pytest.approx(labels.tolist(), abs=1e-6)
    assert read(model, encoder, notes, device).features is None
    assert not model.lm_head._forward_pre_hooks


def test_answers_that_are_no_numbers_are_one_line(tiny_base: Path) -> None:
    device = pick(TrainSettings(device="cpu"))
    encoder = Encoder(load_tokenizer(tiny_base), KINDS, {}, "", 64)
    model = load_base(tiny_base, device, "none")
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(LearningError, match=r"not finite in fp32.*train.precision") as error:
        score(model, encoder, [encoder.encode("A lamp.")], device)
    assert "\n" not in str(error.value)


def test_scoring_stops_between_two_passes(tiny_base: Path) -> None:
    device = pick(TrainSettings(device="cpu"))
    encoder = Encoder(load_tokenizer(tiny_base), KINDS, {}, "", 64)
    done: list[int] = []
    with pytest.raises(Stopped):
        score(
            load_base(tiny_base, device, "none"), encoder, [encoder.encode("A lamp.")] * 4, device,
            budget=16, progress=lambda n, _: done.append(n), should_stop=lambda: bool(done),
        )  # fmt: skip
    assert done == [1]


def test_where_memory_runs_out_fewer_notes_share_a_pass(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = pick(TrainSettings(device="cpu"))
    encoder = Encoder(load_tokenizer(tiny_base), KINDS, {}, "", 64)
    model = load_base(tiny_base, device, "none").double()
    notes = [
        encoder.encode(text) for text in ("Buy bread. " * 3, "A lamp.", "次は", "Rain.", "Tea")
    ]
    together = score(model, encoder, notes, device)
    logits, most = Batch.logits, 2
    asked: list[int] = []

    def short_of_memory(batch: Batch, of: torch.nn.Module) -> torch.Tensor:
        asked.append(len(batch.target))
        if asked[-1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return logits(batch, of)

    monkeypatch.setattr(Batch, "logits", short_of_memory)
    for one, other in zip(score(model, encoder, notes, device), together, strict=True):
        assert one == pytest.approx(other, abs=1e-6)
    assert asked[-5:] == [5, 2, 3, 1, 2]
    most = 0
    with pytest.raises(torch.OutOfMemoryError):
        score(model, encoder, notes, device)
