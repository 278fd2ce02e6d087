"""Whatever is wrong with a table, the student reads one sentence: what, where, what to do.

Each case runs `capstone run` in one project of the student's own table, in this process. A refusal
ends with code 2 and leaves no run behind; what can be lived with is said in a note.
"""

import errno
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from capstone.core.errors import CapstoneError
from capstone.core.settings_file import load_settings
from capstone.data.reading import read_table
from tests.support.helpers import SMALL, Capstone, Render, small_disk

ROWS = 200
rng = np.random.default_rng(0)
GOOD = pd.DataFrame(
    {
        "size": rng.normal(size=ROWS).round(3),
        "colour": rng.choice(["red", "green", "blue"], ROWS),
        "y": rng.normal(size=ROWS).round(3),
    }
)
TEXT = GOOD.to_csv(index=False)


def changed(**columns: object) -> bytes:
    """The good table with columns changed or added, as the bytes of a CSV."""
    return GOOD.assign(**columns).to_csv(index=False).encode()


def at(row: int, value: object, column: str = "size") -> pd.Series:
    """A column with one odd value in that row of the file (the first is 1)."""
    odd = GOOD[column].astype(object)
    odd.iloc[row - 1] = value
    return odd


def zipped() -> bytes:
    from io import BytesIO

    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("table.csv", TEXT)
    return buffer.getvalue()


TWO_DATES = [
    f"2024-01-{i % 28 + 1:02}" if i % 2 else f"{i % 28 + 1:02}/02/2024" for i in range(ROWS)
]
MULTICLASS = ("--set", "data.problem=multiclass", "--set", "split.method=stratified")
BINARY = ("--set", "data.problem=binary", "--set", "split.method=stratified")

# name: (bytes of the table, options, what the sentence says)
REFUSED: dict[str, tuple[bytes, tuple[str, ...], str]] = {
    "an empty file": (b"", (), r"table.csv is empty"),
    "blank lines only": (b"\n\n\n", (), r"table.csv is empty: it holds blank lines"),
    "a header only": (b"size,colour,y\n", (), r"no rows: add the data"),
    "one row": (b"size,colour,y\n1,red,2\n", (), r"1 of the 1 rows .* 20 are needed"),
    "a missing target column": (
        GOOD.rename(columns={"y": "yy"}).to_csv(index=False).encode(),
        (),
        r'no column "y" \(capstone.toml, \[data\] target\); did you mean "yy"',
    ),
    "a target without a value": (changed(y=None), (), r'Target "y" is missing in every row'),
    "a target with one class": (changed(y="no"), BINARY, r'"no" in every row: nothing to learn'),
    "a target that is constant": (changed(y=3.5), (), r"3.5 in every row: nothing to learn"),
    "text where a number is needed": (
        changed(y=at(17, "cheap", "y")),
        (),
        r'Target "y" is "cheap" in row 17, but regression needs numbers',
    ),
    "an infinite target": (changed(y=at(5, np.inf, "y")), (), r'Target "y" is inf in row 5'),
    "nothing but copies": (
        pd.concat([GOOD.head(1)] * ROWS).to_csv(index=False).encode(),
        (),
        r"1 of the 200 rows .* 20 are needed",
    ),
    "two columns of one name": (
        b"size,size,y\n" + b"1,2,3\n" * 30,
        (),
        r'2 columns called "size"',
    ),
    "numbers mixed with text": (
        changed(size=at(18, "about 3")),
        (),
        r'Column "size" mixes numbers with text such as "about 3" \(row 18\).*features.py',
    ),
    "an infinite number": (changed(size=at(6, np.inf)), (), r'Column "size" is inf in row 6'),
    "a number too large": (changed(size=at(6, 1e300)), (), r'Column "size" is 1e\+300 in row 6'),
    "huge whole numbers": (
        changed(size=[10**30 + i for i in range(ROWS)]),
        (),
        r'Column "size" holds whole numbers too long',
    ),
    "dates in several shapes": (
        changed(sold=TWO_DATES),
        (),
        r'Column "sold" holds dates in several shapes, such as "2024-01-02" and "\d\d/02/2024"',
    ),
    "bytes that are no text": (bytes(range(256)) * 20, (), r"is not text in"),
    "a row too short": (TEXT.encode() + b"1,red\n", (), r"line 202: 2 fields .* header has 3"),
    "a row too long": (TEXT.encode() + b"1,red,3,4\n", (), r"line 202: 4 fields .* header has 3"),
    "a quote never closed": (
        TEXT.encode() + b'1,"red,3\n' + b"1,red,2\n" * 9,
        (),
        r"a quote may never be closed",
    ),
    "a million-character cell": (
        TEXT.encode() + b"1," + b"x" * 1_000_000 + b",3\n",
        (),
        r"line 202: field larger than field limit",
    ),
    "a class seen once": (
        changed(y=["rare", *["no", "yes"] * 99, "no"]),
        MULTICLASS,
        r'class "rare" has 1 row',
    ),
    "numbers called classes": (
        changed(),
        MULTICLASS,
        r"different numbers, .* which are no classes",
    ),
    "three classes called binary": (
        changed(y=["a", "b", "c", "a"] * 50),
        BINARY,
        r'3 classes, .* set \[data\] problem = "multiclass"',
    ),
    "nothing but the target": (GOOD[["y"]].to_csv(index=False).encode(), (), r"No column is left"),
    "an unknown key": (TEXT.encode(), ("--set", "training.epoch=3"), r'did you mean "epochs"'),
    "no hidden layer": (
        TEXT.encode(),
        ("--set", "network.hidden=[]"),
        r"\[network\] hidden is \[\], but it should have at least 1 item\.",
    ),
    "a setting given twice": (
        TEXT.encode(),
        ("--set", "training.epochs=3", "--set", "training.epochs=-1"),
        r"--set training\.epochs=-1: \[training\] epochs is -1",
    ),
    "a layer without neurons": (
        TEXT.encode(),
        ("--set", "network.hidden=[64, 0]"),
        r"\[network\] hidden has a layer of 0 neurons",
    ),
    "a layer of a milliard neurons": (
        TEXT.encode(),
        ("--set", "network.hidden=[1000000000]"),
        r"\[network\] hidden has a layer of 1000000000 neurons",
    ),
    "a network larger than the memory": (
        TEXT.encode(),
        ("--set", f"network.hidden={[16384] * 20}"),
        r"Memory is too small for a network of 40,\d{3},\d{3},\d{3} weights .* GB are free\): make \[network\] hidden",
    ),
    "a negative epoch count": (
        TEXT.encode(),
        ("--set", "training.epochs=-3"),
        r'\[training\] epochs is -3; give "auto" or a whole number from 1 up',
    ),
}

# name: (bytes, options, what the note says)
LIVED_WITH: dict[str, tuple[bytes, tuple[str, ...], str]] = {
    "a column without a value": (changed(empty=None), (), r"not used, no value at all: empty"),
    "a column of unique text": (
        changed(note=[f"note {i} about it" for i in range(ROWS)]),
        (),
        r"not used, free text.*: note",
    ),
    "more columns than rows": (
        GOOD.join(pd.DataFrame(rng.normal(size=(ROWS, ROWS)).round(2)).add_prefix("c"))
        .to_csv(index=False)
        .encode(),
        ("--set", "evaluation.explained_rows=0"),
        r"20\d inputs for 160 training rows: expect it to learn by heart",
    ),
    "a batch larger than the table": (
        TEXT.encode(),
        ("--set", "training.batch_size=100000"),
        r"batch_size \(100,000\) is larger than the 160 training rows: each batch holds all 160",
    ),
    "batches of a single row": (
        TEXT.encode(),
        ("--set", "training.batch_size=1"),
        r"train     3 epochs",
    ),
    "a ZIP named .csv": (zipped(), (), r"200 rows, 3 columns .*utf-8"),
    "a byte-order mark": (TEXT.encode("utf-8-sig"), (), r"200 rows, 3 columns .*utf-8"),
    "UTF-16": (TEXT.encode("utf-16"), (), r"200 rows, 3 columns .*utf-16"),
    "UTF-16 without a mark": (TEXT.encode("utf-16-le"), (), r"200 rows, 3 columns .*utf-16"),
    "Windows' own encoding": (
        changed(colour=["grün", "weiß"] * 100).decode().encode("cp1252"),
        (),
        r"200 rows, 3 columns .*cp1252",
    ),
    "semicolons and decimal commas": (
        GOOD.to_csv(index=False, sep=";", decimal=",").encode(),
        (),
        r'separated by ";", decimal comma',
    ),
    "rows without a target": (changed(y=at(9, None, "y")), (), r"left out without a target: 1"),
}


@pytest.fixture(scope="module")
def own(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of a student's own table, which isn't there yet."""
    made = render(data_source="own", data_path="data/raw/table.csv", target_column="y")
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("own") / "my-capstone"))
    (folder / "data" / "raw").mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def table(own: Path) -> Iterator[Path]:
    """Where its table goes; the runs of the test before are gone."""
    shutil.rmtree(own / "runs", ignore_errors=True)
    path = own / "data" / "raw" / "table.csv"
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def features(own: Path) -> Iterator[Path]:
    """The student's features.py, put back after the test."""
    path = own / "src" / "my_capstone" / "features.py"
    kept = path.read_bytes()
    yield path
    path.write_bytes(kept)


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_one_sentence(
    capstone: Capstone, own: Path, table: Path, name: str
) -> None:
    content, options, sentence = REFUSED[name]
    table.write_bytes(content)
    code, _, said = capstone(own, "run", "--quick", *options)
    assert code == 2, said
    assert re.search(sentence, said), said
    assert said.startswith("Error: ")
    assert said.count("\n") == 1, "one sentence, no traceback"
    assert not (table.parents[2] / "runs").exists(), "a refused run leaves nothing behind"
    assert table.read_bytes() == content, "the data stays as it was"


@pytest.mark.parametrize("name", LIVED_WITH)
def test_it_is_lived_with_and_said(capstone: Capstone, own: Path, table: Path, name: str) -> None:
    content, options, note = LIVED_WITH[name]
    table.write_bytes(content)
    code, said, error = capstone(own, "run", "--quick", *options)
    assert code == 0, error
    assert re.search(note, said), said


def test_a_patience_beyond_the_epochs_is_said_unless_the_run_is_quick(
    capstone: Capstone, own: Path, table: Path
) -> None:
    table.write_bytes(TEXT.encode())
    changes = (*SMALL, "training.epochs=2", "training.patience=500")
    options = [word for change in changes for word in ("--set", change)]
    for quick, said in (((), True), (("--quick",), False)):
        code, out, error = capstone(own, "run", *quick, *options)
        assert code == 0, error
        assert ("patience (500) is not below epochs (2): no early stopping" in out) is said


@pytest.mark.parametrize("name", [*REFUSED, *LIVED_WITH])
def test_capstone_data_shows_any_table_or_says_why_not(
    capstone: Capstone, own: Path, table: Path, name: str
) -> None:
    table.write_bytes((REFUSED | LIVED_WITH)[name][0])
    code, _, said = capstone(own, "data")
    assert (code, said.count("\n")) in ((0, 0), (2, 1)), said


def test_a_path_where_nothing_is_names_what_is_near(
    capstone: Capstone, own: Path, table: Path
) -> None:
    table.with_name("other.csv").write_text(TEXT, encoding="utf-8")
    code, _, said = capstone(own, "run")
    table.with_name("other.csv").unlink()
    assert code == 2
    assert "table.csv does not exist" in said
    assert "other.csv" in said


def test_a_folder_without_tables_is_refused(capstone: Capstone, own: Path, table: Path) -> None:
    table.mkdir()
    code, _, said = capstone(own, "run")
    table.rmdir()
    assert code == 2
    assert "is a folder without a table" in said


def test_a_folder_of_tables_of_two_shapes_names_the_odd_file(
    capstone: Capstone, own: Path, table: Path
) -> None:
    folder = table.with_name("parts")
    folder.mkdir()
    GOOD.to_csv(folder / "a.csv", index=False)
    GOOD.rename(columns={"size": "width"}).to_csv(folder / "b.csv", index=False)
    code, _, said = capstone(own, "run", "--set", "data.path=data/raw/parts")
    shutil.rmtree(folder)
    assert code == 2
    assert re.search(r"b.csv has other columns than a.csv \(size, width\)", said)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits to take away")
def test_a_file_that_may_not_be_read_is_said(tmp_path: Path, own: Path) -> None:
    path = tmp_path / "secret.csv"
    path.write_text(TEXT, encoding="utf-8")
    path.chmod(0)
    data = load_settings(own).data
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)  # root may read everything; nobody may not
        with pytest.raises(CapstoneError, match="no permission to read"):
            read_table(path, data)
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def full_disk(own: Path, table: Path) -> Iterator[Path]:
    """runs/ on a file system of 16 KB."""
    with small_disk(own / "runs", "16k") as runs:
        yield runs


def test_a_full_disk_leaves_no_half_of_a_run(
    capstone: Capstone, own: Path, table: Path, full_disk: Path
) -> None:
    table.write_text(TEXT, encoding="utf-8")
    code, _, said = capstone(own, "run", "--quick")
    assert (code, said.count("\n")) == (2, 1)
    assert "No space left on device" in said
    assert list(full_disk.iterdir()) == []


def test_a_disk_that_fills_up_while_saving_keeps_the_earlier_run(
    capstone: Capstone, own: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.write_text(TEXT, encoding="utf-8")
    assert capstone(own, "run", "--quick")[0] == 0
    runs = table.parents[2] / "runs"
    before = {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("capstone.training.model.save", full)
    code, _, said = capstone(own, "run", "--quick")
    assert code == 2
    assert "No space left on device" in said
    assert {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()} == before


# Slips in the student's own code: the file, the line, and no traceback.
SLIPS = {
    "no return": (
        "def clean(table):\n    table.drop_duplicates()\n",
        "did you forget `return table`",
    ),
    "a column that isn't there": (
        'def clean(table):\n    return table[table["sise"] > 0]\n',
        r"features.py, line 2: KeyError: 'sise'",
    ),
    "new row numbers": (
        "def clean(table):\n    return table.drop_duplicates().reset_index(drop=True)\n",
        "changed the row numbers",
    ),
    "rows twice": (
        "import pandas as pd\n\n\ndef clean(table):\n    return pd.concat([table, table])\n",
        "made rows appear twice",
    ),
    "the target gone": (
        'def clean(table):\n    return table[["size"]]\n',
        'lost the target column "y"',
    ),
    "all rows gone": ("def clean(table):\n    return table.head(0)\n", "returned no rows"),
    "no such function": ("def tidy(table):\n    return table\n", r"features.py has no clean\(\)"),
    "a syntax error": ("def clean(table:\n    return table\n", r"features.py, line 1: SyntaxError"),
}


NETWORK = """import torch
from torch import nn


class NeuralNetwork(nn.Module):
    def __init__(self, inputs, outputs, hidden=(8,), activation="relu", dropout=0.0):
        super().__init__()
        self.layers = nn.Linear(inputs, outputs)

    def forward(self, x):
        return self.layers(x)
"""
# (what is changed in that network, into what, what the sentence says)
NETWORK_SLIPS = {
    "too many outputs": (
        "outputs)\n\n",
        "outputs + 1)\n\n",
        r"shape \(2, 2\) .* \(2, 1\) is needed",
    ),
    "layers that don't fit": (
        "nn.Linear(inputs",
        "nn.Linear(3 + inputs",
        r"network.py, line 11: Runtime",
    ),
    "an argument missing": (', activation="relu"', "", r"TypeError: .*'activation'"),
    "no weights": ("nn.Linear(inputs, outputs)", "nn.Identity()", r"has no weights to train"),
    "another name": (
        "class NeuralNetwork",
        "class Network",
        r"network.py has no NeuralNetwork\(\)",
    ),
}


@pytest.mark.parametrize("name", NETWORK_SLIPS)
def test_a_slip_in_the_students_network_is_said_before_training(
    capstone: Capstone, own: Path, table: Path, name: str
) -> None:
    table.write_text(TEXT, encoding="utf-8")
    path = own / "src" / "my_capstone" / "network.py"
    kept = path.read_bytes()
    right, wrong, sentence = NETWORK_SLIPS[name]
    path.write_text(NETWORK.replace(right, wrong, 1), encoding="utf-8")
    try:
        ended, _, said = capstone(own, "run", "--quick")
    finally:
        path.write_bytes(kept)
    assert (ended, said.count("\n")) == (2, 1), said
    assert re.search(sentence, said), said


BATCH_NORM = NETWORK.replace(
    "nn.Linear(inputs, outputs)",
    "nn.Sequential(nn.BatchNorm1d(inputs), nn.Linear(inputs, outputs))",
)


def test_batch_norm_survives_a_last_batch_of_one_row(
    capstone: Capstone, own: Path, table: Path
) -> None:
    table.write_text(TEXT, encoding="utf-8")  # 120 training rows: 7 batches of 17 and a row
    path = own / "src" / "my_capstone" / "network.py"
    kept = path.read_bytes()
    path.write_text(BATCH_NORM, encoding="utf-8")
    try:
        ended, _, said = capstone(own, "run", "--quick", "--set", "training.batch_size=17")
    finally:
        path.write_bytes(kept)
    assert (ended, said) == (0, "")


def test_batch_norm_with_batches_of_one_row_is_refused(
    capstone: Capstone, own: Path, table: Path
) -> None:
    table.write_text(TEXT, encoding="utf-8")
    path = own / "src" / "my_capstone" / "network.py"
    kept = path.read_bytes()
    path.write_text(BATCH_NORM, encoding="utf-8")
    one = ("--set", "training.batch_size=1", "--set", "network.members=1")
    try:
        ended, _, said = capstone(own, "run", "--quick", *one)
    finally:
        path.write_bytes(kept)
    assert (ended, said.count("\n")) == (2, 1), said
    assert "batch_size is 1, but your NeuralNetwork has batch norm" in said


def test_a_rate_far_too_high_is_said_and_nothing_is_saved(
    capstone: Capstone, own: Path, table: Path
) -> None:
    table.write_bytes(changed(size=GOOD["size"] * 1e6))
    options = ("--set", "training.learning_rate=10.0", "--set", "network.dropout=0.0")
    network = own / "src" / "my_capstone" / "network.py"
    kept = network.read_bytes()
    network.write_text(
        NETWORK.replace("self.layers(x)", "(self.layers(x) ** 2).exp().exp()"), "utf-8"
    )
    try:
        ended, _, said = capstone(own, "run", *options)
    finally:
        network.write_bytes(kept)
    assert (ended, said.count("\n")) == (2, 1), said
    assert re.search(r"Training diverged in epoch \d+: .*learning_rate \(now 10\)", said)
    assert not [path for path in (own / "runs").glob("*") if path.is_dir()]


def test_a_network_that_gives_no_number_is_said(capstone: Capstone, own: Path, table: Path) -> None:
    table.write_text(TEXT, encoding="utf-8")
    network = own / "src" / "my_capstone" / "network.py"
    kept = network.read_bytes()
    network.write_text(
        NETWORK.replace("self.layers(x)", "(-1 - self.layers(x) ** 2).log()"), "utf-8"
    )
    try:
        ended, _, said = capstone(own, "run", "--quick")
    finally:
        network.write_bytes(kept)
    assert (ended, said.count("\n")) == (2, 1), said
    assert "no finite number for the first training rows, with fresh weights: mend a log" in said


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_in_the_students_code_names_its_line(
    capstone: Capstone, own: Path, table: Path, features: Path, name: str
) -> None:
    table.write_text(TEXT, encoding="utf-8")
    code, sentence = SLIPS[name]
    features.write_text(code + "\n\ndef engineer(table):\n    return table\n", encoding="utf-8")
    ended, _, said = capstone(own, "run", "--quick")
    assert (ended, said.count("\n")) == (2, 1)
    assert re.search(sentence, said), said


def test_a_changed_target_and_lost_rows_are_said(
    capstone: Capstone, own: Path, table: Path, features: Path
) -> None:
    table.write_text(TEXT, encoding="utf-8")
    features.write_text(
        "def clean(table):\n    table = table.head(150).copy()\n"
        '    table["y"] = table["y"] * 2\n    return table.drop(columns="colour")\n\n\n'
        "def engineer(table):\n    return table.assign(double=table['size'] * 2)\n",
        encoding="utf-8",
    )
    code, said, _ = capstone(own, "run", "--quick")
    assert code == 0
    assert "50 of 200 rows dropped; columns gone: colour; TARGET" in said
    assert "new columns: double" in said
