"""The base in NF4, cached in the school: quantised once, then loaded directly.

A cache is a folder, named by a hash of everything that its bits depend on, with a model as transformers
writes it and a `manifest.json` with the sha256 of each file. It is written to a temporary folder, synced
and renamed. It can always be made again, so no fault in it ends a run.
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

import bitsandbytes
import filelock
import torch
import transformers
from transformers import BitsAndBytesConfig, PreTrainedModel

from nightschool.config import bounded_json, files
from nightschool.config.errors import LearningError, first_line
from nightschool.learning.device import Device
from nightschool.learning.hub import fingerprint
from nightschool.learning.weight_loading import load_weights

KEPT = 2
FREE_BYTES = 2_000_000_000
"""Disk space that is left free for checkpoints and everything else."""
_FORMAT = 1
# Small enough to hash several at once, and to hold a copy in memory while a GPU's weights are written.
_SHARD = "500MB"

Say = Callable[[str, str], None]
"""Called with a kind ("state", "warning") and one line."""


def silent(kind: str, message: str) -> None:
    """Drop the message."""


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
    """The quantised base from `cache`, or from `quantise`, whose result is then cached."""
    made_of = _made_of(base, device, config)
    text = json.dumps(made_of, sort_keys=True)
    folder = cache / hashlib.sha256(text.encode()).hexdigest()[:16]
    if folder.is_dir():
        try:
            verify(folder)
            model = _read(folder, base, device)
            with contextlib.suppress(OSError):
                os.utime(folder)  # marks it as the last one used
            return model
        except LearningError as error:
            say("warning", f"{error}: it is discarded and made again from {base}")
            files.discard(folder)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            # The bytes are intact, so making it again would not help.
            why = first_line(error)
            say(
                "warning",
                f"the quantised base {folder.name} cannot be used ({why}): {base} is read instead",
            )
    model = quantise()
    _keep(model, folder, made_of, say)
    return model


def verify(folder: Path) -> None:
    """Raise LearningError if a file is missing or differs from its sha256.

    Every byte is read each time: a GB takes one core 0.5 s, or 1.3 s without SHA instructions (measured);
    up to four shards are read in parallel, the file system then has them in memory for loading, and a
    chunk lasts minutes.
    """
    damaged = f"the quantised base {folder.name} is damaged"
    try:
        sums = bounded_json.read(folder / "manifest.json")["sha256"]
        names = {file.name for file in folder.iterdir()} - {"manifest.json"}
        if names != set(sums):
            raise LearningError(f"{damaged} (its files are not those of its manifest)")
        for name, found in _sums(folder).items():
            if found != sums[name]:
                raise LearningError(f"{damaged} ({name} differs from its sha256)")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LearningError(f"{damaged} ({first_line(error)})") from None


def _made_of(base: Path, device: Device, config: BitsAndBytesConfig) -> dict[str, object]:
    """Everything that the bits depend on.

    The device's type, because CPU and GPU kernels round differently; the files' times, because weights
    that are changed in place can keep their fingerprint.
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
    """The cached model. Raises ValueError if transformers does not load every weight."""
    model, info = load_weights(folder, device)
    for what, names in info.items():
        if names:
            raise ValueError(f"{what}: {', '.join(map(str, list(names)[:3]))}")
    # peft writes this path into the adapter's config, and a cache may be deleted at any time.
    model.name_or_path = model.config._name_or_path = str(base)
    return model


def _keep(model: PreTrainedModel, folder: Path, made_of: Mapping[str, object], say: Say) -> None:
    """Write the cache, unless the disk is too full or another process is writing it."""
    cache = folder.parent
    began = time.monotonic()
    try:
        files.make_folder(cache)
        with filelock.FileLock(cache / "write.lock", timeout=0, mode=0o600):
            if folder.exists():
                return
            _tidy(cache)
            weights = (*model.parameters(), *model.buffers())
            needed = 1.05 * sum(w.nbytes for w in weights)  # 5 % for the blocks' scales
            free = shutil.disk_usage(cache).free
            if free < needed + FREE_BYTES:
                say(
                    "warning",
                    f"the quantised base is not cached: {cache} has {free / 1e9:.1f} GB free and needs "
                    f"{(needed + FREE_BYTES) / 1e9:.1f} GB; every start quantises it again",
                )
                return
            with files.new_folder(folder) as new:
                _write(model, new, made_of)
        size = sum(file.stat().st_size for file in folder.iterdir())
        say(
            "state",
            f"the quantised base is cached for the next start ({size / 1e6:.0f} MB, "
            f"written in {time.monotonic() - began:.0f} s)",
        )
    except filelock.Timeout:
        return
    except Exception as error:  # a full disk, or a model that transformers cannot write
        say("warning", f"the quantised base cannot be cached in {cache}: {first_line(error)}")


def _write(model: PreTrainedModel, folder: Path, made_of: Mapping[str, object]) -> None:
    dtype = model.config.dtype
    try:
        model.save_pretrained(folder, max_shard_size=_SHARD)
    finally:
        model.config.dtype = dtype  # transformers leaves its name there
    manifest = {"made_of": made_of, "sha256": _sums(folder)}
    files.write(folder / "manifest.json", json.dumps(manifest, indent=1))


def _sums(folder: Path) -> dict[str, str]:
    """The sha256 of each file but the manifest, by name."""
    written = sorted(file for file in folder.iterdir() if file.name != "manifest.json")
    with ThreadPoolExecutor(4) as threads:
        return {
            file.name: digest
            for file, digest in zip(written, threads.map(files.sha256, written), strict=True)
        }


def _tidy(cache: Path) -> None:
    """Delete the remains of killed processes, and all caches but the last used, to make room for one more."""
    files.clean(cache)
    kept = sorted(
        (folder for folder in cache.iterdir() if folder.is_dir()),
        key=lambda folder: folder.stat().st_mtime_ns,
    )
    for old in kept[: max(0, len(kept) - KEPT + 1)]:
        files.discard(old)
