"""Hostile and broken bases and adapters: each is refused in one line, and nothing of it is executed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from nightschool.config.errors import BaseModelError, ChildError
from nightschool.config.paths import DEMO_BASE
from nightschool.config.settings import TrainSettings
from nightschool.config.settings_file import load
from nightschool.learning.base import load_base
from nightschool.learning.base_check import check_adapter, check_base, refusing
from nightschool.learning.device import pick
from nightschool.learning.hub import locate
from nightschool.learning.probe import try_base
from nightschool.tasks.child_queries import ask_to_probe
from tests.conftest import MakeSchool
from tests.learning.hostile_bases import ADAPTERS, BASES, ENDLESS, LATER, MARKER, write_json

CPU = TrainSettings(device="cpu")
posix = pytest.mark.skipif(os.name == "nt", reason="FIFOs, sockets, and links without a privilege")


def one_line(error: BaseException, folder: Path) -> str:
    text = str(error)
    assert "\n" not in text and len(text) < 900
    assert folder.name in text or "base" in text  # it says where
    return text


@pytest.fixture
def base(tiny_base: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "my 基"
    shutil.copytree(tiny_base, folder)
    return folder


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """An adapter as peft writes it."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    names = [f"base_model.model.layers.{n}.q_proj" for n in range(2)]
    shapes = {"lora_A": (8, 64), "lora_B": (64, 8)}
    tensors = {f"{n}.{ab}.weight": np.zeros(s, "f4") for n in names for ab, s in shapes.items()}
    save_file(tensors, folder / "adapter_model.safetensors")
    usual = {
        "peft_type": "LORA", "r": 8, "lora_alpha": 16, "lora_dropout": 0.05, "bias": "none",
        "target_modules": ["q_proj"], "task_type": "CAUSAL_LM", "inference_mode": True,
        "init_lora_weights": True, "auto_mapping": None, "use_dora": False, "rank_pattern": {},
        "megatron_core": "megatron.core", "qalora_group_size": 16,
        "base_model_name_or_path": "http://127.0.0.1:9/elsewhere",
    }  # fmt: skip
    write_json(folder / "adapter_config.json", usual)
    return folder


@posix
@pytest.mark.parametrize("case", BASES)
def test_hostile_base_is_refused_before_a_library_reads_it(case: str, base: Path) -> None:
    check_base(base)
    BASES[case](base)
    with pytest.raises(BaseModelError) as refusal:
        check_base(base)
    one_line(refusal.value, base)


@posix
@pytest.mark.parametrize("case", LATER)
def test_base_that_a_library_cannot_use_is_refused(case: str, base: Path) -> None:
    LATER[case](base)
    with pytest.raises(BaseModelError) as refusal:
        check_base(base)
        try_base(base)
        load_base(base, pick(CPU), "none")
    one_line(refusal.value, base)
    assert not (base.parent / MARKER).exists()


@posix
@pytest.mark.parametrize("case", ADAPTERS)
def test_hostile_adapter_is_refused_before_peft_reads_it(case: str, adapter: Path) -> None:
    check_adapter(adapter)
    ADAPTERS[case](adapter)
    with pytest.raises(BaseModelError) as refusal:
        check_adapter(adapter)
    one_line(refusal.value, adapter)


def test_weights_that_lack_a_part_are_not_filled_with_random_numbers(base: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(base / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(BaseModelError, match=r"lack 1 parts, such as .*layers\.1\.mlp\.up_proj"):
        load_base(base, pick(CPU), "none")


@posix
def test_cache_of_the_hub_links_to_its_blobs(tiny_base: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "models--a--b" / "snapshots" / "0a1b"
    blobs = tmp_path / "models--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, file in enumerate(sorted(tiny_base.iterdir())):
        shutil.copy(file, blobs / str(number))
        os.symlink(Path("../../blobs") / str(number), snapshot / file.name)
    check_base(snapshot)
    assert locate(str(snapshot), tmp_path) == snapshot


def test_bases_in_use_pass(tiny_base: Path) -> None:
    assert check_base(DEMO_BASE).parameters == pytest.approx(7.96e6, rel=0.01)
    assert check_base(tiny_base).parameters > 50_000


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), MemoryError()])
def test_error_that_may_pass_does_not_refuse_a_base(error: Exception) -> None:
    with pytest.raises(type(error)), refusing("the base"):
        raise error


@pytest.mark.slow
@posix
@pytest.mark.parametrize("case", ENDLESS)
def test_base_that_hangs_is_refused_from_outside(
    case: str, base: Path, make_school: MakeSchool
) -> None:
    """Within 20 s of computing for a template, 60 s for a tokenizer; a real child, as `doctor` has it."""
    ENDLESS[case](base)
    school = make_school(base=str(base))
    try:
        found = ask_to_probe(school, load(school.settings_file)).base_error
    except ChildError as error:  # it was killed
        found = str(error)
        assert "takes more than" in found
    assert found
    one_line(BaseModelError(found), base)
