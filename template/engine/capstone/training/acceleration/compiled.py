"""`[training] compile = true`: several training steps in one call, as machine code made for this network.

The five steps are those of training.py, on the same rows in the same order. Here they are written as one
function of the weights, which torch.compile can turn into code without the cost of its many small calls. Making
that code takes a while before the first epoch; the README says when it pays.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value

from capstone.core.errors import CapstoneError, is_out_of_memory
from capstone.training.distributed import Team
from capstone.training.loop import Batches, batches, train_epoch

STEPS = 4  # in one call: more are hardly faster, and take longer to compile
Batch = tuple[Tensor, Tensor]


def compiler() -> str | None:
    """The C++ compiler that torch.compile would use; None when there is none."""
    usual = {"win32": ["cl"], "darwin": ["clang++"]}.get(sys.platform, ["g++", "clang++"])
    names = [os.environ["CXX"]] if os.environ.get("CXX") else usual
    return next((found for name in names if (found := shutil.which(name))), None)


def check_compiler() -> None:
    """Raises CapstoneError when this machine or this start of the run can't compile."""
    if Team().size > 1:
        raise CapstoneError("[training] compile = true is for one process: set it to false.")
    if compiler() is None:
        raise CapstoneError(
            "[training] compile = true needs a C++ compiler, and this machine has none: install one "
            "(`capstone doctor` says which), or set it to false."
        )


class CompiledEpoch:
    """Takes the place of `train_epoch`, through which only what fills no group of batches still goes."""

    def __init__(self) -> None:
        check_compiler()
        torch.compiler.reset()  # forgets other networks: of one function torch keeps only a few versions
        self.several_steps: Callable[..., Tensor] = torch.compile(
            several_steps, fullgraph=True, dynamic=False
        )

    def __call__(
        self,
        network: nn.Module,
        train: Batch,
        loss_function: nn.Module,
        optimizer: torch.optim.Optimizer,
        batch_size: int,
        team: Team,
        cut: Batches = batches,
    ) -> float:
        """One pass over the training part. Returns the mean loss."""
        check_layers(network)
        network.train()
        loss_function.train()
        total, rows = torch.zeros((), device=train[0].device), 0
        group: list[Batch] = []

        def plainly(few: list[Batch]) -> float:
            own = (network, train, loss_function, optimizer, batch_size, team)
            return train_epoch(*own, cut=lambda *_: iter(few)) * count_rows(few)

        for batch in cut(*train, batch_size, team):
            group.append(batch)
            rows += len(batch[0])
            full = all(len(inputs) == batch_size for inputs, _ in group)
            if optimizer.state and full and len(group) == STEPS:
                total += self._compiled(network, loss_function, optimizer, group)
                group = []
            elif not optimizer.state or len(group) == STEPS:  # the very first step sets it up
                total += plainly(group)
                group = []
        if group:
            total += plainly(group)
        return total.item() / rows

    def _compiled(
        self,
        network: nn.Module,
        loss_function: nn.Module,
        optimizer: torch.optim.Optimizer,
        group: list[Batch],
    ) -> Tensor:
        """Several steps at once, which change the weights and the optimiser's memory where they are."""
        weights = {name: its.detach() for name, its in network.named_parameters()}
        memory = [optimizer.state[its] for its in network.parameters()]
        settings = optimizer.param_groups[0]
        count = memory[0]["step"].clone()
        adamw = (
            [its["exp_avg"] for its in memory],
            [its["exp_avg_sq"] for its in memory],
            count,
            torch.tensor(settings["lr"], device=count.device),  # a number would be compiled in
            (settings["weight_decay"], *settings["betas"], settings["eps"]),
        )
        try:
            total = self.several_steps(network, loss_function, weights, *adamw, group)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            said = str(error).strip().splitlines() or [type(error).__name__]
            reason = " ".join(said[:2] if said[0].endswith(":") else said[:1])
            raise CapstoneError(
                f"[training] compile = true: torch can't compile this network ({reason}): set it to false."
            ) from None
        for its in memory:
            its["step"] += len(group)
        return total


def check_layers(network: nn.Module) -> None:
    """Raises CapstoneError when a layer does in training what the compiled steps can't."""
    special = nn.modules.batchnorm._NormBase | nn.modules.dropout._DropoutNd
    for layer in network.modules():
        if isinstance(layer, special) and getattr(layer, "p", 1.0) > 0:
            raise CapstoneError(
                f"[training] compile = true does not go with a layer of {type(layer).__name__}: "
                "set it to false."
            )


def several_steps(
    network: nn.Module,
    loss_function: nn.Module,
    weights: dict[str, Tensor],
    means: list[Tensor],
    squares: list[Tensor],
    count: Tensor,
    rate: Tensor,
    constants: tuple[float, float, float, float],
    group: list[Batch],
) -> Tensor:
    """The five steps for each batch of a group, and the sum of its rows' losses.

    means, squares  AdamW's memory: of each weight, the mean of its gradients and of their squares
    count, rate     how many steps were made before, and how large the next ones are
    constants       weight decay, AdamW's two betas and its epsilon
    """
    decay, beta, beta_of_squares, eps = constants
    total = torch.zeros((), device=rate.device)
    now, mean, square = dict(weights), list(means), list(squares)
    for inputs, targets in group:

        def loss_of(values: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
            outputs = functional_call(network, values, (inputs,)).squeeze(1)  # 2. forward pass
            loss: Tensor = loss_function(outputs, targets)  # 3. compute the loss
            return loss

        # 1. and 4.: new gradients, by a backward pass
        gradients, loss = grad_and_value(loss_of)(now, inputs, targets)
        count = count + 1
        # 1 - beta ** count, without the rounding of a number close to 1
        unbiased = -torch.expm1(count * math.log(beta))
        unbiased_square = -torch.expm1(count * math.log(beta_of_squares))
        for place, (name, gradient) in enumerate(gradients.items()):  # 5. update the weights
            mean[place] = torch.lerp(mean[place], gradient, 1 - beta)
            square[place] = torch.lerp(square[place], gradient * gradient, 1 - beta_of_squares)
            step = mean[place] / unbiased / ((square[place] / unbiased_square).sqrt() + eps)
            now[name] = now[name] * (1 - rate * decay) - rate * step
        total = total + loss * len(inputs)
    with torch.no_grad():
        for place, name in enumerate(weights):
            weights[name].copy_(now[name])
            means[place].copy_(mean[place])
            squares[place].copy_(square[place])
    return total


def count_rows(group: list[Batch]) -> int:
    """Rows in all of these batches."""
    return sum(len(inputs) for inputs, _ in group)
