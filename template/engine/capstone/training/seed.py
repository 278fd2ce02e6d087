"""One seed decides everything random, so that a run can be repeated to the last bit."""

from __future__ import annotations

import os
import random

import numpy as np
import torch


def set_seed(seed: int) -> None:
    """Make everything random repeatable: Python, NumPy and PyTorch, on every device.

    Parameters
    ----------
    seed : int
        From 0 to 2**32 - 1; `seed` in capstone.toml.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # is read when CUDA starts
    if torch.cuda.is_available():  # on the CPU what we use is deterministic anyway
        torch.use_deterministic_algorithms(True, warn_only=True)


def epoch_seed(seed: int, epoch: int) -> int:
    """A seed for each epoch, so that an epoch doesn't depend on the ones before it."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
