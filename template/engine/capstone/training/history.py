"""What happened in training, epoch by epoch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what only reads a history needs no pandas
    import pandas as pd


@dataclass(frozen=True)
class Epoch:
    """One line of history.csv: the mean losses of one pass over the training part."""

    epoch: int
    of: int  # epochs at most
    train_loss: float
    validation_loss: float
    learning_rate: float
    seconds: float


@dataclass
class History:
    """The epochs of a training, its best one, and why it ended."""

    epochs: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0  # with several members, the last in which one of them was at its best
    best_loss: float = math.inf  # with several members, the mean of their best
    batch_size: int = 0
    threads: int = 1  # of the processor, while it trained
    interrupted: bool = False
    ended: str = "all epochs done"

    def epochs_without_improvement(self) -> int:
        """How many epochs have passed since the best one."""
        return len(self.epochs) - self.best_epoch

    def table(self) -> pd.DataFrame:
        """One row per epoch, the columns of history.csv."""
        import pandas as pd

        return pd.DataFrame([asdict(epoch) for epoch in self.epochs]).drop(columns="of")
