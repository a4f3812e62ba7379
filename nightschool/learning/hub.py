"""Base models on disk or from the hub, and their configs. Loads no weights."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from nightschool.config import files
from nightschool.config.errors import BaseUnavailable, LearningError
from nightschool.config.paths import DEMO_BASE
from nightschool.learning.base_check import check_base, refusing
from nightschool.learning.phases import DOWNLOAD, phase

# The files that are downloaded from a hub repository: safetensors weights, and text.
_WANTED = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]


def locate(base: str, root: Path) -> Path | None:
    """The folder of a base model on disk: "demo", a local folder, or a cached hub name; None if absent.

    Raises LearningError if the name is invalid, BaseModelError if the folder has no trainable model.
    """
    if base == "demo":
        return DEMO_BASE
    local = (root / Path(base).expanduser()).resolve()
    if local.is_dir():
        return _checked(local)
    if _looks_local(base):
        raise LearningError(
            f"base = {base!r}: there is no folder {local}",
            "set base in nightschool.toml, then `run --new`",
        )
    from huggingface_hub import snapshot_download  # lazy: huggingface_hub
    from huggingface_hub.errors import (  # lazy: huggingface_hub
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    try:
        snapshot = Path(snapshot_download(base, local_files_only=True, allow_patterns=_WANTED))
    except HFValidationError:
        raise LearningError(
            f"base = {base!r} is neither a folder nor a hub name (owner/model)",
            "set base in nightschool.toml, then `run --new`",
        ) from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError):
        return None
    complete = (snapshot / "config.json").is_file() and any(snapshot.glob("*.safetensors"))
    return _checked(snapshot) if complete else None


def _checked(folder: Path) -> Path:
    check_base(folder)
    return folder


def _looks_local(base: str) -> bool:
    return (
        base.startswith((".", "/", "~", "\\")) or base.count("/") > 1 or "\\" in base or ":" in base
    )


def fetch(base: str, root: Path) -> Path:
    """The base model's folder, downloaded from the hub if it is not on disk.

    The only function here that uses the network. Raises LearningError if the hub has no such model for us,
    BaseUnavailable if the download fails in another way.
    """
    folder = locate(base, root)
    if folder:
        return folder
    from huggingface_hub import constants, snapshot_download  # lazy: huggingface_hub
    from huggingface_hub.errors import (  # lazy: huggingface_hub
        GatedRepoError,
        RepositoryNotFoundError,
    )

    try:
        with phase(DOWNLOAD):
            fetched = Path(snapshot_download(base, allow_patterns=_WANTED))
    except Exception as error:
        # Without a network, the hub client raises errors of half a dozen libraries.
        cause = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        refused = isinstance(error, RepositoryNotFoundError | GatedRepoError)
        kind = LearningError if refused or constants.HF_HUB_OFFLINE else BaseUnavailable
        raise kind(
            f"base model {base!r} is not on disk and could not be downloaded ({cause})",
            "go online once and retry, or set base in nightschool.toml to a local folder "
            '("demo" is the small model that ships with nightschool), then `run --new`',
        ) from None
    return _checked(fetched)


def obtainable(base: str, root: Path) -> Path | None:
    """The base model's folder; None if prep would download it. Uses no network.

    Raises LearningError if prep could not have it, as `fetch` does.
    """
    folder = locate(base, root)
    if folder is None:
        from huggingface_hub import constants  # lazy: huggingface_hub

        if constants.HF_HUB_OFFLINE:
            raise LearningError(
                f"base model {base!r} is not on disk, and HF_HUB_OFFLINE forbids its download",
                "unset that once, or set base in nightschool.toml to a folder",
            )
    return folder


def fingerprint(folder: Path) -> str:
    """A hash of a base's config and of each weight file's size and first megabyte (sha256, 16 digits)."""
    digest = hashlib.sha256(files.read(folder / "config.json"))
    for file in sorted(folder.glob("*.safetensors")):
        digest.update(f"{file.name} {file.stat().st_size}".encode())
        with files.open_regular(file) as weights:
            digest.update(weights.read(1 << 20))
    return digest.hexdigest()[:16]


def read_config(folder: Path) -> dict[str, Any]:
    """A base's config, completed with the defaults of its architecture.

    Imports torch. Raises BaseModelError if transformers does not know the architecture.
    """
    from transformers import AutoConfig  # lazy: transformers

    with refusing(f"{folder}: no usable config.json"):
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        values: dict[str, Any] = config.to_dict()
    return values


def context_length(folder: Path) -> int | None:
    """The base's longest sequence in tokens; None if its config does not give it."""
    config = read_config(folder)
    length = (config.get("text_config") or config).get("max_position_embeddings")
    return int(length) if length else None
