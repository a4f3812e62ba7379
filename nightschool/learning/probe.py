"""What PyTorch finds on this computer, for `doctor`; in a child process."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from nightschool.config.errors import LearningError
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.learning.hub import locate


class GpuProbe(BaseModel):
    """The first NVIDIA GPU; memory in GB."""

    model_config = ConfigDict(frozen=True)

    name: str
    capability: tuple[int, int]
    free_gb: float
    total_gb: float


class DeviceProbe(BaseModel):
    """The build, the device that the settings select and the base model; errors are one line each."""

    model_config = ConfigDict(frozen=True)

    torch: str
    """The version of PyTorch."""
    cuda_build: str | None
    """The CUDA version that PyTorch was built for."""
    gpu: GpuProbe | None = None
    device: str | None = None
    """Its torch type, such as "cuda"; None if `device_error` says why not."""
    device_error: str = ""
    precision: str = ""
    precision_reason: str = ""
    base_folder: str | None = None
    """The base model's folder; None if it is not on disk, or `base_error` says why not."""
    base_error: str = ""


def probe(school: School, settings: Settings) -> DeviceProbe:
    """Probe the device and look for the base model."""
    import torch  # lazy: torch

    from nightschool.learning.device import pick  # lazy: torch

    gpu, device, device_error, precision, precision_reason = None, None, "", "", ""
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info(0)
        gpu = GpuProbe(
            name=torch.cuda.get_device_name(0),
            capability=torch.cuda.get_device_capability(0),
            free_gb=free / 1e9,
            total_gb=total / 1e9,
        )
    try:
        picked = pick(settings.train)
    except LearningError as error:
        device_error = str(error)
    else:
        device = picked.torch.type
        precision, precision_reason = picked.precision.name, picked.precision.reason
    base_folder, base_error = None, ""
    try:
        base = locate(settings.base, school.root)
        base_folder = str(base) if base else None
        if base:
            try_base(base)
    except LearningError as error:
        base_error = str(error)
    return DeviceProbe(
        torch=torch.__version__,
        cuda_build=torch.version.cuda,
        gpu=gpu,
        device=device,
        device_error=device_error,
        precision=precision,
        precision_reason=precision_reason,
        base_folder=base_folder,
        base_error=base_error,
    )


def try_base(base: Path) -> None:
    """Do with a base what can be done without its weights. Raises LearningError."""
    from nightschool.learning.base import load_tokenizer  # lazy: transformers
    from nightschool.learning.encoding import Encoder  # lazy: transformers
    from nightschool.learning.memory_plan import Shape

    Shape.read(base)
    Encoder(load_tokenizer(base), ("yes", "no"), {}, "Is it?", max_tokens=16)
