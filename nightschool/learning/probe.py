"""What torch finds on this machine, for `doctor`, in a child process."""

from __future__ import annotations

from typing import Any

import torch

from nightschool.config.errors import LearningError
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.learning.device import pick
from nightschool.learning.hub import locate


def probe(school: School, settings: Settings) -> dict[str, Any]:
    """Build, device, precision, memory and base model; what fails is told as text under `*_error`."""
    found: dict[str, Any] = {"torch": torch.__version__, "cuda_build": torch.version.cuda}
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info(0)
        found |= {
            "gpu": torch.cuda.get_device_name(0),
            "capability": list(torch.cuda.get_device_capability(0)),
            "vram_free_gb": free / 1e9,
            "vram_total_gb": total / 1e9,
        }
    try:
        device = pick(settings.train)
        found |= {
            "device": device.torch.type,
            "precision": device.precision.name,
            "precision_reason": device.precision.reason,
        }
    except LearningError as error:
        found["device_error"] = str(error)
    try:
        base = locate(settings.base, school.root)
        found["base_folder"] = str(base) if base else None
    except LearningError as error:
        found["base_error"] = str(error)
    return found
