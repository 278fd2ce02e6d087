"""Where the model is wrong: slices, found against planted ones."""

import numpy as np
import pandas as pd

from capstone.evaluation.error_analysis import worst_slices


def test_the_worst_slice_is_the_planted_one() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "town": rng.choice(["north", "south"], 2000),
            "size": rng.normal(size=2000),
            "noise": rng.normal(size=2000),
        }
    )
    planted = (table["town"] == "north") & (table["size"] > 0.7)
    worst = worst_slices(table, rng.exponential(1 + 3 * planted))
    assert worst[0]["slice"].startswith("town = north and size = 0.")
    assert not any("noise" in line["slice"] for line in worst)
    assert worst_slices(table, rng.exponential(np.ones(2000))) == []
    assert worst_slices(table[:10], np.ones(10)) == []
