"""`capstone run --seeds`: several runs in one table."""

from typing import Any

import pytest

from capstone.commands.seeds import over_seeds


def test_several_seeds_make_one_table() -> None:
    def metrics(model: float) -> dict[str, Any]:
        scores = {"model": model, "dummy": 0.5}
        its = {name: {"mae": {"value": value}} for name, value in scores.items()}
        return {"model": its["model"], "baselines": {"dummy": its["dummy"]}}

    table = over_seeds([metrics(0.2), metrics(0.4), metrics(0.6)]).set_index("model")
    assert table.loc["model", ["mean", "spread"]].to_list() == pytest.approx([0.4, 0.2])
    assert table["best_in"].to_dict() == {"model": 2, "dummy": 1}
