"""What the ways not taken would cost: `nox -s bench -- choices [--quick] [--json FILE]`.

Decisions 0029, 0030, 0032, 0042 and 0060 quote these figures. Each line is timed in processes of its own, ours
beside the other.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import psutil

# A name, what is made ready, and what is timed. `seconds` is printed by each.
CASES = {
    "import skops.io": ("import sklearn", "import skops.io"),
    "torch.use_deterministic_algorithms": (
        "import torch",
        "torch.use_deterministic_algorithms(True)",
    ),
    "bootstrap of six metrics, 800 rows: ours": (
        """
        import numpy as np
        from capstone.evaluation.evaluate import evaluate_model
        rng = np.random.default_rng(0)
        truth = rng.integers(0, 2, 800)
        share = np.clip(rng.normal(0.3 + 0.4 * truth, 0.2), 0.001, 0.999)
        said = {name: np.column_stack([1 - share, share]) for name in ("model", "dummy", "linear", "boosting")}
        """,
        "evaluate_model(truth, said, 'binary', 'roc_auc', 1000, 0)",
    ),
    "the same by scikit-learn's functions": (
        """
        import numpy as np
        from sklearn import metrics as m
        rng = np.random.default_rng(0)
        truth = rng.integers(0, 2, 800)
        share = np.clip(rng.normal(0.3 + 0.4 * truth, 0.2), 0.001, 0.999)
        """,
        """
        for model in range(4):
            for _ in range(1000):
                rows = rng.integers(0, 800, 800)
                y, p = truth[rows], share[rows]
                m.roc_auc_score(y, p), m.average_precision_score(y, p), m.accuracy_score(y, p > 0.5)
                m.f1_score(y, p > 0.5), m.log_loss(y, p), m.brier_score_loss(y, p)
        """,
    ),
    "SHAP of 1,000 rows, 13 columns: ours": (
        """
        import numpy as np
        from capstone.evaluation.explanation import Plan, explain
        rng = np.random.default_rng(0)
        rows, background = rng.normal(size=(1000, 13)), rng.normal(size=(100, 13))
        first, last = rng.normal(size=(13, 64)), rng.normal(size=64)
        model = lambda x: np.tanh(x @ first) @ last
        """,
        "explain(model, rows, background, [str(n) for n in range(13)], 0, Plan.of(13, 1000, 900))",
    ),
    "the same by shap.PermutationExplainer, two orders": (
        """
        import numpy as np
        rng = np.random.default_rng(0)
        rows, background = rng.normal(size=(1000, 13)), rng.normal(size=(100, 13))
        first, last = rng.normal(size=(13, 64)), rng.normal(size=64)
        model = lambda x: np.tanh(x @ first) @ last
        """,
        """
        import shap
        shap.PermutationExplainer(model, background, seed=0)(rows, max_evals=2 * (2 * 13 + 1), silent=True)
        """,
    ),
    **{
        f"an epoch of 300,000 rows, batch 4,096: {threads} thread(s)": (
            f"""
            import torch
            from torch import nn
            from capstone.core.settings import Training
            from capstone.training.batches import RowsInMemory
            from capstone.training.loop import Trainer
            torch.set_num_threads({threads})
            rows = RowsInMemory(torch.randn(300_000, 20), torch.randn(300_000))
            network = nn.Sequential(nn.Linear(20, 64), nn.SiLU(), nn.Linear(64, 32), nn.SiLU(), nn.Linear(32, 1))
            trainer = Trainer(network, nn.MSELoss(), Training(), seed=0)
            trainer.batch_size = 4096
            """,
            "trainer.train_epoch(rows)",
        )
        for threads in (1, 2)
    },
}


def seconds(ready: str, timed: str) -> float:
    """Run both in a new process; only the second is timed."""
    lines = [
        "import textwrap, time",
        f"exec(textwrap.dedent({ready!r}))",
        "start = time.perf_counter()",
    ]
    lines += [f"exec(textwrap.dedent({timed!r}))", "print(time.perf_counter() - start)"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "\n".join(lines)],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="each once instead of three times")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every figure here")
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)  # for the tests
    options = parser.parse_args()
    cases = dict(list(CASES.items())[:2]) if options.tiny else CASES
    times = 1 if options.quick or options.tiny else 3
    print(f"{os.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f}\n")
    print("| what | seconds, median (least - most) |\n|---|---:|")
    kept = []
    for name, case in cases.items():
        taken = [seconds(*case) for _ in range(times)]
        kept.append({"what": name, "seconds": taken})
        print(
            f"| {name} | {statistics.median(taken):.2f} ({min(taken):.2f} - {max(taken):.2f}) |",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps({"costs": kept}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
