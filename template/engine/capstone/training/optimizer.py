"""How weights are updated: AdamW, and a learning rate that changes from epoch to epoch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from capstone.core.settings import Training
from capstone.training.layers import body_and_head


def make_optimizer(model: nn.Module, settings: Training) -> torch.optim.Optimizer:
    """AdamW; a body that is frozen at first learns more slowly than the head, once it is set free."""
    options: dict[str, Any] = {
        "lr": settings.learning_rate,
        "weight_decay": settings.weight_decay,
        "fused": True,  # all weights in one call, which is faster
        # On a card the step may be recorded: then its count of steps has to be on the card too.
        "capturable": next(model.parameters()).device.type == "cuda",
    }
    if settings.freeze != "body":
        return torch.optim.AdamW(model.parameters(), **options)
    body, head = body_and_head(model)
    slow = settings.learning_rate * settings.unfrozen_rate
    groups: list[dict[str, Any]] = [{"params": head}, {"params": body, "lr": slow}]
    return torch.optim.AdamW(groups, **options)


def make_schedule(
    optimizer: torch.optim.Optimizer, settings: Training, epochs: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """How the learning rate changes from epoch to epoch: one cycle up and down, or not at all."""
    if settings.schedule == "constant" or epochs == 1:
        return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
    rates = [group["lr"] for group in optimizer.param_groups]
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=rates, total_steps=epochs + 1, cycle_momentum=False
    )
