"""The chapter's network, as the services to compare ours with hold it."""

from __future__ import annotations

from collections.abc import Callable

FEATURES = 20


def network() -> Callable[[list[float]], float]:
    """From a list of numbers to a number, by torch."""
    import torch
    from torch import nn

    torch.set_num_threads(1)  # for one row the quickest
    layers = [nn.Linear(FEATURES, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 32), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Dropout(0.2), nn.Linear(32, 1)).eval()

    def predict(features: list[float]) -> float:
        with torch.no_grad():
            return float(model(torch.tensor([features])))

    return predict
