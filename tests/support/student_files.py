"""A small table, and files of a student's with gaps to fill: what the tests of the door to their code share."""

import numpy as np
import pandas as pd

ROWS = 60

NETWORK = """import torch
from torch import nn


class NeuralNetwork(nn.Module):
    def __init__(self, inputs, outputs, hidden=(8,), activation="relu", dropout=0.0):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 8), nn.ReLU())
        self.head = nn.Linear(8, outputs)
        {more}

    def forward(self, x):
        {forward}
"""

DECISIONS = """NOTHING, ACTION, UNIT = "wait", "call", "EUR"


def recommend_action(prediction):
    return {answer}


def cost_of(action, prediction, truth):
    return {cost}
"""


def small_table() -> pd.DataFrame:
    chance = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "id": [f"row {number}" for number in range(ROWS)],
            "size": chance.normal(size=ROWS).round(3),
            "colour": chance.choice(["red", "green", "blue"], ROWS),
            "day": pd.date_range("2024-01-01", periods=ROWS).astype(str),
            "y": chance.normal(size=ROWS).round(3),
        }
    )
