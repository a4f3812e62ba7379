from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import filelock
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from nightschool.config import files
from nightschool.config.settings import TrainSettings
from nightschool.learning import quantised
from nightschool.learning.base import load_base
from nightschool.learning.device import Device, pick

SHAPE: dict[str, Any] = {
    "vocab_size": 96, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
    "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1,
}  # fmt: skip
SCALED_ROPE = {
    "rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
}  # fmt: skip
ARCHITECTURES: dict[str, Callable[[], transformers.PreTrainedConfig]] = {
    "tied": lambda: transformers.Qwen2Config(**SHAPE, tie_word_embeddings=True),
    "untied, scaled rope": lambda: transformers.LlamaConfig(**SHAPE, rope_parameters=SCALED_ROPE),
    "scaled embedding": lambda: transformers.Gemma3TextConfig(**SHAPE, head_dim=16),
    "transposed linear": lambda: transformers.GPT2Config(
        vocab_size=96,
        n_embd=64,
        n_layer=2,
        n_head=4,
        n_positions=64,
        bos_token_id=0,
        eos_token_id=0,
    ),
    "fused experts": lambda: transformers.MixtralConfig(**SHAPE, num_local_experts=4),
}
VERSIONS = quantised._versions()


class Told:
    """Remembers what is said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def __call__(self, kind: str, message: str) -> None:
        assert "\n" not in message
        self.said.append((kind, message))

    @property
    def warnings(self) -> list[str]:
        return [message for kind, message in self.said if kind == "warning"]


def on_cpu(precision: str) -> Device:
    """The CPU; in bf16 also where it only emulates that, which the settings refuse."""
    device = pick(TrainSettings(device="cpu", threads=1))
    compute = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    return replace(device, precision=replace(device.precision, name=precision, compute=compute))


@pytest.fixture(scope="module")
def device() -> Device:
    return on_cpu("fp32")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "quantised"


def folders(cache: Path) -> list[Path]:
    return sorted(path for path in cache.iterdir() if path.is_dir())


def bits(model: PreTrainedModel) -> dict[str, tuple[object, ...]]:
    """Every number that the model holds, and what it means, by name."""
    found: dict[str, tuple[object, ...]] = {}

    def note(name: str, tensor: torch.Tensor, *more: object) -> None:
        raw = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
        found[name] = (tensor.dtype, tensor.shape, raw.numpy().tobytes(), *more)

    tensors = [*model.named_parameters(remove_duplicate=False), *model.named_buffers()]
    for name, tensor in tensors:
        note(name, tensor, type(tensor), tensor.requires_grad)
        for depth, state in enumerate(states(tensor)):
            note(f"{name} {depth} absmax", state.absmax, state.blocksize, state.quant_type)
            note(f"{name} {depth} code", state.code, state.dtype, state.shape)
            if state.offset is not None:
                note(f"{name} {depth} offset", state.offset)
    for name, module in model.named_modules():
        found[f"module {name}"] = (type(module), getattr(module, "compute_dtype", None))
    return found


def states(tensor: torch.Tensor) -> list[Any]:
    """A quantised tensor's state, and the one of its scales."""
    state = getattr(tensor, "quant_state", None)
    return [] if state is None else [state, state.state2]


def logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.arange(40).view(2, 20) + 3).logits  # type: ignore[no-any-return]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_kept_base_has_the_bits_of_a_fresh_one(tmp_path: Path, name: str, precision: str) -> None:
    device = on_cpu(precision)
    base, cache, told = tmp_path / "base", tmp_path / "quantised", Told()
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
        ARCHITECTURES[name]()
    )
    model.to(torch.float16).save_pretrained(base)
    fresh = load_base(base, device, "nf4")
    first, kept = (load_base(base, device, "nf4", cache, told) for _ in range(2))
    assert [kind for kind, _ in told.said] == ["state"]
    assert any(states(weight) for weight in fresh.parameters())
    assert bits(fresh) == bits(first) == bits(kept)
    assert not any(w.data_ptr() % 64 for w in kept.parameters() if not states(w))
    assert torch.equal(logits(fresh), logits(first))
    assert torch.equal(logits(fresh), logits(kept))
    assert bits(fresh) == bits(kept)  # not repacked by their forward passes
    assert fresh.config.to_dict() == first.config.to_dict() == kept.config.to_dict()
    assert fresh.config.dtype == first.config.dtype == kept.config.dtype


def test_the_16_bit_weights_are_read_again_only_where_they_changed(
    tmp_path: Path, cache: Path, device: Device
) -> None:
    base = tmp_path / "base"
    shape = {**SHAPE, "hidden_size": 256, "intermediate_size": 512}
    transformers.LlamaForCausalLM(transformers.LlamaConfig(**shape)).save_pretrained(base)
    made = bits(load_base(base, device, "nf4", cache))
    weights = base / "model.safetensors"
    before = weights.stat()
    with weights.open("r+b") as stream:  # beyond the megabyte that tells one base from another
        stream.seek(1 << 20)
        stream.write(b"\x01" * (before.st_size - (1 << 20)))
    changed = bits(load_base(base, device, "nf4"))
    assert bits(load_base(base, device, "nf4", cache)) == changed != made
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert bits(load_base(base, device, "nf4", cache)) == made


def test_adapters_name_the_base_and_not_the_cache(
    tiny_base: Path, cache: Path, device: Device
) -> None:
    for _ in range(2):
        model = load_base(tiny_base, device, "nf4", cache)
        assert model.name_or_path == model.config._name_or_path == str(tiny_base)


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: _flip(folder / "model.safetensors"),
        lambda folder: _flip(folder / "config.json"),
        lambda folder: os.truncate(folder / "model.safetensors", 5000),
        lambda folder: (folder / "model.safetensors").write_bytes(b""),
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.json").write_text("{", encoding="utf-8"),
        lambda folder: (folder / "manifest.json").write_text('{"sha256": {}}', encoding="utf-8"),
    ],
)
def test_a_damaged_cache_is_told_and_made_again(
    tiny_base: Path, cache: Path, device: Device, damage: Callable[[Path], object]
) -> None:
    made = bits(load_base(tiny_base, device, "nf4", cache))
    (folder,) = folders(cache)
    damage(folder)
    told = Told()
    assert bits(load_base(tiny_base, device, "nf4", cache, told)) == made
    (warning,) = told.warnings
    assert f"quantised base {folder.name} is damaged" in warning and "made again" in warning
    assert folders(cache) == [folder]
    quantised.verify(folder)


def test_an_undamaged_cache_that_cannot_be_loaded_is_passed_by(
    tiny_base: Path, cache: Path, device: Device
) -> None:
    made = bits(load_base(tiny_base, device, "nf4", cache))
    (folder,) = folders(cache)
    weights, manifest = folder / "model.safetensors", folder / "manifest.json"
    tensors = {name: tensor.clone() for name, tensor in load_file(weights).items()}
    del tensors["model.norm.weight"]
    save_file(tensors, weights, {"format": "pt"})
    content = json.loads(manifest.read_text("utf-8"))
    content["sha256"][weights.name] = files.sha256(weights)
    manifest.write_text(json.dumps(content), encoding="utf-8")
    told = Told()
    assert bits(load_base(tiny_base, device, "nf4", cache, told)) == made
    (warning,) = told.warnings
    assert "cannot be used (missing_keys: model.norm.weight)" in warning


def test_another_base_has_a_cache_of_its_own(
    tiny_base: Path, tmp_path: Path, cache: Path, device: Device
) -> None:
    other = shutil.copytree(tiny_base, tmp_path / "other")
    config = json.loads((other / "config.json").read_text("utf-8"))
    (other / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.1}), "utf-8")
    for base in (tiny_base, other):
        kept = [load_base(base, device, "nf4", cache) for _ in range(2)]
        assert kept[1].config.rms_norm_eps == kept[0].config.rms_norm_eps
    assert len(folders(cache)) == 2


@pytest.mark.parametrize("module", VERSIONS)
def test_a_cache_of_another_version_is_not_used(
    tiny_base: Path, cache: Path, device: Device, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    load_base(tiny_base, device, "nf4", cache)
    monkeypatch.setattr(quantised, "_versions", lambda: {**VERSIONS, module: "99.0"})
    told = Told()
    load_base(tiny_base, device, "nf4", cache, told)
    assert [kind for kind, _ in told.said] == ["state"]
    assert len(folders(cache)) == 2


def test_the_last_used_are_kept(tiny_base: Path, cache: Path) -> None:
    def load(precision: str) -> Told:
        told = Told()
        load_base(tiny_base, on_cpu(precision), "nf4", cache, told)
        return told

    load("fp32")
    os.utime(folders(cache)[0], (0, 0))
    for number in (1, 2):
        (cache / f"old-{number}").mkdir()
        os.utime(cache / f"old-{number}", (number, number))
    load("fp32")
    load("bf16")
    assert len(folders(cache)) == quantised.KEPT == 2
    assert not load("fp32").said and not load("bf16").said


def _no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("step", ["sha256", "sync_tree", "replace"])
def test_a_full_disk_costs_the_cache_and_not_the_run(
    tiny_base: Path, cache: Path, device: Device, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(files, step, _no_space)
    told = Told()
    made = bits(load_base(tiny_base, device, "nf4", cache, told))
    (warning,) = told.warnings
    assert "cannot be cached" in warning and "No space left" in warning
    monkeypatch.undo()
    assert not list(cache.glob("*.tmp"))
    for folder in folders(cache):
        quantised.verify(folder)
    assert bits(load_base(tiny_base, device, "nf4", cache)) == made


def test_a_really_full_disk_costs_the_cache_and_not_the_run(
    tiny_base: Path, cache: Path, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantised, "FREE_BYTES", -(10**9))
    cache.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(cache)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small disk can only be mounted by root on Linux")
    try:
        told = Told()
        load_base(tiny_base, device, "nf4", cache, told)
        (warning,) = told.warnings
        assert "cannot be cached" in warning and "No space left" in warning
        assert not folders(cache)
    finally:
        subprocess.run(["umount", str(cache)], check=True)


def test_a_base_that_cannot_be_written_is_used_all_the_same(
    tiny_base: Path, cache: Path, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("some tensors share memory")

    monkeypatch.setattr(PreTrainedModel, "save_pretrained", refuse)
    told = Told()
    load_base(tiny_base, device, "nf4", cache, told)
    (warning,) = told.warnings
    assert "cannot be cached" in warning and "share memory" in warning
    assert not folders(cache)


def test_without_room_to_spare_nothing_is_kept(
    tiny_base: Path, cache: Path, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantised, "FREE_BYTES", 10**18)
    told = Told()
    load_base(tiny_base, device, "nf4", cache, told)
    (warning,) = told.warnings
    assert "GB free and needs" in warning and "every start quantises it again" in warning
    assert not folders(cache)


def test_what_a_killed_process_left_is_removed(
    tiny_base: Path, cache: Path, device: Device
) -> None:
    rest = cache / "0123456789abcdef.tmp"
    rest.mkdir(parents=True)
    load_base(tiny_base, device, "nf4", cache)
    assert not rest.exists() and len(folders(cache)) == 1


def test_a_cache_that_another_process_writes_is_left_to_it(
    tiny_base: Path, cache: Path, device: Device
) -> None:
    cache.mkdir()
    told = Told()
    with filelock.FileLock(cache / "write.lock"):
        load_base(tiny_base, device, "nf4", cache, told)
    assert not told.said and not folders(cache)


def test_an_unquantised_base_is_not_kept(tiny_base: Path, cache: Path, device: Device) -> None:
    load_base(tiny_base, device, "none", cache)
    assert not cache.exists()
