"""What run.json says a run depended on."""

import json

import pytest
import torch

from capstone.training import model
from capstone.training.loop import Trainer
from tests.support.helpers import SMALL, Capstone, Render, run_of


def test_the_threads_are_those_of_training_not_of_the_last_prediction(
    copy_of: Render, capstone: Capstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several threads may give other last digits: `capstone reproduce` has to name the right number."""
    in_training = []
    epoch = Trainer.train_epoch

    def train_epoch(self: Trainer, *arguments: object) -> object:
        in_training.append(torch.get_num_threads())
        return epoch(self, *arguments)  # type: ignore[arg-type]

    before = torch.get_num_threads()
    monkeypatch.setattr(Trainer, "train_epoch", train_epoch)
    monkeypatch.setattr(model, "use_threads_for", lambda rows: torch.set_num_threads(3))
    smaller = [f"--set={change}" for change in SMALL]
    project = copy_of(problem="binary")
    try:
        code, _, errors = capstone(project, "run", "--quick", *smaller)
        after = torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
    assert (code, errors) == (0, "")
    threads = json.loads((run_of(project) / "run.json").read_text(encoding="utf-8"))["threads"]
    assert set(in_training) == {threads} and after == 3 != threads
