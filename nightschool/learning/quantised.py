"""The base in NF4, kept in the school: quantised once, then loaded as it is.

A cache is a folder named by all that its bits depend on: a model as transformers writes it, and
`manifest.json` with the sha256 of each file. It is written aside, synced, then renamed. It can
always be made again, so nothing that is wrong with it ends a run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bitsandbytes
import filelock
import torch
import transformers
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from nightschool.config.errors import LearningError, first_line
from nightschool.config.files import replace, sync_tree
from nightschool.learning.checkpoints import file_sha256
from nightschool.learning.device import Device
from nightschool.learning.hub import fingerprint

KEPT = 2
FREE_BYTES = 2_000_000_000
"""Left on the disk for checkpoints and everything else."""
_FORMAT = 1
# Small enough to be hashed side by side, and for the copy in memory while a GPU's are written.
_SHARD = "500MB"

Say = Callable[[str, str], None]
"""Called with a kind ("state", "warning") and one line."""


def silent(kind: str, message: str) -> None:
    """Tells nobody."""


def nf4(compute: torch.dtype) -> BitsAndBytesConfig:
    """NF4 with double quantisation (QLoRA: Dettmers et al. 2023, arXiv:2305.14314)."""
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )


def load(
    cache: Path,
    base: Path,
    device: Device,
    config: BitsAndBytesConfig,
    quantise: Callable[[], PreTrainedModel],
    say: Say,
) -> PreTrainedModel:
    """The quantised base from `cache`, else from `quantise`, whose result is then kept there."""
    made_of = _made_of(base, device, config)
    text = json.dumps(made_of, sort_keys=True)
    folder = cache / hashlib.sha256(text.encode()).hexdigest()[:16]
    if folder.is_dir():
        try:
            verify(folder)
            model = _read(folder, base, device)
            with contextlib.suppress(OSError):
                os.utime(folder)  # the one that was used last is dropped last
            return model
        except LearningError as error:
            say("warning", f"{error}: it is dropped and made again from {base}")
            _drop(folder)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            # Its bytes are right, so making it again would not help.
            why = first_line(error)
            say("warning", f"quantised base {folder.name} cannot be used ({why}): {base} is read")
    model = quantise()
    _keep(model, folder, made_of, say)
    return model


def verify(folder: Path) -> None:
    """Raises LearningError where a file is missing or differs from its sha256.

    Each byte, each time: a GB takes a core 0.5 s, 1.3 s without SHA instructions (measured, and
    up to four shards are read at once), the file system has it in memory for the loading that
    follows, and a chunk lasts minutes.
    """
    damaged = f"quantised base {folder.name} is damaged"
    try:
        sums = json.loads((folder / "manifest.json").read_text("utf-8"))["sha256"]
        names = {file.name for file in folder.iterdir()} - {"manifest.json"}
        if names != set(sums):
            raise LearningError(f"{damaged} (its files are not those of its manifest)")
        for name, found in _sums(folder).items():
            if found != sums[name]:
                raise LearningError(f"{damaged} ({name} differs from its sha256)")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LearningError(f"{damaged} ({first_line(error)})") from None


def _made_of(base: Path, device: Device, config: BitsAndBytesConfig) -> dict[str, object]:
    """What the bits depend on. The type of the device: CPU and GPU kernels round differently.

    The times: weights that were changed in place can have the fingerprint that they had before.
    """
    return {
        "format": _FORMAT,
        "base": fingerprint(base),
        "changed": {file.name: file.stat().st_mtime_ns for file in base.glob("*.safetensors")},
        "quantisation": config.to_dict(),
        "device": device.torch.type,
        **_versions(),
    }


def _versions() -> dict[str, str]:
    modules = (torch, transformers, bitsandbytes)
    return {module.__name__: str(module.__version__) for module in modules}


def _read(folder: Path, base: Path, device: Device) -> PreTrainedModel:
    """The model as it was kept. Raises ValueError where transformers leaves a weight out."""
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=device.precision.compute,
        device_map={"": str(device.torch)},
        output_loading_info=True,
    )
    model: PreTrainedModel = loaded[0]
    for what, names in loaded[1].items():
        if names:
            raise ValueError(f"{what}: {', '.join(map(str, list(names)[:3]))}")
    # peft writes it into the adapter's config: a cache may be gone tomorrow.
    model.name_or_path = model.config._name_or_path = str(base)
    return model


def _keep(model: PreTrainedModel, folder: Path, made_of: Mapping[str, object], say: Say) -> None:
    """Write the cache, if the disk has room for it and no other process is at it."""
    cache, aside = folder.parent, folder.with_suffix(".tmp")
    began = time.monotonic()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(cache / "write.lock", timeout=0):
            if folder.exists():
                return
            _tidy(cache)
            weights = (*model.parameters(), *model.buffers())
            needed = 1.05 * sum(w.nbytes for w in weights)  # the blocks' scales come on top
            free = shutil.disk_usage(cache).free
            if free < needed + FREE_BYTES:
                say(
                    "warning",
                    f"the quantised base is not kept: {free / 1e9:.1f} GB free in {cache}, and "
                    f"{(needed + FREE_BYTES) / 1e9:.1f} GB are wanted; each start quantises it anew",
                )
                return
            _write(model, aside, made_of)
            replace(aside, folder)
        size = sum(file.stat().st_size for file in folder.iterdir())
        say(
            "state",
            f"the quantised base is kept for the next start ({size / 1e6:.0f} MB, "
            f"written in {time.monotonic() - began:.0f} s)",
        )
    except filelock.Timeout:
        return
    except Exception as error:  # a full disk, or a model that transformers cannot write
        shutil.rmtree(aside, ignore_errors=True)
        say("warning", f"the quantised base is not kept in {cache}: {first_line(error)}")


def _write(model: PreTrainedModel, aside: Path, made_of: Mapping[str, object]) -> None:
    dtype = model.config.dtype
    try:
        model.save_pretrained(aside, max_shard_size=_SHARD)
    finally:
        model.config.dtype = dtype  # transformers leaves its name there
    manifest = {"made_of": made_of, "sha256": _sums(aside)}
    (aside / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    sync_tree(aside)


def _sums(folder: Path) -> dict[str, str]:
    """The sha256 of each file but the manifest, by name."""
    files = sorted(file for file in folder.iterdir() if file.name != "manifest.json")
    with ThreadPoolExecutor(4) as threads:
        return {
            file.name: found
            for file, found in zip(files, threads.map(file_sha256, files), strict=True)
        }


def _tidy(cache: Path) -> None:
    """Drop what killed processes left, and all but the last used, with room for one more."""
    for rest in cache.glob("*.tmp"):
        shutil.rmtree(rest, ignore_errors=True)
    kept = sorted(
        (folder for folder in cache.iterdir() if folder.is_dir()),
        key=lambda folder: folder.stat().st_mtime_ns,
    )
    for old in kept[: max(0, len(kept) - KEPT + 1)]:
        _drop(old)


def _drop(folder: Path) -> None:
    """Remove a cache: as a whole, or, where Windows has it open, not at all."""
    aside = folder.with_suffix(".tmp")
    shutil.rmtree(aside, ignore_errors=True)
    with contextlib.suppress(OSError):
        os.replace(folder, aside)
        shutil.rmtree(aside, ignore_errors=True)
