"""Tables larger than memory: read in blocks, they are split, prepared and learnt from as others are."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from capstone.core.errors import CapstoneError
from capstone.core.settings import Settings
from capstone.data.preprocessing import Preprocessor
from capstone.runs.folder import Run, read_run
from capstone.runs.verify import check_whole
from capstone.streaming import blocks, prepared, source
from capstone.streaming.dealing import Dealer, keys_of
from capstone.streaming.prepared import PreparedRows, RowShape
from capstone.streaming.sketches import MOST_POINTS, Numbers, Sketch
from capstone.streaming.source import is_streamed, open_source, table_or_sample
from capstone.streaming.survey import Survey
from capstone.training.early_stopping import BestWeights
from tests.support.helpers import (
    Capstone,
    Render,
    call,
    checkpoints_of,
    files_of,
    must_run,
    python_path,
    small_disk,
)

ROWS = 3_000
CPU = torch.device("cpu")


def settings(**sections: Any) -> Settings:
    """Settings for `table`, with these sections changed."""
    data = {"path": "rows", "target": "y", "problem": "regression", **sections.pop("data", {})}
    network = {"members": 1, **sections.pop("network", {})}
    return Settings.model_validate({"data": data, "network": network, **sections})


def table(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Every kind of column, sorted by the first, with gaps and rare values at the very end alone."""
    chance = np.random.default_rng(seed)
    held = pd.DataFrame(
        {
            "size": np.sort(chance.normal(50, 10, rows)),
            "rooms": chance.integers(1, 8, rows),
            "colour": chance.choice(["red", "green", "blue"], rows, p=[0.6, 0.3, 0.1]),
            "code": chance.choice([f"k{i:02}" for i in range(40)], rows),
            "new": chance.choice([True, False], rows),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(rows) // 10, unit="D"),
            "same": 1.0,
            "words": [f"text {i}" for i in range(rows)],
        },
        index=pd.RangeIndex(1, rows + 1, name="row"),
    )
    held["y"] = held["size"] * 2 + held["rooms"] + (held["colour"] == "red") * 5
    held.loc[rows - 5 :, "size"] = np.nan
    held.loc[rows - 3 :, "colour"] = "violet"
    return held


def in_blocks(held: pd.DataFrame, rows: int = 700) -> Iterator[pd.DataFrame]:
    for first in range(0, len(held), rows):
        yield held.iloc[first : first + rows]


# ---- Which part a row is dealt to ---------------------------------------------------------------------


def test_copies_of_a_row_come_into_one_part_in_whatever_block_they_lie() -> None:
    dealer, held = Dealer(settings(network={"members": 4})), table()
    part, fold = dealer.deal(held)
    later = held.tail(900).astype({"rooms": "float64"})  # as where the block has gaps
    part_later, fold_later = dealer.deal(later)
    assert (part[-900:] == part_later).all() and (fold[-900:] == fold_later).all()


def test_an_id_does_not_keep_copies_apart() -> None:
    held = table().assign(number=range(ROWS))
    twice = pd.concat([held, held.assign(number=range(ROWS, 2 * ROWS))])
    part, _ = Dealer(settings(data={"id": "number"})).deal(twice)
    assert (part[:ROWS] == part[ROWS:]).all()


def test_parts_and_folds_have_their_shares() -> None:
    held = table(20_000)
    part, _ = Dealer(settings(split={"test": 0.2, "validation": 0.1})).deal(held)
    assert np.bincount(part) / len(held) == pytest.approx([0.7, 0.1, 0.2], abs=0.01)
    part, fold = Dealer(settings(network={"members": 8})).deal(held)
    assert np.bincount(part, minlength=3)[1] == 0  # each member holds out a fold instead
    assert np.bincount(fold) / len(held) == pytest.approx([1 / 8] * 8, abs=0.01)
    other, _ = Dealer(settings(seed=7)).deal(held)
    assert (other != part).mean() > 0.2


def test_a_group_comes_into_one_part_and_fold() -> None:
    chosen = settings(split={"method": "group", "group_column": "code"}, network={"members": 3})
    held = table()
    part, fold = Dealer(chosen).deal(held)
    for labels in (part, fold):
        assert pd.Series(labels).groupby(held["code"].to_numpy()).nunique().max() == 1
    held.loc[5, "code"] = None
    with pytest.raises(CapstoneError, match=r'group_column "code" is missing in row 5'):
        Dealer(chosen).deal(held)


def test_keys_tell_rows_apart() -> None:
    held = table()
    assert len(np.unique(keys_of(held))) == ROWS
    assert len(np.unique(keys_of(held[["colour"]]))) == 4


# ---- What the training rows are like ------------------------------------------------------------------


def test_the_survey_learns_what_the_preprocessor_learns_from_all_rows_at_once() -> None:
    held = table()
    features, target = held.drop(columns="y"), held["y"]
    whole = Preprocessor().fit(features)
    survey = Survey(features.iloc[::3], settings(), "features.py")
    for block in in_blocks(features):
        survey.add(block, target[block.index])
    found = survey.fitted_preprocessor()
    assert found.inputs == whole.inputs and found.origins == whole.origins
    assert found.left_out == whole.left_out
    assert "size missing" in found.inputs  # although the gaps are in the last block alone
    near = found.transform(features) - whole.transform(features)
    assert np.abs(near).max() < 0.01  # the median is the middle but for a rank or two
    gaps = features["size"].isna().to_numpy()
    assert np.abs(near[~gaps]).max() < 1e-4
    assert survey.fitted_target().mean == pytest.approx(target.mean())
    assert survey.fitted_target().scale == pytest.approx(target.std(ddof=0))


def test_classes_are_checked_as_those_of_a_table_in_memory() -> None:
    def surveyed(values: list[Any], problem: str = "binary") -> Survey:
        survey = Survey(table(), settings(data={"problem": problem}), "features.py")
        for start in range(0, len(values), 10):
            survey.add_classes(pd.Series(values[start : start + 10]))
        return survey

    assert surveyed(["yes", "no"] * 20).fitted_target().classes == ["no", "yes"]
    floats = surveyed([1.0, 0.0] * 20)
    assert floats.fitted_target().classes == ["0", "1"]
    assert floats.learnt(pd.Series([1.0])).tolist() == [1]
    for values, said in {
        ("a", "b", "c"): "has 3 classes, but a binary",
        ("a",): 'is "a" in every row',
    }.items():
        with pytest.raises(CapstoneError, match=said):
            surveyed(list(values) * 20).fitted_target()
    with pytest.raises(CapstoneError, match='class "rare" has 2 row'):
        surveyed(["a", "b"] * 20 + ["rare"] * 2, "multiclass").fitted_target()


def test_a_sketch_stays_small_and_near() -> None:
    sketch, chance = Sketch(), np.random.default_rng(0)
    for number in range(400):  # sorted blocks, as of a sorted table
        sketch.add(np.sort(chance.uniform(number, number + 1, 1_000)))
    assert sum(map(len, sketch.points)) <= MOST_POINTS + 1_000
    assert sketch.quantiles([0.1, 0.5, 0.9]) == pytest.approx([40, 200, 360], abs=0.5)


def test_mean_and_spread_of_far_away_numbers_keep_their_digits() -> None:
    values = np.random.default_rng(0).normal(1e9, 1, 10_000)
    numbers = Numbers()
    for block in np.split(values, 10):
        numbers.add(block)
    assert numbers.mean == pytest.approx(values.mean(), rel=1e-12)
    assert numbers.variance == pytest.approx(values.var(), rel=1e-6)


def test_a_column_of_another_kind_further_down_is_named() -> None:
    held = table()
    for name, value in {"size": "unknown", "new": "perhaps", "day": "soon"}.items():
        odd = held.astype({name: object}).copy()
        odd.loc[2_990, name] = value
        survey = Survey(held.drop(columns="y").head(500), settings(), "features.py")
        with pytest.raises(CapstoneError, match=f'Column "{name}" '):
            for block in in_blocks(odd):
                survey.add(block.drop(columns="y"), block["y"])


# ---- The prepared rows ----------------------------------------------------------------------------------


@pytest.fixture
def ten_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PreparedRows:
    """1,003 rows in ten blocks; a row's number is in each of its columns, and in its target."""
    monkeypatch.setattr(prepared, "BLOCK_BYTES", 1_300)
    rows = PreparedRows(tmp_path, 1_003, RowShape(3, 2, classes=False), 0, CPU)
    numbers = np.arange(1_003, dtype=np.float32)
    for some in np.split(numbers, [1, 400, 400, 950]):
        rows.add(np.column_stack([some] * 3), np.column_stack([some, some % 4]))
    assert rows.blocks == 10
    return rows


def epoch(rows: PreparedRows, seed: int = 1, size: int = 32) -> list[Tensor]:
    torch.manual_seed(seed)
    found = []
    for inputs, targets in rows.make_batches(size):
        assert torch.equal(inputs[:, 0], targets[:, 0]) and torch.equal(
            inputs[:, 2] % 4, targets[:, 1]
        )
        found.append(targets[:, 0])
    return found


def test_an_epoch_has_every_row_once_in_an_order_of_its_own(ten_blocks: PreparedRows) -> None:
    first, again, second = (epoch(ten_blocks, seed) for seed in (1, 1, 2))
    for found in (first, second):
        assert sorted(torch.cat(found).tolist()) == list(range(1_003))
    assert [b.tolist() for b in first] == [b.tolist() for b in again]
    assert [b.tolist() for b in first] != [b.tolist() for b in second]
    assert max(map(len, first)) == 32


def test_each_block_is_a_fair_sample_of_a_sorted_table(ten_blocks: PreparedRows) -> None:
    order = torch.arange(100)
    means = [ten_blocks.read(block, order)[1][:, 0].mean().item() for block in range(10)]
    assert means == pytest.approx([501] * 10, abs=50)


def test_another_process_waits_for_the_rows_and_takes_the_same_batches(
    ten_blocks: PreparedRows,
) -> None:
    shape = RowShape(3, 2, classes=False)
    other = PreparedRows(ten_blocks.folder, 1_003, shape, 0, CPU)
    with ThreadPoolExecutor(max_workers=1) as second_process:
        waiting = second_process.submit(other.wait)
        time.sleep(0.2)
        assert not waiting.done()
        ten_blocks.finish()
        waiting.result(timeout=10)
    pairs = zip(epoch(ten_blocks), epoch(other), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_prepared_rows_that_were_cut_off_are_noticed(ten_blocks: PreparedRows) -> None:
    path = ten_blocks.folder / "inputs.float32"
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(CapstoneError, match=r"can't be read any more: `capstone run --resume`"):
        epoch(ten_blocks)


# ---- The files --------------------------------------------------------------------------------------------


def test_a_folder_is_one_table_whatever_its_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "CELLS", 900)
    held = table(1_000)
    held["rooms"] = held["rooms"].astype("Int64")
    held.loc[990, "rooms"] = pd.NA  # in the second file alone
    held.head(400).astype({"rooms": "int64"}).to_parquet(tmp_path / "a.parquet", row_group_size=150)
    held.tail(600).to_parquet(tmp_path / "b.parquet", row_group_size=250)
    found = open_source(tmp_path)
    read = list(found.blocks())
    assert max(map(len, read)) == 100 and len(read) > 9
    assert {block["rooms"].dtype for block in read} == {np.dtype("float64")}
    whole = pd.concat(read)
    assert whole.index.tolist() == list(range(1, 1_001)) and whole.index.name == "row"
    pd.testing.assert_frame_equal(whole, held.astype({"rooms": "float64"}), check_dtype=False)
    looked = found.look()
    assert looked.equals(whole.loc[looked.index].reindex(columns=looked.columns))
    assert looked.index.max() > 900


def test_memory_does_not_depend_on_how_many_rows_a_file_has(tmp_path: Path) -> None:
    before = pa.total_allocated_bytes()

    def most(rows: int) -> int:
        path = tmp_path / "rows.parquet"
        numbers = pd.DataFrame(np.random.default_rng(0).normal(size=(rows, 20)))
        numbers.add_prefix("x").to_parquet(path, row_group_size=50_000)
        held = open_source(path).blocks()
        return max(pa.total_allocated_bytes() - before for _ in held)

    assert most(400_000) < 1.5 * most(100_000)


def test_other_columns_or_types_in_a_folder_are_named(tmp_path: Path) -> None:
    held = table(50)
    held.to_parquet(tmp_path / "a.parquet")
    for changed, said in (
        (held.astype({"rooms": "float64"}), r'Column "rooms" is double in .*b.parquet, but int64'),
        (
            held.rename(columns={"code": "Code"}),
            r"b.parquet has other columns than a.parquet \(Code, code\)",
        ),
        (held[list(held)[::-1]], "the order"),
    ):
        changed.to_parquet(tmp_path / "b.parquet")
        with pytest.raises(CapstoneError, match=said):
            open_source(tmp_path)
    (tmp_path / "b.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(CapstoneError, match=r"b.parquet is not a readable Parquet file"):
        open_source(tmp_path)
    held.to_parquet(tmp_path / "b.parquet")
    content = (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(content[:4] + b"\xff" * 900 + content[904:])
    with pytest.raises(CapstoneError, match=r"b.parquet is not a readable Parquet file"):
        list(open_source(tmp_path).blocks())


def test_a_large_table_is_read_in_blocks_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, data = tmp_path / "rows.parquet", settings().data
    table(500).to_parquet(path)
    assert not is_streamed(path, data)
    assert not is_streamed(path, data, card=2e6), "the graphics card holds it easily"
    assert is_streamed(path, data, card=4 * 500 * 8)
    assert is_streamed(path, data.model_copy(update={"streaming": "always"}))
    small = SimpleNamespace(total=8 * 500 * 9)  # bytes of memory
    monkeypatch.setattr(psutil, "virtual_memory", lambda: small)
    assert is_streamed(path, data)
    assert not is_streamed(path, data.model_copy(update={"streaming": "never"}))
    sample, how, said = table_or_sample(path, data)
    assert len(sample) == 500 and how == "Parquet, in blocks" and said == ""
    monkeypatch.setattr(source, "SAMPLE", 100)
    sample, _, said = table_or_sample(path, data)
    assert 50 < len(sample) < 150 and f"a sample of {len(sample)} of the 500 rows" in said


def test_a_csv_too_large_gets_the_line_that_makes_it_parquet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, data = tmp_path / "rows.csv", settings().data
    table(500).to_csv(path, index=False)
    assert not is_streamed(path, data)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=100_000))
    with pytest.raises(
        CapstoneError, match=r"this machine's memory 0\.0 GB\), only Parquet can"
    ) as raised:
        is_streamed(path, data)
    line = str(raised.value).partition("e.g. python -c ")[2].rstrip(".").strip('"')
    subprocess.run([sys.executable, "-c", line], cwd=tmp_path, check=True)
    assert open_source(tmp_path / "rows.parquet").rows == 500
    with pytest.raises(CapstoneError, match='streaming is "always"'):
        monkeypatch.undo()
        is_streamed(path, data.model_copy(update={"streaming": "always"}))


# ---- Whole runs -----------------------------------------------------------------------------------------

QUICK = (
    *("run", "--quick", "--set", "training.checkpoint_seconds=0"),
    *("--set", "evaluation.explained_rows=5", "--set", "evaluation.bootstrap=20"),
)


@pytest.fixture
def streamed(copy_of: Render, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`streamed("binary", members=2)` gives a project whose table is a folder of Parquet, read in small blocks."""
    monkeypatch.setattr(source, "CELLS", 13 * 800)
    monkeypatch.setattr(blocks, "SAMPLE", 600)
    monkeypatch.setattr(prepared, "BLOCK_BYTES", 20_000)

    def make(problem: str = "regression", members: int = 1, **changes: str) -> Path:
        project = copy_of(problem=problem)
        (csv,) = (project / "data" / "raw").glob("*.csv")
        held = pd.read_csv(csv)
        folder = project / "data" / "raw" / "parts"
        folder.mkdir()
        for number, some in enumerate(in_blocks(held, 1_500)):
            some.to_parquet(folder / f"{number}.parquet", row_group_size=500, index=False)
        path = project / "capstone.toml"
        text = path.read_text(encoding="utf-8").replace(f"{csv.name}", "parts")
        changes |= {
            "members = 8": f"members = {members}",
            'streaming = "auto"': 'streaming = "always"',
        }
        changes |= {'numbers = "auto"': 'numbers = "plain"'}
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")
        return project

    return make


def newest(project: Path) -> Run:
    return read_run(project / "runs")


def leavings(project: Path) -> list[str]:
    return [name for name in files_of(project) if ".partial" in name]


@pytest.mark.slow
def test_a_run_in_blocks_is_whole_made_again_and_explained(
    streamed: Callable[..., Path], capstone: Capstone
) -> None:
    project = streamed()
    code, out, err = capstone(project, *QUICK)
    assert code == 0, err
    assert "read in blocks" in out and "stays within those" in out
    run = newest(project)
    check_whole(run)
    assert run.info["streamed"] and run.info["rows"]["train"] > run.info["sampled"]["train"]
    assert sum(run.info["rows"].values()) < 3_045 <= 3_045 + run.info["all_test_rows"]
    assert leavings(project) == []
    report = (run.folder / "report.html").read_text(encoding="utf-8")
    assert f"learnt from all {run.info['rows']['train']:,} training rows" in report

    assert capstone(project, "reproduce")[0] == 0
    known = pd.read_csv(run.folder / "predictions.csv")["house_id"]
    unknown = pd.read_parquet(project / "data" / "raw" / "parts")["house_id"]
    row = unknown[~unknown.isin(known)].iloc[-1]
    code, out, err = capstone(project, "explain", "--row", row)
    assert code == 0 and f"Row {row} " in out, err
    code, out, _ = capstone(project, "explain", "--row", "nobody")
    assert code == 2
    code, out, err = capstone(project, "card")
    assert code == 0, err
    assert "drawn at random; the scores are of" in (project / "docs" / "model_card.md").read_text(
        "utf-8"
    )
    out = capstone(project, "check")[1]
    assert "✓ split: training, validation and test part share nothing, in a random sample" in out
    assert "✓ leaks:" in out and "✓ data:" in out and "✓ numbers:" in out


@pytest.mark.slow
@pytest.mark.parametrize("problem", ["binary", "multiclass"])
def test_members_learn_in_blocks_too_and_a_stopped_run_goes_on_with_the_same_bits(
    streamed: Callable[..., Path], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = streamed(problem, members=3)
    assert call(project, *QUICK) == 0
    first = newest(project)

    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(
            "capstone.training.early_stopping.BestWeights.update", cut_power_in_the_second_epoch()
        )
        call(project, *QUICK)
    assert len(checkpoints_of(project)) == 1
    assert leavings(project) == []
    assert call(project, *QUICK, "--resume") == 0
    again = newest(project)
    assert again.id != first.id
    for name in ("model.safetensors", "metrics.json", "predictions.csv"):
        assert (again.folder / name).read_bytes() == (first.folder / name).read_bytes()


class PowerCut(BaseException):
    """What no part of the program expects."""


def cut_power_in_the_second_epoch() -> Callable[..., bool]:
    usual, calls = BestWeights.update, [0]

    def update(self: BestWeights, network: torch.nn.Module, losses: Tensor) -> bool:
        calls[0] += 1
        if calls[0] == 2:
            raise PowerCut
        return usual(self, network, losses)

    return update


@pytest.mark.slow
def test_rows_are_split_by_time_and_by_group(
    streamed: Callable[..., Path], capstone: Capstone
) -> None:
    project = streamed(members=2)
    split = ("--set", "split.method=time", "--set", "split.time_column=listed_on")
    code, _, err = capstone(project, *QUICK, *split)
    assert code == 2
    assert (
        'time_column "listed_on" holds text: a table read in blocks needs dates or numbers' in err
    )
    by_distance = (*split[:3], "split.time_column=distance_km")
    code, out, err = capstone(project, *QUICK, *by_distance)
    assert code == 0 and "(time, by a hash)" not in out, err
    run = newest(project)
    tested = pd.read_csv(run.folder / "predictions.csv")["row"]
    held = pd.read_parquet(project / "data" / "raw" / "parts")["distance_km"]
    held.index = pd.RangeIndex(1, len(held) + 1)
    assert held[tested].min() >= held.drop(tested).quantile(0.95)
    group = ("--set", "split.method=group", "--set", "split.group_column=house_number")
    assert capstone(project, *QUICK, *group)[0] == 0


def test_a_disk_too_small_for_the_prepared_rows_is_told_and_nothing_is_left(
    streamed: Callable[..., Path], capstone: Capstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = streamed()
    with small_disk(project / "runs", "64k"):
        code, _, err = capstone(project, *QUICK)
        assert code == 2 and "GB are free: free some space" in err
        assert files_of(project / "runs") == set()
        plenty = SimpleNamespace(free=10**12)
        monkeypatch.setattr(prepared.shutil, "disk_usage", lambda _: plenty)
        code, _, err = capstone(project, *QUICK)
        assert code == 2 and "but can't be written (No space left on device)" in err
        assert files_of(project / "runs") == set()


def test_ctrl_c_while_rows_are_prepared_leaves_nothing(
    streamed: Callable[..., Path], capstone: Capstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, usual = streamed(), PreparedRows.add

    def interrupted(self: PreparedRows, inputs: np.ndarray, targets: np.ndarray) -> None:
        if self.dealt:
            raise KeyboardInterrupt
        usual(self, inputs, targets)

    monkeypatch.setattr(PreparedRows, "add", interrupted)
    code, _, err = capstone(project, *QUICK)
    assert code == 130 and err == "Stopped. No run was saved.\n"
    assert files_of(project / "runs") == set()


def test_what_a_killed_run_has_left_is_removed_by_the_next(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True
    )
    for process in (int(done.stdout), os.getpid()):
        with prepared.prepared_folder(tmp_path, 0) as folder:
            kept = folder.with_name(f"{folder.name}{process}")
            shutil.copytree(folder, kept)
            (kept / "process").write_text(str(process))
    with prepared.prepared_folder(tmp_path, 0) as folder:
        assert set(tmp_path.iterdir()) == {folder, kept}  # the one of a process that is alive


def test_steps_that_do_something_else_each_time_are_refused(
    streamed: Callable[..., Path], capstone: Capstone
) -> None:
    project = streamed()
    path = project / "src" / "my_capstone" / "features.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text + "\n\nordinary, calls = clean, []\n\n\ndef clean(table):\n    calls.append(1)\n"
        "    return ordinary(table).iloc[len(calls) :]\n"
    )
    code, _, err = capstone(project, *QUICK)
    assert code == 2 and "gave other rows than the first: let clean() and" in err
    assert files_of(project / "runs") == set()


def test_columns_that_depend_on_the_values_are_refused(
    streamed: Callable[..., Path], capstone: Capstone
) -> None:
    project = streamed()
    path = project / "src" / "my_capstone" / "features.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text + "\n\nordinary = engineer\n\n\ndef engineer(table):\n    table = ordinary(table)\n"
        "    if table.index[0] > 1500:\n        table['late'] = 1\n    return table\n"
    )
    code, _, err = capstone(project, *QUICK)
    assert code == 2 and "gave other columns (late) for rows" in err


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(
    streamed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = streamed()
    monkeypatch.undo()  # the other processes have blocks of the usual size
    on_processors = (*QUICK, "--set", "training.device=cpu")
    assert call(project, *on_processors) == 0
    alone = load_file(newest(project).folder / "model.safetensors")
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2")
    paths = {"PYTHONPATH": python_path(project), "PYTHONDONTWRITEBYTECODE": "1"}
    must_run(*torchrun, "-m", "capstone", *on_processors, cwd=project, OMP_NUM_THREADS="1", **paths)
    run = newest(project)
    assert run.info["processes"] == 2 and run.info["streamed"]
    for name, weights in load_file(run.folder / "model.safetensors").items():
        torch.testing.assert_close(weights, alone[name], atol=1e-5, rtol=1e-4)
    assert leavings(project) == []
