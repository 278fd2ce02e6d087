"""Several networks trained side by side, each stopped on rows of its own, their predictions averaged.

The rows are dealt into folds, one for each member. A member never learns from its own fold; the loss there
tells which epoch was its best. So all rows are used for training, and yet each row has a prediction
by a network that never saw it: the out-of-fold prediction.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
import torch.fx
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.utils.rnn import pad_sequence

from capstone.core.errors import CapstoneError

NO_FOLD = -1  # marks what only fills up a shorter fold


class LinearSideBySide(nn.Linear):
    """A linear layer of every member, computed as one batched product.

    weight, bias  stacks of the members': shape (members, outputs, inputs) and (members, outputs)
    """

    def forward(self, input: Tensor) -> Tensor:
        """Shape (members, rows, inputs) to shape (members, rows, outputs)."""
        if self.bias is None:
            return torch.bmm(input, self.weight.mT)
        return torch.baddbmm(self.bias.unsqueeze(1), input, self.weight.mT)


class Ensemble(nn.Module):
    """The same network several times, each with weights of its own, computed in one go.

    members  networks of one class and shape, differently initialised
    inputs   numbers that each takes for a row
    `network` is one of them whose every weight has become a stack, shape (members, ...). Where that gives
    the same (see `computes_alike`), its linear layers compute all members at once; other networks
    go through `vmap`, which takes a third longer and can do much more.
    """

    def __init__(self, members: list[nn.Module], inputs: int) -> None:
        super().__init__()
        self.size = len(members)
        self.one = (
            copy.deepcopy(members[0]),
        )  # as a tuple: its weights are none of the ensemble's
        self.network = copy.deepcopy(members[0])
        weights, buffers = stack_module_state(members)
        for name, stack in weights.items():
            leaf = _owner(self.network, name)
            leaf._parameters[name.split(".")[-1]] = nn.Parameter(stack.detach())
        for name, stack in buffers.items():
            _owner(self.network, name)._buffers[name.split(".")[-1]] = stack.clone()
        batched = side_by_side(self.network)
        self.at_once = computes_alike(batched, members, inputs)
        if self.at_once:
            self.network = batched

    def forward(self, inputs: Tensor) -> Tensor:
        """Scores of shape (rows, outputs, members).

        inputs  shape (rows, inputs), the same for all, or (members, rows, inputs), for each its own
        """
        each_its_own = inputs.dim() == 3
        if self.at_once:
            each = inputs if each_its_own else inputs.expand(self.size, -1, -1)
            return self.network(each).permute(1, 2, 0)
        stacks = {**dict(self.network.named_parameters()), **dict(self.network.named_buffers())}

        def one_member(weights: dict[str, Tensor], rows: Tensor) -> Tensor:
            return functional_call(self.network, weights, (rows,))

        return vmap(
            one_member,
            in_dims=(0, 0 if each_its_own else None),
            out_dims=-1,
            randomness="different",  # each member has its own dropout
        )(stacks, inputs)

    def member(self, number: int) -> nn.Module:
        """One of the networks, from 0, as a copy that can be used alone."""
        network = copy.deepcopy(self.one[0]).train(self.training)
        for path, stack in self.network.named_parameters():
            leaf = _owner(network, path)
            leaf._parameters[path.split(".")[-1]] = nn.Parameter(stack[number].detach().clone())
        for path, values in self.network.named_buffers():
            _owner(network, path)._buffers[path.split(".")[-1]] = values[number].clone()
        return network


def side_by_side(stacked: nn.Module) -> nn.Module:
    """A network whose weights are stacks, with linear layers that know how to use them."""
    batched = copy.deepcopy(stacked)
    for name, layer in list(batched.named_modules()):
        if type(layer) is nn.Linear and name:
            with torch.device("meta"):  # its weights are replaced at once
                many = LinearSideBySide(layer.in_features, layer.out_features)
            for key, stack in layer.named_parameters():
                many.register_parameter(key, stack)
            setattr(_owner(batched, name), name.split(".")[-1], many)
    return batched


@torch.no_grad()
def computes_alike(batched: nn.Module, members: list[nn.Module], inputs: int) -> bool:
    """Whether a network of layers side by side gives what each member gives alone.

    It does when only linear layers have weights and all else treats each number by itself, as an activation
    does. A forward pass that counts rows, or picks columns, would find the members in their place.
    """
    for layer in members[0].modules():
        own = [*layer.parameters(recurse=False), *layer.buffers(recurse=False)]
        if own and type(layer) is not nn.Linear:
            return False
    chance = torch.Generator().manual_seed(0)  # of its own, so that no other random number changes
    rows = torch.randn(len(members), 5, inputs, generator=chance)
    for training in (False, True):
        for network in (batched, *members):
            network.train(training)
            for layer in network.modules():
                if isinstance(layer, nn.Dropout):
                    layer.eval()  # chance can't be compared
        try:
            torch.fx.Tracer().trace(members[0])  # fails where the rows decide which way they go
            all_at_once = batched(rows)
            alone = torch.stack([member(its) for member, its in zip(members, rows, strict=True)])
        except Exception:  # whatever the student's forward pass makes of another shape
            return False
        if all_at_once.shape != alone.shape or not torch.allclose(all_at_once, alone, 1e-4, 1e-5):
            return False
    return True


class MembersLoss(nn.Module):
    """The loss of each member: in training on all rows but its own fold, else on its own fold alone.

    Targets hold two numbers per row: the target, and the row's fold.
    """

    numbers: Tensor

    def __init__(self, loss_function: nn.Module, members: int) -> None:
        super().__init__()
        self.each_row = type(loss_function)(reduction="none")
        self.register_buffer("numbers", torch.arange(members))

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Mean over members and rows in training, else the loss of each member, shape (members,).

        scores   shape (rows, members), or (rows, classes, members)
        targets  shape (rows, 2), the same for all, or (members, rows, 2), for each its own
        """
        target, fold = targets.unbind(-1)
        if targets.dim() == 2:
            target, fold = target[:, None].expand(-1, len(self.numbers)), fold[:, None]
        else:
            target, fold = target.T, fold.T
        losses = self.each_row(scores, target)
        if self.training:
            counts: Tensor = fold.ne(self.numbers)
            return (losses * counts).sum() / counts.sum()
        counts = fold.eq(self.numbers)
        return (losses * counts).sum(dim=0) / counts.sum(dim=0)


def with_folds(targets: Tensor, folds: np.ndarray) -> Tensor:
    """Targets and folds side by side, as MembersLoss takes them: shape (rows, 2)."""
    fold = torch.as_tensor(folds, device=targets.device)
    return torch.stack([targets, fold.to(targets.dtype)], dim=1)


def own_folds(inputs: Tensor, targets: Tensor, members: int) -> tuple[Tensor, Tensor]:
    """Each member's own fold: inputs (members, rows, inputs) and targets (members, rows, 2).

    targets  as `with_folds` makes them. Shorter folds are filled up with rows that don't count.
    """
    fold = targets[:, 1]
    own = [torch.nonzero(fold == number).squeeze(1) for number in range(members)]
    rows = pad_sequence(own, batch_first=True)  # filled up with row 0
    filled = pad_sequence([torch.ones_like(its) for its in own], batch_first=True) == 0
    own_targets = targets[rows]
    own_targets[..., 1].masked_fill_(filled, NO_FOLD)
    return inputs[rows], own_targets


def build_ensemble(members: list[nn.Module], inputs: int) -> nn.Module:
    """The members as one, of which each takes so many inputs; a single one stays as it is.

    Raises CapstoneError when the student's network can't be computed side by side with others.
    """
    if len(members) == 1:
        return members[0]
    ensemble = Ensemble(members, inputs)
    try:
        ensemble.train()(torch.zeros(2, inputs))
    except Exception as error:
        raise CapstoneError(
            f"Your NeuralNetwork can't be trained several times at once ({str(error).splitlines()[0]}): "
            "set [network] members = 1."
        ) from None
    return ensemble


def _owner(network: nn.Module, name: str) -> nn.Module:
    """The layer that a weight such as "layers.0.bias" belongs to."""
    return network.get_submodule(name.rpartition(".")[0])
