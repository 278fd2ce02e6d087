"""An ensemble: several networks trained side by side, each stopped on rows of its own, their predictions averaged.

The training rows are assigned to folds, one for each member. A member never learns from its own fold; the loss there
tells which epoch was its best. So all rows are used for training, and yet each row has a prediction by a network that
never saw it: the out-of-fold prediction. `[network] members = 1` is the textbook's single network.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.utils.rnn import pad_sequence

from capstone.core.errors import CapstoneError
from capstone.core.student_code import student_code
from capstone.training.acceleration.side_by_side import layer_of, side_by_side

NO_FOLD = -1  # marks what only fills up a shorter fold


class Ensemble(nn.Module):
    """The same network several times, each with weights of its own, computed in one go.

    Its `network` is one of them whose every weight has become a stack of all members' weights, shape (members, ...).
    `vmap` runs it once for each member with that member's layer of the stack, all at the same time.

    Parameters
    ----------
    members : list of nn.Module
        Networks of one class and shape, differently initialized.
    inputs : int
        Numbers that each takes for a row.
    """

    def __init__(self, members: list[nn.Module], inputs: int) -> None:
        super().__init__()
        self.size = len(members)
        # In a tuple, where PyTorch doesn't see it: its weights are none of the ensemble's.
        self.template = (copy.deepcopy(members[0]),)
        self.network = copy.deepcopy(members[0])
        # Eight matrices of shape (64, 20) become one of shape (8, 64, 20): one optimizer step then moves all of them.
        weights, buffers = stack_module_state(members)
        for name, stack in weights.items():
            _set_weight(self.network, name, stack)
        for name, stack in buffers.items():
            _set_buffer(self.network, name, stack)
        # Where a network is plain layers, one batched product computes all members, with the same bits as `vmap`.
        quicker = side_by_side(self.network, members, inputs)
        self.at_once = quicker is not None
        self.network = quicker or self.network

    def forward(self, inputs: Tensor) -> Tensor:
        """Every member's scores.

        Parameters
        ----------
        inputs : Tensor
            Shape (rows, inputs), the same for all members, or (members, rows, inputs), for each its own.

        Returns
        -------
        Tensor
            Shape (rows, outputs, members).
        """
        # Members stay apart here, each with scores of its own. Their mean is taken when the trained model predicts.
        each_its_own = inputs.dim() == 3
        if self.at_once:
            each = inputs if each_its_own else inputs.expand(self.size, -1, -1)
            return self.network(each).permute(1, 2, 0)
        # `functional_call` runs the network with weights that are handed in; `vmap` does that for every layer of
        # the stacks.
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
        # The way back: one layer is cut out of every stack.
        network = copy.deepcopy(self.template[0]).train(self.training)
        for name, stack in self.network.named_parameters():
            _set_weight(network, name, stack[number].clone())
        for name, values in self.network.named_buffers():
            _set_buffer(network, name, values[number])
        return network

    def members(self) -> list[nn.Module]:
        """All networks, as copies that can be used alone."""
        return [self.member(number) for number in range(self.size)]


def build_ensemble(members: list[nn.Module], inputs: int) -> nn.Module:
    """The members as one model, of which each takes so many inputs; a single one stays as it is.

    Raises CapstoneError when the student's network can't be computed side by side with others.
    """
    if len(members) == 1:
        return members[0]
    try:
        # Different first weights lead to different errors, which partly cancel in the mean: that is why several help.
        ensemble = Ensemble(members, inputs)
        # Two rows of zeros, to see now rather than in the first epoch whether it can be computed at all.
        ensemble.train()(torch.zeros(2, inputs))
    except Exception as error:
        with student_code(
            "NeuralNetwork"
        ):  # whatever is wrong, it may have nothing to do with how many there are
            members[0].train()(torch.zeros(2, inputs))
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CapstoneError(
            f"Your NeuralNetwork can't be trained several times at once ({reason[:300]}): "
            "set [network] members = 1."
        ) from error
    return ensemble


class EnsembleLoss(nn.Module):
    """The loss of each member: in training on all rows but its own fold, else on its own fold alone.

    Targets hold two numbers per row: the target, and the row's fold.
    """

    numbers: Tensor

    def __init__(self, criterion: nn.Module, members: int) -> None:
        super().__init__()
        # A loss for every row, not their mean, so that some rows can be left out before the mean is taken.
        self.each_row = type(criterion)(reduction="none")
        self.register_buffer("numbers", torch.arange(members))

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Mean over members and rows in training, else the loss of each member, shape (members,).

        scores   shape (rows, members), or (rows, classes, members)
        targets  shape (rows, 2), the same for all, or (members, rows, 2), for each its own
        """
        # Each row carries the number of its fold beside its target, so that the loss knows whom it must not teach.
        target, fold = targets.unbind(-1)
        if targets.dim() == 2:
            target, fold = target[:, None].expand(-1, len(self.numbers)), fold[:, None]
        else:
            target, fold = target.T, fold.T
        losses = self.each_row(scores, target)
        # A row counts for every member but the one that is to be stopped by it: its gradient there is zero.
        if self.training:
            counts: Tensor = fold.ne(self.numbers)
            return (losses * counts).sum() / counts.sum()
        # The other way round when we judge: each member on its own fold alone.
        counts = fold.eq(self.numbers)
        return (losses * counts).sum(dim=0) / counts.sum(dim=0)


def with_folds(targets: Tensor, folds: np.ndarray) -> Tensor:
    """Targets and folds side by side, as EnsembleLoss takes them: shape (rows, 2)."""
    fold = torch.as_tensor(folds, device=targets.device)
    return torch.stack([targets, fold.to(targets.dtype)], dim=1)


def own_folds(inputs: Tensor, targets: Tensor, members: int) -> tuple[Tensor, Tensor]:
    """Each member's own fold: inputs (members, rows, inputs) and targets (members, rows, 2).

    targets  as `with_folds` makes them. Shorter folds are filled up with rows that don't count.
    """
    fold = targets[:, 1]
    own = [torch.nonzero(fold == number).squeeze(1) for number in range(members)]
    # Folds may differ by a row, but one product for all needs the same number of rows from each.
    rows = pad_sequence(own, batch_first=True)  # filled up with row 0
    filled = pad_sequence([torch.ones_like(fold_rows) for fold_rows in own], batch_first=True) == 0
    own_targets = targets[rows]
    own_targets[..., 1].masked_fill_(filled, NO_FOLD)
    return inputs[rows], own_targets


def _set_weight(network: nn.Module, name: str, values: Tensor) -> None:
    """Put a trainable weight in the place of one such as "layers.0.bias"; its shape may be another."""
    weights, key = layer_of(network, name)._parameters, name.split(".")[-1]
    before = weights[key]
    assert before is not None
    # A weight that the student has frozen stays so.
    weights[key] = nn.Parameter(values.detach(), requires_grad=before.requires_grad)


def _set_buffer(network: nn.Module, name: str, values: Tensor) -> None:
    """Put numbers that are not trained, such as batch norm's means, in the place of others."""
    layer_of(network, name)._buffers[name.split(".")[-1]] = values.clone()
