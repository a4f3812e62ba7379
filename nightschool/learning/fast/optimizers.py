"""The optimizers: AdamW with 32-bit or 8-bit states, in device memory or paged.

8-bit states: Dettmers et al. 2022, arXiv:2110.02861. Paged ones: Dettmers et al. 2023, arXiv:2305.14314.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from bitsandbytes.optim.adamw import AdamW8bit, PagedAdamW8bit

from nightschool.config.settings import TrainSettings
from nightschool.learning.device import Device
from nightschool.stats.results import Choice


def make_optimizer(
    parameter: torch.nn.Parameter, settings: TrainSettings, device: Device
) -> tuple[torch.optim.Optimizer, Choice]:
    """The optimizer of `train.optimizer`, or the closest one that the device has."""
    name, reason = settings.optimizer, "train.optimizer"
    if name == "paged_adamw_8bit" and device.torch.type != "cuda":
        name, reason = (
            "adamw",
            f"paged_adamw_8bit needs CUDA, and the device is {device.torch.type}",
        )
    kind = {
        "adamw": torch.optim.AdamW,
        "adamw_8bit": AdamW8bit,
        "paged_adamw_8bit": PagedAdamW8bit,
    }[name]
    optimizer = kind([parameter], lr=settings.learning_rate, weight_decay=settings.weight_decay)
    return optimizer, Choice("optimizer", name, reason)


def restore(optimizer: torch.optim.Optimizer, state: Mapping[str, object]) -> None:
    """Load an optimizer's state. bitsandbytes would leave a paged optimizer's outside paged memory."""
    optimizer.load_state_dict(dict(state))
    if not isinstance(optimizer, PagedAdamW8bit):
        return
    for parameter, kept in optimizer.state.items():
        for name in ("state1", "state2"):
            paged = optimizer.get_state_buffer(parameter, dtype=kept[name].dtype)  # type: ignore[no-untyped-call]
            kept[name] = paged.copy_(kept[name])
