"""How weights are updated: AdamW, and a learning rate that changes from epoch to epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from capstone.core.settings import Training
from capstone.training.distributed import Team
from capstone.training.layers import body_and_head


class QuickAdamW(torch.optim.AdamW):
    """torch's AdamW, the same to the last bit, whose steps cost a third where the network is small.

    In every step torch looks up each weight's gradient and memory and wraps the step for its profiler, which takes
    longer than to update a few thousand weights. Here they are looked up once. For one group of weights, without hooks.
    """

    def __init__(self, weights: list[nn.Parameter], **settings: Any) -> None:
        super().__init__(weights, **settings)
        self.weights: list[Tensor] = [*weights]
        self.memory: list[list[Tensor]] = []  # the weights' two means and counts of steps

    @staticmethod
    def profile_hook_step(func: Callable[..., Any]) -> Callable[..., Any]:
        """The step as it is, not wrapped for the profiler."""
        return func

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients."""
        for weight in self.weights:
            weight.grad = None

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Update all weights in one call."""
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        if len(self.state) < len(self.weights) or len(gradients) < len(self.weights):
            # The first step sets up the memory; and torch's own leaves out weights that are not used.
            return super().step(closure)
        if not self.memory:
            names = ("exp_avg", "exp_avg_sq", "step")
            self.memory = [[self.state[its][name] for its in self.weights] for name in names]
        means, squares, steps = self.memory
        torch._foreach_add_(steps, 1)
        now = self.param_groups[0]
        torch._fused_adamw_(
            self.weights,
            gradients,
            means,
            squares,
            [],
            steps,
            lr=now["lr"],
            beta1=now["betas"][0],
            beta2=now["betas"][1],
            weight_decay=now["weight_decay"],
            eps=now["eps"],
            amsgrad=False,
            maximize=False,
        )
        return None

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over another's memory, as when a run is resumed."""
        super().load_state_dict(state_dict)
        self.memory = []


def make_optimizer(network: nn.Module, settings: Training) -> torch.optim.Optimizer:
    """AdamW; a body that is frozen at first learns more slowly than the head, once it is set free."""
    own: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    own["fused"] = True  # all weights in one call, which is faster
    if settings.freeze == "body":
        body, head = body_and_head(network)
        slow = settings.learning_rate * settings.unfrozen_rate
        groups: list[dict[str, Any]] = [{"params": head}, {"params": body, "lr": slow}]
        return torch.optim.AdamW(groups, **own)
    if Team().size > 1:  # they average their gradients by a hook before each step
        return torch.optim.AdamW(network.parameters(), **own)
    return QuickAdamW(list(network.parameters()), **own)


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
