"""Your neural network. Change it freely: the engine only needs the class and its arguments."""

from collections.abc import Sequence

import torch
from torch import nn

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


class NeuralNetwork(nn.Module):
    """A feed-forward network: hidden layers of neurons, each followed by an activation function.

    inputs      number of input columns
    outputs     1 for regression and binary problems, else the number of classes
    hidden      neurons in each hidden layer
    activation  a key of ACTIVATIONS
    dropout     share of neurons switched off at random in each training step, against overfitting
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: Sequence[int] = (64, 32),
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = inputs
        for neurons in hidden:
            layers += [nn.Linear(width, neurons), ACTIVATIONS[activation]()]
            if dropout > 0:
                layers.append(nn.Dropout(dropout))
            width = neurons
        # No activation here: the loss function has its own.
        layers.append(nn.Linear(width, outputs))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Forward propagation: x of shape (rows, inputs) to scores of shape (rows, outputs)."""
        return self.layers(x)
