"""The one door to the student's code: whatever a file of theirs does is one true sentence, before any training.

Each case is a file that a student might write, run by `capstone run --quick` in one project of a small table.
"""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.helpers import SMALL, Render, call, run_of
from tests.support.promise import Outcome, keep_promise
from tests.support.serving import Desk
from tests.support.student_files import DECISIONS, NETWORK, small_table

PASS = "def {name}(table):\n    return table\n\n\n"


@pytest.fixture(scope="module")
def project(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of a student's own table."""
    made = render(data_source="own", data_path="data/raw/table.csv", target_column="y")
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("own") / "my-capstone"))
    table = folder / "data" / "raw" / "table.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    small_table().to_csv(table, index=False)
    return folder


@pytest.fixture
def write(project: Path) -> Iterator[Callable[[str, str | bytes], None]]:
    """`write("features", code)` changes a file of the student's; all are put back after the test."""
    package = project / "src" / "my_capstone"
    kept = {path: path.read_bytes() for path in package.glob("*.py")}

    def change(name: str, code: str | bytes) -> None:
        content = code if isinstance(code, bytes) else code.encode()
        (package / f"{name}.py").write_bytes(content)

    yield change
    for path, content in kept.items():
        path.write_bytes(content)
    for path in set(package.glob("*.py")) - set(kept):
        path.unlink()
    shutil.rmtree(project / "runs", ignore_errors=True)


Write = Callable[[str, str | bytes], None]


def quick(project: Path, names: tuple[str, ...] = (), code: int | None = None) -> Outcome:
    options = [word for change in SMALL for word in ("--set", change)]
    options += ["--set", "network.members=2", "--set", "preprocessing.numbers=plain"]
    return keep_promise(project, "run", "--quick", *options, names=names, code=code)


# ---- Whatever a file does while it is imported or called -----------------------------------------

# What features.py begins with, and what the sentence names.
FILES: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "sys.exit": ("import sys\nsys.exit()\n", ("src/my_capstone/features.py, line 2", "sys.exit()")),
    "exit with 0": ("raise SystemExit(0)\n", ("features.py, line 1", "ends the program")),
    "an error": ("\n1 / 0\n", ("features.py, line 2: ZeroDivisionError",)),
    "an error without words": ("raise ValueError\n", ("features.py, line 1: ValueError",)),
    "an error of many lines": ("raise ValueError('a\\n\\tb')\n", ("ValueError: a b",)),
    "an error that can't be told": (
        "class Odd(Exception):\n    def __str__(self):\n        return 1 / 0\n\n\nraise Odd\n",
        ("features.py, line 6: Odd",),
    ),
    "an error that is no Exception": (
        "class Stop(BaseException):\n    pass\n\n\nraise Stop('so')\n",
        ("features.py, line 5: Stop: so",),
    ),
    "a syntax error": ("def clean(table:\n", ("src/my_capstone/features.py, line 1: SyntaxError",)),
    "an indentation error": ("def f():\nreturn\n", ("features.py, line 2: IndentationError",)),
    "Latin-1": ("# größe\n".encode("latin-1"), ("features.py, line 1", "UTF-8", "0xf6")),
    "Latin-1, as it says": (
        "# -*- coding: latin-1 -*-\nNAME = 'größe'\n".encode("latin-1"),
        ("features.py, line 2", "UTF-8"),
    ),
    "UTF-16": ("x = 1\n".encode("utf-16"), ("features.py, line 1", "UTF-8")),
    "a null byte": (b"x = 1\ny = '\0'\n", ("features.py, line 2", "byte 0x00")),
    "no end": ("def f():\n    return f()\n\n\nf()\n", ("features.py, line 2", "RecursionError")),
    "a library that isn't there": ("import seabornn\n", ("line 1", "'seabornn'")),
    "a file that isn't there": ("from . import helpers\n", ("line 1", "helpers")),
    "itself": ("from my_capstone.features import clean\n", ("line 1: ImportError",)),
    "not a function": ("clean = 3\n", ("clean is an int, not a function",)),
    "a name with a slip": ("def claen(table):\n    return table\n", ('did you mean "claen"?',)),
    "a module that answers with errors": (
        "def __getattr__(name):\n    raise RuntimeError(name)\n",
        ("features.py, line 2: RuntimeError",),
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_what_a_file_does_while_it_is_imported_is_told(
    project: Path, write: Write, name: str
) -> None:
    content, names = FILES[name]
    begin = content if isinstance(content, bytes) else content.encode()
    rest = PASS.format(name="engineer")
    if b"clean" not in begin and b"claen" not in begin and b"getattr" not in begin:
        rest += PASS.format(name="clean")
    write("features", begin + rest.encode("utf-16" if name == "UTF-16" else "utf-8"))
    quick(project, names, code=2)


# What a function's body is, and what the sentence names.
BODIES = {
    "sys.exit": ("import sys\n    sys.exit(0)", ("line 3", "ends the program")),
    "quit": ("quit()", ("line 2", "ends the program")),
    "an error": ("return table['sise']", ("line 2: KeyError: 'sise'",)),
    "no end": ("return {name}(table)", ("line 2", "RecursionError")),
    "no return": ("table = table.copy()", ("returned nothing", "return table")),
    "a generator": ("yield table", ("returned a generator",)),
    "a column": ("return table['y']", ("returned a Series",)),
    "a text": ("return 'table'", ('returned the text "table"',)),
    "an array": ("return table.to_numpy()", ("returned a numpy.ndarray",)),
    "a pair": ("return table, 1", ("returned a tuple",)),
    "other row numbers": ("return table.reset_index()", ("changed the row numbers",)),
    "two levels of rows": (
        "return table.set_index('size', append=True)",
        ("changed the row numbers",),
    ),
    "row numbers of another kind": (
        "table.index = table.index.astype(float)\n    return table",
        ("changed the row numbers",),
    ),
    "a name twice": (
        "table.insert(0, 'size', 1, allow_duplicates=True)\n    return table",
        ('two columns called "size"',),
    ),
    "two levels of names": (
        "import pandas as pd\n    return pd.concat({'a': table}, axis=1)",
        ("2 rows of column names",),
    ),
    "a number as a name": ("table[3] = 1\n    return table", ("name is an int, not a text",)),
    "None as a name": ("table[None] = 1\n    return table", ("whose name is", "not a text")),
    "a pair as a name": ("table[('a', 1)] = 1\n    return table", ("name is a tuple, not a text",)),
    "half a character in a name": (
        "import pandas as pd\n    names = ['\\ud800', *table.columns[1:]]\n"
        "    table.columns = pd.Index(names, dtype=object)\n    return table",
        ("whose name holds half a character",),
    ),
    "lists": (
        "table['x'] = [[1, 2]] * len(table)\n    return table",
        ('Column "x"', "holds a list in row 1"),
    ),
    "dicts": (
        "table['x'] = [{'a': 1}] * len(table)\n    return table",
        ('Column "x"', "holds a dict in row 1"),
    ),
    "sets": (
        "table['x'] = [{1}] * len(table)\n    return table",
        ('Column "x"', "holds a set in row 1"),
    ),
    "pairs": ("table['x'] = list(zip(table['size'], table['y']))\n    return table", ("a tuple",)),
    "bytes": ("table['x'] = b'a'\n    return table", ('Column "x"', "holds a bytes in row 1")),
    "functions": ("table['x'] = len\n    return table", ('Column "x"',)),
    "one list among texts": (
        "table['x'] = table['colour'].astype(object)\n    table.at[7, 'x'] = []\n    return table",
        ("holds a list in row 7",),
    ),
    "an array without columns": (
        "import numpy as np\n    table['x'] = np.log([[]] * len(table))\n    return table",
        ('Column "x"', "holds no values"),
    ),
    "complex numbers": (
        "table['x'] = table['size'] * 1j\n    return table",
        ('Column "x"', "complex numbers"),
    ),
    "half a character": (
        "import pandas as pd\n    table['x'] = pd.Series('\\ud800', table.index, dtype=object)\n    return table",
        ('Column "x"', "half a character in row 1"),
    ),
    "text of numbers": (
        "table['x'] = (table['size'] > 0).astype(int).astype(str)\n    return table",
        ('Column "x" holds numbers as text', '.astype("category")'),
    ),
    "infinite numbers": ("table['x'] = 1 / (table['size'] * 0)\n    return table", ('Column "x"',)),
    "a parameter too many": ("return table", ("features.py, line 1: TypeError",)),
    "async": ("return table", ("async def",)),
}


@pytest.mark.parametrize("step", ["clean", "engineer"])
@pytest.mark.parametrize("name", BODIES)
def test_what_a_step_returns_is_told(project: Path, write: Write, step: str, name: str) -> None:
    body, names = BODIES[name]
    other = "engineer" if step == "clean" else "clean"
    code = f"def {step}(table):\n    {body.replace('{name}', step)}\n\n\n{PASS.format(name=other)}"
    if name == "a parameter too many":
        code = code.replace("(table)", "(table, more)", 1)
    write("features", ("async " if name == "async" else "") + code)
    quick(project, names, code=2)


# Columns that a step may make, and what is said of them.
COLUMNS = {
    "intervals": ("pd.cut(table['size'], 4)", '"x" holds intervals: each is a category'),
    "intervals by share": ("pd.qcut(table['size'], 4)", '"x" holds intervals: each is a category'),
    "labelled intervals": ("pd.cut(table['size'], 2, labels=['low', 'high'])", ""),
    "numbered intervals": ("pd.cut(table['size'], 3, labels=False)", ""),
    "categories": ("table['colour'].astype('category')", ""),
    "categories of numbers": ("(table['size'] > 0).astype(int).astype('category')", ""),
    "sparse": ("(table['size'] > 0).astype(float).astype('Sparse[float]')", ""),
    "nullable": ("table['size'].astype('Float64').where(table['size'] > 0)", ""),
    "nullable booleans": ("(table['size'] > 0).astype('boolean').where(table['y'] > 0)", ""),
    "Arrow's numbers": ("table['size'].astype('double[pyarrow]')", ""),
    "Arrow's text": ("table['colour'].astype('string[pyarrow]')", ""),
    "durations": ("pd.to_datetime(table['day']) - pd.Timestamp('2024-01-01')", "taken in seconds"),
    "months": ("pd.to_datetime(table['day']).dt.to_period('M')", "the date on which it begins"),
    "dates": ("pd.to_datetime(table['day']).dt.date", ""),
    "dates with a zone": ("pd.to_datetime(table['day'], utc=True)", ""),
    "decimals": ("[__import__('decimal').Decimal(str(v)) for v in table['size']]", ""),
    "numbers as objects": ("table['size'].astype(object)", ""),
    "booleans as objects": ("(table['size'] > 0).astype(object)", ""),
    "16 bits": ("table['size'].astype('float16')", ""),
    "text and numbers": ("['a', 'b', 1] * (len(table) // 3)", ""),
    "nothing": ("None", ""),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_any_plain_kind_is_used(project: Path, write: Write, name: str) -> None:
    column, said = COLUMNS[name]
    code = f"import pandas as pd\n\n\ndef engineer(table):\n    table['x'] = {column}\n    return table\n"
    write("features", PASS.format(name="clean") + code)
    ended = quick(project, code=0)
    assert said in ended.out, ended.out
    assert "TARGET" not in ended.out


TARGETS = {
    "text and numbers": (
        "['a', 1.5] * (len(table) // 2)",
        "multiclass",
        'Target "y" is the text "a" in row 1 but no text in row 2 (1.5)',
    ),
    "lists": ("[[1]] * len(table)", "multiclass", 'Column "y"'),
    "nothing": ("None", "regression", 'Target "y" is missing in every row'),
    "text": ("'a'", "regression", 'Target "y" is "a" in row 1'),
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_that_clean_spoils_is_told(project: Path, write: Write, name: str) -> None:
    column, problem, sentence = TARGETS[name]
    code = f"def clean(table):\n    table['y'] = {column}\n    return table\n\n\n"
    write("features", code + PASS.format(name="engineer"))
    settings = project / "capstone.toml"
    kept = settings.read_bytes()
    settings.write_bytes(kept.replace(b'problem = "regression"', f'problem = "{problem}"'.encode()))
    try:
        quick(project, (sentence,), code=2)
    finally:
        settings.write_bytes(kept)


def test_intervals_of_the_target_are_its_classes(project: Path, write: Write) -> None:
    code = "import pandas as pd\n\n\ndef clean(table):\n    table['y'] = pd.qcut(table['y'], 3)\n    return table\n\n\n"
    write("features", code + PASS.format(name="engineer"))
    settings = project / "capstone.toml"
    kept = settings.read_bytes()
    settings.write_bytes(kept.replace(b'problem = "regression"', b'problem = "multiclass"'))
    try:
        quick(project, code=0)
    finally:
        settings.write_bytes(kept)
    text = (run_of(project) / "predictions.csv").read_text(encoding="utf-8")
    assert "probability_(" in text.splitlines()[0]


# ---- The network -------------------------------------------------------------------------------

FORWARD = "return self.head(self.body(x))"
# (what __init__ has besides, what forward() does, what the sentence names)
NETWORKS = {
    "no return": ("", "self.head(self.body(x))", ("forward()", "returned nothing", "return")),
    "a tuple": ("", "return self.head(self.body(x)), x", ("forward()", "returned a tuple")),
    "an array": (
        "",
        "return self.head(self.body(x)).detach().numpy()",
        ("forward()", "returned a numpy.ndarray"),
    ),
    "detached": ("", f"{FORWARD}.detach()", ("don't depend on its weights", ".detach()")),
    "no gradients": (
        "",
        "with torch.no_grad():\n            return self.head(self.body(x))",
        ("don't depend on its weights", "no_grad"),
    ),
    "frozen": (
        "self.requires_grad_(False)",
        FORWARD,
        ("frozen all of its weights", "requires_grad"),
    ),
    "tied": (
        "self.again = nn.Linear(8, outputs); self.again.weight = self.head.weight",
        "return self.again(self.body(x)) + self.head(self.body(x))",
        ("the same weights under two names", "head.weight", "again.weight"),
    ),
    "one layer in two places": (
        "self.again = self.head",
        "return self.again(self.body(x))",
        ("the same weights under two names", "head.weight", "again.weight"),
    ),
    "a view of weights": (
        "self.part = nn.Parameter(self.head.weight[:, :4].detach())",
        f"{FORWARD} + self.part.sum()",
        ("the same weights under two names",),
    ),
    "sparse": (
        "self.table = nn.Embedding(4, outputs, sparse=True)",
        f"{FORWARD} + self.table((x[:, 0] > 0).long())",
        ("sparse gradients", "sparse=False"),
    ),
    "a shape": ("", f"{FORWARD}.squeeze()", ("returns shape (2,)", "(2, 1) is needed")),
    "float64": (
        "self.double()",
        "return self.head(self.body(x.double()))",
        ("float64", ".double()"),
    ),
    "scores of float64": ("", f"{FORWARD}.double()", ("float64", "float32 is needed")),
    "whole numbers": ("", f"{FORWARD}.long()", ("int64", "float32 is needed")),
    "nan": ("", f"{FORWARD} / (x[:, :1] * 0)", ("no finite number", "division")),
    "only when training": (
        "",
        "if self.training:\n            raise ValueError('so')\n        " + FORWARD,
        ("src/my_capstone/network.py, line 14: ValueError: so",),
    ),
    "sys.exit": ("", "raise SystemExit", ("network.py, line 13", "ends the program")),
    "in place": ("", f"x += 1\n        {FORWARD}", ("changes its input in place",)),
    "chance": ("", f"return {FORWARD[7:]} + torch.rand(1)", ("other scores the second time",)),
    "other rows": (
        "",
        f"return {FORWARD[7:]} - x.mean(dim=0).sum()",
        ("other scores when it comes alone",),
    ),
    "one row": (
        "",
        "return self.head(self.body(x).squeeze()).reshape(-1, 1)[: len(x) if len(x) > 1 else 0]",
        ("when it comes alone",),
    ),
    "a graph that is kept": (
        "self.before = [0]",
        "scores = self.head(self.body(x)) + self.before[0]\n        self.before[0] = scores.mean()\n"
        "        return scores",
        ("NeuralNetwork",),
    ),
    "layers in a list": (
        "self.layers = [self.body, self.head]; del self.body, self.head",
        "return self.layers[1](self.layers[0](x))",
        ("no weights to train", "nn.ModuleList"),
    ),
    "what can't be exported": (
        "",
        "return self.head(self.body(torch.special.bessel_j0(x)))",
        ("can't be exported to ONNX",),
    ),
    "a loop over rows": (
        "",
        "return torch.cat([self.head(self.body(row)) for row in x.split(1)])",
        ("depend on how many rows there are",),
    ),
    "an argument forgotten": ("", FORWARD, ("src/my_capstone/network.py, line 6: TypeError",)),
}


def network_of(name: str) -> str:
    more, forward, _ = NETWORKS[name]
    code = NETWORK.replace("{more}", more).replace("{forward}", forward)
    return code.replace(', activation="relu"', "") if name == "an argument forgotten" else code


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_that_will_fail_is_told_before_training(
    project: Path, write: Write, name: str, members: int
) -> None:
    write("network", network_of(name))
    options = ["--set", f"network.members={members}", "--set", "preprocessing.numbers=plain"]
    ended = keep_promise(project, "run", "--quick", *options, names=NETWORKS[name][2], code=2)
    assert "epoch" not in ended.out


@pytest.mark.parametrize("members", [1, 2])
def test_an_error_in_the_middle_of_training_has_its_line(
    project: Path, write: Write, members: int
) -> None:
    forward = f"if len(x) > 4:\n            raise ValueError('so')\n        {FORWARD}"
    write("network", NETWORK.replace("{more}", "pass").replace("{forward}", forward))
    options = ["--set", f"network.members={members}", "--set", "preprocessing.numbers=plain"]
    names = ("src/my_capstone/network.py, line 14: ValueError: so",)
    keep_promise(project, "run", "--quick", *options, names=names, code=2)


WHOLE_FILES = {
    "no module": (
        "class NeuralNetwork:\n    def __init__(self, **rest):\n        pass\n",
        ("NeuralNetwork in src/my_capstone/network.py is no network", "nn.Module"),
    ),
    "a number": ("NeuralNetwork = 3\n", ("NeuralNetwork is an int",)),
    "an error in the class": (
        "class NeuralNetwork:\n    size = 1 / 0\n",
        ("network.py, line 2: ZeroDivisionError",),
    ),
    "super forgotten": (
        NETWORK.replace("super().__init__()", "pass")
        .replace("{more}", "")
        .replace("{forward}", FORWARD),
        ("network.py, line 8: AttributeError",),
    ),
}


@pytest.mark.parametrize("name", WHOLE_FILES)
def test_a_network_that_is_none_is_told(project: Path, write: Write, name: str) -> None:
    code, names = WHOLE_FILES[name]
    write("network", code)
    quick(project, names, code=2)


GOOD_NETWORKS = {
    "it prints": ("", "print(x.shape)\n        " + FORWARD),
    "chance in training": (
        "self.off = nn.Dropout(0.5)",
        "return self.head(self.off(self.body(x)))",
    ),
    "a layer used twice": (
        "self.middle = nn.Linear(8, 8)",
        "return self.head(self.middle(self.middle(self.body(x))))",
    ),
    "some weights frozen": ("self.body.requires_grad_(False)", FORWARD),
    "a dense embedding": (
        "self.table = nn.Embedding(4, outputs)",
        f"{FORWARD} + self.table((x[:, 0] > 0).long())",
    ),
    "batch norm": ("self.norm = nn.BatchNorm1d(8)", "return self.head(self.norm(self.body(x)))"),
    "other defaults": (
        "torch.set_default_dtype(torch.float64); torch.set_grad_enabled(False)",
        FORWARD,
    ),
}


@pytest.mark.parametrize("name", GOOD_NETWORKS)
def test_a_network_that_is_fine_trains(project: Path, write: Write, name: str) -> None:
    more, forward = GOOD_NETWORKS[name]
    write("network", NETWORK.replace("{more}", more).replace("{forward}", forward))
    quick(project, code=0)


def test_weights_that_the_student_froze_stay_frozen_in_an_ensemble(
    project: Path, write: Write
) -> None:
    from safetensors.numpy import load_file

    more = "nn.init.constant_(self.body[0].weight, 0.25); self.body.requires_grad_(False)"
    write("network", NETWORK.replace("{more}", more).replace("{forward}", FORWARD))
    quick(project, code=0)
    weights = load_file(run_of(project) / "model.safetensors")
    frozen = next(its for name, its in weights.items() if name.endswith("body.0.weight"))
    assert (frozen == 0.25).all()


# ---- decisions.py ------------------------------------------------------------------------------

ANSWER = '{"action": "call", "sure": "yes", "cost": 1}'
# (what recommend_action returns, what cost_of returns, what the sentence names)
DECIDED = {
    "nothing": ("None", "1", ("recommend_action()", "returned nothing")),
    "a text": ('"call"', "1", ("recommend_action()", 'returned the text "call"')),
    "a key missing": ('{"action": "call", "cost": 1}', "1", ('a dict without "sure"',)),
    "an action that is no text": (ANSWER.replace('"call"', "7"), "1", ("an int as action",)),
    "a cost that is no number": (ANSWER.replace("1}", "'1'}"), "1", ('the text "1" as cost',)),
    "an infinite cost": (ANSWER.replace("1}", "float('inf')}"), "1", ("inf as cost",)),
    "a cost of a thousand digits": (ANSWER.replace("1}", "10 ** 1000}"), "1", ("too large",)),
    "a generator": ("(yield)", "1", ("returned a generator",)),
    "a circle": (
        "(lambda answer: answer.update(more=answer) or answer)(" + ANSWER + ")",
        "1",
        ("can't be written as JSON",),
    ),
    "half a character": (ANSWER.replace("yes", "\\ud800"), "1", ("can't be written as JSON",)),
    "an error": ("1 / 0", "1", ("decisions.py, line 5: ZeroDivisionError",)),
    "sys.exit": ("exit()", "1", ("decisions.py, line 5", "ends the program")),
    "no cost": (ANSWER, "None", ("cost_of()", "returned nothing")),
    "nan": (ANSWER, "float('nan')", ("cost_of()", "returned nan")),
    "NumPy's nan": (ANSWER, "__import__('numpy').float32('nan')", ("returned nan",)),
    "infinite": (ANSWER, "float('-inf')", ("returned -inf",)),
    "a boolean": (ANSWER, "True", ("returned a bool",)),
    "an error in a cost": (ANSWER, "prediction['vale']", ("line 9: KeyError: 'vale'",)),
}


@pytest.mark.parametrize("name", DECIDED)
def test_decisions_that_will_fail_are_told_before_training(
    project: Path, write: Write, name: str
) -> None:
    answer, cost, names = DECIDED[name]
    write("decisions", DECISIONS.replace("{answer}", answer).replace("{cost}", cost))
    ended = quick(project, names, code=2)
    assert "epoch" not in ended.out


@pytest.mark.parametrize("name", ["NOTHING", "ACTION", "UNIT", "recommend_action", "cost_of"])
def test_a_name_missing_in_decisions_is_told_before_training(
    project: Path, write: Write, name: str
) -> None:
    code = DECISIONS.replace("{answer}", ANSWER).replace("{cost}", "1").replace(name, "OTHER")
    write("decisions", code)
    assert "epoch" not in quick(project, (name, "src/my_capstone/decisions.py"), code=2).out


# ---- What belongs to the whole process ---------------------------------------------------------

MEDDLING = {
    "another folder": "import os\nos.chdir('/')\n",
    "warnings as errors": "import warnings\nwarnings.simplefilter('error')\n",
    "NumPy's errors": "import numpy as np\nnp.seterr(all='raise')\n",
    "no gradients": "import torch\ntorch.set_grad_enabled(False)\n",
    "another type": "import torch\ntorch.set_default_dtype(torch.float64)\n",
    "another device": "import torch\ntorch.set_default_device('meta')\n",
    "a low ceiling": "import sys\nsys.setrecursionlimit(150)\n",
    "standard output gone": "import sys\nsys.stdout = None\n",
    "its own seeds": "import random\nimport numpy as np\nrandom.seed(1)\nnp.random.seed(1)\n",
}


@pytest.mark.parametrize("name", MEDDLING)
def test_what_a_file_changes_for_the_whole_process_is_put_back(
    project: Path, write: Write, name: str
) -> None:
    code = MEDDLING[name]
    steps = "".join(PASS.format(name=step) for step in ("clean", "engineer"))
    write("features", code + steps)
    ended = quick(project, code=0)
    assert "report.html in a browser" in ended.out


def test_a_stream_stays_open_when_a_file_closes_it(project: Path, write: Write) -> None:
    steps = "".join(PASS.format(name=step) for step in ("clean", "engineer"))
    write("features", "import sys\nsys.stdout.close()\nsys.stderr.close()\n" + steps + "1 / 0\n")
    command = "import sys; sys.path[:0] = ['engine', 'src']; from capstone.commands.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", command, "run", "--quick"],
        cwd=project,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert "features.py, line 12: ZeroDivisionError" in done.stderr
    assert "Traceback" not in done.stderr


# ---- Other commands ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run."""
    folder = tmp_path_factory.mktemp("trained") / "my-capstone"
    shutil.copytree(project, folder)
    options = [word for change in SMALL for word in ("--set", change)]
    assert call(folder, "run", "--quick", *options) == 0
    return folder


STEPS = "import sys\n\n\n" + PASS.format(name="clean").replace("return", "sys.exit(0)\n    return")
DEAF = NETWORK.replace("{more}", "pass").replace(
    "{forward}", "if len(x) != 2:\n            raise SystemExit\n        " + FORWARD
)
COMMANDS = {
    "data": (("predict", "data/raw/table.csv"), "features", STEPS, "features.py, line 5"),
    "explain": (("explain", "--row", "1"), "features", STEPS, "features.py, line 5"),
    "reproduce": (("reproduce",), "features", STEPS, "features.py, line 5"),
    "export": (("export",), "features", "exit()\n", "features.py, line 1"),
    "serve": (("serve",), "decisions", "exit()\n", "decisions.py, line 1"),
    "tune": (("tune", "--trials", "2"), "network", DEAF, "network.py, line 14"),
    "a network that ends": (("run", "--quick"), "network", DEAF, "network.py, line 14"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_ends_in_silence_because_a_file_says_so(trained: Path, name: str) -> None:
    arguments, changed, code, place = COMMANDS[name]
    path = trained / "src" / "my_capstone" / f"{changed}.py"
    kept = path.read_bytes()
    path.write_text(code + PASS.format(name="engineer"), encoding="utf-8")
    try:
        keep_promise(trained, *arguments, names=(place, "ends the program"), code=2)
    finally:
        path.write_bytes(kept)


def test_tune_tells_a_network_that_can_not_train_instead_of_giving_up_each_trial(
    trained: Path,
) -> None:
    path = trained / "src" / "my_capstone" / "network.py"
    kept = path.read_bytes()
    path.write_text(network_of("detached"), encoding="utf-8")
    try:
        keep_promise(
            trained, "tune", "--trials", "2", names=("don't depend on its weights",), code=2
        )
    finally:
        path.write_bytes(kept)


@pytest.mark.parametrize("name", ["features", "decisions"])
def test_a_service_outlives_a_reload_of_a_file_that_ends_the_program(
    trained: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.syspath_prepend(str(trained / "src"))
    desk = Desk(trained)
    path = trained / "src" / "my_capstone" / f"{name}.py"
    kept = path.read_bytes()
    path.write_text("import sys\nsys.exit()\n", encoding="utf-8")
    try:
        asyncio.run(desk.reloader.reload())
    finally:
        path.write_bytes(kept)
    assert desk.predict(desk.example).status == 200


def test_a_column_that_some_rows_do_not_make_is_told_when_a_row_comes_alone(
    project: Path, write: Write
) -> None:
    code = "import pandas as pd\n\n\ndef engineer(table):\n    return pd.get_dummies(table, columns=['colour'])\n"
    write("features", PASS.format(name="clean") + code)
    assert 'Column "colour_' in quick(project, code=0).out
