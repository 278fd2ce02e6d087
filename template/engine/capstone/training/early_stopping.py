"""Early stopping keeps the weights of the best epoch: later ones know the training rows by heart."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn


class BestWeights:
    """The weights of the epoch with the lowest validation loss: of each member, if there are several.

    `Trainer.fit` stops when they have not changed for `[training] patience` epochs.
    """

    def __init__(self, model: nn.Module) -> None:
        self.weights = copy.deepcopy(model.state_dict())
        self.loss = torch.tensor(math.inf)

    def update(self, model: nn.Module, loss: Tensor) -> bool:
        """Keep the weights where the loss is lower.

        Parameters
        ----------
        model : nn.Module
            The model as it is after this epoch.
        loss : Tensor
            Its validation loss, shape (); of an ensemble, each member's, shape (members,).

        Returns
        -------
        bool
            Whether it is lower anywhere.
        """
        better = loss < self.loss.to(loss.device)
        self.loss = torch.where(better, loss, self.loss.to(loss.device))
        for name, weights in model.state_dict().items():
            # Of an ensemble, each weight is a stack, one layer of it for each member.
            of_each = better.reshape(better.shape + (1,) * (weights.dim() - better.dim()))
            self.weights[name] = torch.where(of_each, weights, self.weights[name])
        return bool(better.any())

    def load(self, weights: dict[str, Tensor], loss: Tensor) -> None:
        """Take over the best of another training, wherever they were kept."""
        for name, values in weights.items():
            self.weights[name] = values.to(self.weights[name].device)
        self.loss = loss

    def restore(self, model: nn.Module) -> None:
        """Give the model its best weights again."""
        model.load_state_dict(self.weights)
