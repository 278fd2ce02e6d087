"""Numbers in pieces: an encoding that lets a network learn steps and bends of a single column easily."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

PIECES = 16  # for each column, at most
MOST_PIECES = 2000  # for all columns together: more are slow, and learnt by heart


class PiecewiseLinear(nn.Module):
    """Beside each number, how far it reaches into each piece of its column's range.

    With pieces from 0 to 1 and from 1 to 3, the number 2 becomes 2, 1 and 0.5: past the first piece, half
    through the second. After Gorishniy, Rubachev and Babenko, "On embeddings for numerical
    features in tabular deep learning" (2022). Nothing here is trained.

    column, start, width  of each piece: the input it is cut from, and where on it the piece lies
    """

    column: Tensor
    start: Tensor
    width: Tensor

    def __init__(self, column: list[int], start: list[float], width: list[float]) -> None:
        super().__init__()
        # Not persistent: they are kept in model.json, beside the weights, which are trained.
        self.register_buffer("column", torch.tensor(column, dtype=torch.int64), persistent=False)
        self.register_buffer("start", torch.tensor(start), persistent=False)
        self.register_buffer("width", torch.tensor(width), persistent=False)

    def pieces(self) -> dict[str, list[float]]:
        """What it takes to make this encoding again."""
        buffers = self.named_buffers()
        return {name: values.tolist() for name, values in buffers}

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (..., inputs) to shape (..., inputs + pieces)."""
        its = inputs.index_select(-1, self.column)  # inputs[..., self.column], but faster
        reached = (its - self.start) / self.width
        return torch.cat([inputs, reached.clamp(0, 1)], dim=-1)


def fit_pieces(matrix: np.ndarray) -> PiecewiseLinear:
    """Pieces that hold about equally many training rows each, for every column of numbers.

    matrix  shape (rows, inputs). A column of two values (a category, a flag) has no bends to learn, and
            of very many columns none gets pieces.
    """
    column: list[int] = []
    start: list[float] = []
    width: list[float] = []
    most = min(PIECES, MOST_PIECES // matrix.shape[1])
    for number in range(matrix.shape[1]) if most > 1 else ():
        edges = np.unique(np.quantile(matrix[:, number], np.linspace(0, 1, most + 1)))
        if len(edges) > 2:
            column += [number] * (len(edges) - 1)
            start += edges[:-1].tolist()
            width += np.diff(edges).tolist()
    return PiecewiseLinear(column, start, width)
