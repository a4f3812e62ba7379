"""Checks the files of a base model or adapter before any library reads them, without torch.

Whoever made these files is not trusted: they may be links to elsewhere, FIFOs, pickles, gigabytes of JSON,
or describe a model of any size. What passes here is plain data of plausible size that agrees with itself;
what a library finds beyond that, `refusing` turns into one line.
"""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nightschool.config import files
from nightschool.config.errors import BaseModelError, NightschoolError, Stopped, first_line

OTHER_BASE = "set another base in nightschool.toml, then `run --new`"
OTHER_ADAPTER = "train again, or `nightschool rollback`"
_CONVERT = (
    'weights as pickle could run any code. Convert them where you trust their maker: python -c "from '
    "transformers import AutoModelForCausalLM as M; M.from_pretrained('OLD').save_pretrained('NEW')\""
)
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack", ".h5")
# The largest tokenizer.json in use has 33 MB, the largest template 30 kB.
_LARGEST = {
    "tokenizer.json": 64_000_000,
    "vocab.json": 64_000_000,
    "chat_template.jinja": 1_000_000,
}
_LARGEST_OTHER = 10_000_000
_JSON = (
    "config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "chat_template.json", "model.safetensors.index.json", "tokenizer.json",
    "vocab.json",
)  # fmt: skip
_TEXT = ("merges.txt", "vocab.txt", "chat_template.jinja")
# What peft writes into every adapter's config, and does not use for LoRA as it is done here.
_UNUSED = (
    "base_model_name_or_path", "inference_mode", "megatron_core", "peft_version", "qalora_group_size",
    "revision",
)  # fmt: skip
# More than ten times what any model in use has.
_SIZES = {
    "hidden_size": 10**6, "intermediate_size": 10**7, "num_hidden_layers": 10**4,
    "num_attention_heads": 10**5, "num_key_value_heads": 10**5, "head_dim": 10**5,
    "vocab_size": 10**7, "max_position_embeddings": 10**9, "n_positions": 10**6, "n_embd": 10**6,
    "n_layer": 10**4, "n_head": 10**5,
}  # fmt: skip
# Errors that say what a file is; others (an input/output error, no memory) may pass.
_STATIC = (
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EINVAL, errno.EFBIG,
    errno.ENAMETOOLONG, errno.ENXIO, errno.EACCES, errno.EPERM,
)  # fmt: skip
_PASSING_TYPES = ("OutOfMemoryError", "AcceleratorError")
"""torch's errors about a device, by name: torch is not imported here."""


@dataclass(frozen=True, slots=True)
class WeightHeaders:
    """What the headers of a model's weight files say."""

    tensors: Mapping[str, tuple[int, ...]]
    """Each tensor's shape."""
    size: int
    """Bytes of the files."""

    @property
    def parameters(self) -> int:
        return sum(math.prod(shape) for shape in self.tensors.values())


@contextmanager
def refusing(subject: str, hint: str = OTHER_BASE) -> Iterator[None]:
    """A context whose errors become a BaseModelError: "SUBJECT (the library's first line)".

    Errors that may pass (the device, the disk, memory) and the program's own stay what they are.
    """
    try:
        yield
    except (NightschoolError, Stopped, MemoryError):
        raise
    except BaseException as error:
        # What panics in Rust is no Exception in Python.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        if type(error).__name__ in _PASSING_TYPES or files.no_room(error):
            raise
        if isinstance(error, OSError) and error.errno not in (None, *_STATIC):
            raise
        raise BaseModelError(f"{subject} ({_why(error)})", hint) from None


def _why(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return error.strerror or type(error).__name__
    first, _, rest = str(error).strip().partition(":\n")
    return first_line(ValueError(f"{first}: {rest.strip()}" if rest else error))


def check_base(folder: Path) -> WeightHeaders:
    """Check a base's files; returns what its weights are. Raises BaseModelError."""
    _check_entries(folder)
    if (folder / "adapter_config.json").exists():
        raise BaseModelError(
            f"{folder} holds an adapter (adapter_config.json), not a base",
            "merge it into its base first",
        )
    found = _checked_files(folder)
    config = found["config.json"]
    for part in (config, config.get("text_config")):
        # It computes in a dtype of its own: often bf16, also on Turing.
        if isinstance(part, dict) and "quantization_config" in part:
            raise BaseModelError(
                f"{folder} is already quantised",
                "set the 16-bit model that it was made from, which nightschool quantises itself, "
                "then `run --new`",
            )
    _check_tokenizer(folder, found)
    weights = read_weights(folder)
    _check_config(folder / "config.json", config, weights)
    return weights


def check_files(folder: Path) -> WeightHeaders:
    """Check the files of a model that is not trained, such as one for embeddings. Raises BaseModelError."""
    _check_entries(folder)
    config = _checked_files(folder)["config.json"]
    weights = read_weights(folder)
    _check_config(folder / "config.json", config, weights)
    return weights


def _check_entries(folder: Path) -> None:
    """Refuse what no library should open: what is not a file, and links that leave the folder.

    The hub's cache links from snapshots/REVISION/ to blobs/ beside it.
    """
    homes = [folder.resolve()]
    if homes[0].parent.name == "snapshots":
        homes.append(homes[0].parents[1] / "blobs")
    templates = folder / "additional_chat_templates"
    for place in (folder, templates) if templates.is_dir() else (folder,):
        with refusing(f"{place} cannot be read"), os.scandir(place) as entries:
            for entry in entries:
                _check_entry(Path(entry.path), homes)


def _check_entry(path: Path, homes: list[Path]) -> None:
    read = path.name.endswith((".json", ".jinja", ".safetensors", ".txt", ".model"))
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if read and error.errno in _STATIC:
            raise BaseModelError(f"{path} is a link to nothing", "restore the file") from None
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or (read and stat.S_ISDIR(mode)):
        raise BaseModelError(f"{path} is not a regular file", OTHER_BASE)
    if read and path.is_symlink():
        target = path.resolve()
        if not any(target.is_relative_to(home) for home in homes):
            raise BaseModelError(
                f"{path} is a link out of the base's folder", "copy the file there"
            )


def _checked_files(folder: Path) -> dict[str, dict[str, Any]]:
    """A model's JSON files by name, those that are there; config.json is."""
    if not (folder / "config.json").is_file():
        raise BaseModelError(f"{folder} contains no model (no config.json)", OTHER_BASE)
    found = {name: read_json(folder / name) for name in _JSON if (folder / name).exists()}
    for file in (*(folder / name for name in _TEXT), *folder.glob("additional_chat_templates/*")):
        if file.is_file():
            with refusing(f"{file} cannot be used"):
                files.read(file, _LARGEST.get(file.name, _LARGEST_OTHER)).decode("utf-8")
    return found


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file of plausible size. Raises BaseModelError."""

    def finite(number: str) -> float:
        if not math.isfinite(value := float(number)):
            raise ValueError(f"{number[:40]} is no finite number")
        return value

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
            raise ValueError(f"{twice[:40]!r} is given twice")
        return values

    with refusing(f"{file} cannot be used"):
        text = files.read(file, _LARGEST.get(file.name, _LARGEST_OTHER)).decode("utf-8")
        try:
            content = json.loads(
                text, parse_constant=finite, parse_float=finite, object_pairs_hook=unique
            )
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        if not isinstance(content, dict):
            raise ValueError("it is not a JSON object")
    return content


def read_weights(folder: Path, name: str = "model.safetensors") -> WeightHeaders:
    """What the headers of the weights in a folder say: one file, or the shards of its index.

    safetensors checks sizes, offsets and shapes. Raises BaseModelError.
    """
    if (folder / name).is_file():
        names = [name]
    elif (index := folder / f"{name}.index.json").is_file():
        names = _shards(index)
    else:
        pickles = [file.name for file in sorted(folder.iterdir()) if file.suffix in _PICKLES]
        if pickles:
            raise BaseModelError(f"{folder} has {pickles[0]} but no {name}", _CONVERT)
        raise BaseModelError(f"{folder} has no weights (no {name})", OTHER_BASE)
    tensors: dict[str, tuple[int, ...]] = {}
    size = 0
    from safetensors import safe_open  # lazy: safetensors

    for name in names:
        with refusing(f"{folder / name} cannot be used"):
            size += (folder / name).stat().st_size
            with safe_open(folder / name, framework="np") as opened:
                for key in opened.keys():  # noqa: SIM118 - not a mapping
                    tensors[key] = tuple(opened.get_slice(key).get_shape())
    return WeightHeaders(tensors, size)


def _shards(index: Path) -> list[str]:
    shards = read_json(index).get("weight_map")
    names = set(shards.values()) if isinstance(shards, dict) and shards else {None}
    for name in names:
        if (
            not isinstance(name, str)
            or Path(name).name != name
            or not name.endswith(".safetensors")
        ):
            raise BaseModelError(
                f"{index}: {str(name)[:80]!r} is not the name of a weight file", OTHER_BASE
            )
    return sorted(str(name) for name in names)


def _check_config(file: Path, config: Mapping[str, Any], weights: WeightHeaders) -> None:
    """Refuse sizes that no model has, and a model that is larger than its weights."""
    for part in (config, config.get("text_config"), config.get("vision_config")):
        if not isinstance(part, dict):
            continue
        for name, largest in _SIZES.items():
            for value in _listed(part.get(name)):
                if type(value) is not int or not 0 < value <= largest:
                    raise BaseModelError(
                        f"{file}: {name} = {str(value)[:40]} is impossible", OTHER_BASE
                    )
    if config.get("transformers_weights") is not None:
        raise BaseModelError(f"{file} names weights of its own (transformers_weights)", OTHER_BASE)
    for key in ("attn_implementation", "_attn_implementation"):
        if config.get(key) not in (None, "eager", "sdpa", "flash_attention_2"):
            raise BaseModelError(f"{file} asks for kernels from elsewhere ({key})", OTHER_BASE)
    least = _parameters(config.get("text_config") or config)
    if least > 2 * weights.parameters:
        raise BaseModelError(
            f"{file} describes {least:.2g} parameters, but the weights hold {weights.parameters:.2g}",
            OTHER_BASE,
        )


def _listed(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _parameters(config: Any) -> int:
    """The least number of parameters of a decoder with this config."""

    def size(*names: str) -> int:
        values = [config.get(name) for name in names]
        return next((value for value in values if isinstance(value, int)), 0)

    if not isinstance(config, dict):
        return 0
    hidden, heads = size("hidden_size", "n_embd"), size("num_attention_heads", "n_head")
    layer = hidden * (size("intermediate_size") + heads * size("head_dim") + 1)
    places = size("n_positions") * hidden
    return size("vocab_size") * hidden + size("num_hidden_layers", "n_layer") * layer + places


def _check_tokenizer(folder: Path, found: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a tokenizer that needs other libraries, or makes tokens of notes that the model does not know."""
    file = folder / "tokenizer.json"
    if file.name not in found:
        if "vocab.json" in found and (folder / "merges.txt").is_file():
            return
        raise BaseModelError(
            f"{folder} has no tokenizer.json",
            "convert it: AutoTokenizer.from_pretrained('OLD').save_pretrained('NEW')",
        )
    model = found[file.name].get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(vocabulary, dict):
        numbers = list(vocabulary.values())
    elif isinstance(vocabulary, list):
        numbers = list(range(len(vocabulary)))
    else:
        raise BaseModelError(f"{file} has no vocabulary", OTHER_BASE)
    config = found["config.json"]
    text = config.get("text_config") or config
    known = text.get("vocab_size") or config.get("vocab_size") or _SIZES["vocab_size"]
    for number in (*numbers, *_added_tokens(found, known)):
        if type(number) is not int or not 0 <= number < known:
            raise BaseModelError(f"{file}: the model has no token {str(number)[:40]}", OTHER_BASE)


def _added_tokens(found: Mapping[str, Mapping[str, Any]], known: int) -> Iterator[Any]:
    """The numbers of added tokens. A special one may lie beyond the vocabulary (Gemma 3): notes have none."""
    listed = found["tokenizer.json"].get("added_tokens")
    decoder = found.get("tokenizer_config.json", {}).get("added_tokens_decoder")
    pairs = [(each.get("id"), each) for each in listed or () if isinstance(each, dict)]
    if isinstance(decoder, dict):
        pairs += [(int(key) if key.isdecimal() else key, each) for key, each in decoder.items()]
    for number, token in pairs:
        special = isinstance(token, dict) and token.get("special")
        if not (special and type(number) is int and 0 <= number < known + 10**5):
            yield number


def check_adapter(folder: Path) -> WeightHeaders:
    """Check the files of an adapter: plain LoRA, as nightschool writes it. Raises BaseModelError.

    peft's configs can name modules to import, methods that train or download, and regular expressions.
    """
    with refusing(f"{folder} cannot be used", OTHER_ADAPTER):
        _check_entries(folder)
        file = folder / "adapter_config.json"
        config = read_json(file)
        weights = read_weights(folder, "adapter_model.safetensors")
    targets, rank = config.get("target_modules"), config.get("r")
    named = isinstance(targets, list) and all(isinstance(name, str) for name in targets)
    usual = {
        "peft_type": config.get("peft_type") == "LORA",
        "r": type(rank) is int and rank > 0,
        "lora_alpha": isinstance(config.get("lora_alpha"), int | float),
        "lora_dropout": isinstance(config.get("lora_dropout", 0.0), int | float),
        "target_modules": named,
        "bias": config.get("bias", "none") == "none",
        "init_lora_weights": config.get("init_lora_weights", True) is True,
        "task_type": config.get("task_type") in (None, "CAUSAL_LM"),
    }
    for name, value in config.items():
        if name not in _UNUSED and not usual.get(name, not value):
            raise BaseModelError(
                f"{file}: {name} = {str(value)[:60]} is not used here", OTHER_ADAPTER
            )
    for name, shape in weights.tensors.items():
        sizes = {"lora_A": shape[:1], "lora_B": shape[1:]}.get(
            name.split(".")[-2] if "." in name else ""
        )
        if len(shape) != 2 or sizes != (rank,):
            raise BaseModelError(
                f"{folder}: the shape of {name[:80]} does not fit r = {rank}", OTHER_ADAPTER
            )
    return weights
