"""Students' files, made from a grammar of slips: each is used, or refused with one true sentence.

A number is a file: the same number makes the same file. Each goes through `capstone run` to the first epoch, where
everything that can be known before is known; of those that get there, some go on to the end.
"""

import random
import shutil
from pathlib import Path

import pytest

from capstone.core.errors import CapstoneError
from tests.support.helpers import SMALL, Render
from tests.support.promise import Outcome, keep_promise
from tests.support.student_files import DECISIONS, NETWORK, small_table

SUITE, LONG = 120, 6_000  # files of all three kinds
WHOLE = 15  # of so many files that are accepted, one is trained and saved as well
AT_THE_DOOR = "this file may train"

Grammar = dict[
    str, list[str]
]  # what may stand for a symbol; {symbol} in it is replaced in its turn

FEATURES: Grammar = {
    "file": ["{start}\n\n\ndef clean(table):\n{body}\n\n\ndef engineer(table):\n{body}\n"],
    "start": [
        *["import numpy as np\nimport pandas as pd"] * 40,
        "import pandas as pd",
        "from capstone import tidy_text\nimport numpy as np\nimport pandas as pd",
        "import numpy as np\nimport pandas as pd\nimport os\nos.chdir('/')",
        "import numpy as np\nimport pandas as pd\nimport warnings\nwarnings.simplefilter('error')",
        "import numpy as np\nimport pandas as pd\nnp.seterr(all='raise')",
        "import numpy as np\nimport pandas as pd\nnp.random.seed(0)\nprint('größe', '\\ud800')",
        "import numpy as np\nimport pandas as pd\npd.set_option('display.max_rows', 5)",
        "import nump as np\nimport pandas as pd",
        "import sys\nsys.exit(0)",
        "raise {error}",
    ],
    "body": [
        *["    table = table.copy()\n    {line}\n    {end}"] * 3,
        *["    {line}\n    {line}\n    {end}"] * 2,
        "    {end}",
        "    with warnings.catch_warnings():\n        {line}\n    {end}",
        "    if len(table) > 1:\n        {line}\n        {end}",
        "    for name in table:\n        {line}\n    {end}",
        "    try:\n        {line}\n    finally:\n        {end}",
        "  {line}\n    {end}",
    ],
    "end": [
        *["return table"] * 60,
        *["return table.copy()", "return {table}", "return", "return table['y']", "return [table]"],
        *["return table.values", "yield table", "return table.to_dict()", "return table, 1"],
    ],
    "line": [
        *["table[{name}] = {column}"] * 14,
        *["table = {table}"] * 5,
        *["del table[{name}]", "table.columns = {names}", "table.index = table.index[::-1]"],
        *["table.loc[7] = {value}", "table.at[7, 'size'] = {value}", "table.insert(0, {name}, 1)"],
        *["table.drop(columns='size', inplace=True)", "table.columns.name = 'kind'", "pass"],
        *["table['size'] += {value}", "assert {column} is None", "raise {error}", "exit({value})"],
        *[
            "return clean(table)",
            "{column}",
            "table[['size', 'y']] = {value}",
            "table.attrs = {value}",
        ],
    ],
    "name": [
        *["'x'"] * 20,
        *[
            "'y'",
            "'size'",
            "'colour'",
            "'day'",
            "'id'",
            "''",
            "' '",
            "'[/b]'",
            "'a\\nb'",
            "'x\\x1b'",
        ],
        *["3", "None", "('a', 1)", "1.5", "'\\ud800'", "pd.Timestamp(0)", "'prediction'", "'row'"],
    ],
    "names": [
        "range(len(table.columns))",
        "list('abcde')",
        "[str(name).upper() for name in table]",
    ],
    "column": [
        *["table['{known}']"] * 6,
        *[
            "{value}",
            "[{value}] * len(table)",
            "{column}.astype({type})",
            "{column}.map({function})",
        ],
        *[
            "pd.cut({column}, 3)",
            "pd.qcut({column}, 3)",
            "np.where({column} > 0, {column}, {value})",
        ],
        *[
            "pd.to_datetime({column})",
            "{column} + {column}",
            "{column} / {column}",
            "{column} - {column}",
        ],
        *["{column}.shift()", "{column}.fillna({value})", "{column}.where({column} != {value})"],
        *["np.log({column})", "np.sqrt({column})", "{column}.to_numpy()", "{column}.tolist()"],
        *["pd.Series({column}.to_numpy())", "{column}.rank()", "table['y']", "{column}.str.len()"],
        *["{column}.str.split('e')", "pd.get_dummies({column})", "{column}.dt.to_period('M')"],
        *[
            "{column}.astype('category').cat.codes",
            "table[['size', 'y']].apply({function}, axis=1)",
        ],
    ],
    "known": ["size", "size", "size", "colour", "colour", "day", "y", "id", "sise"],
    "value": [
        *[
            "0",
            "1",
            "-1.5",
            "'a'",
            "None",
            "np.nan",
            "np.inf",
            "True",
            "[]",
            "[1, 2]",
            "{{'a': 1}}",
        ],
        *[
            "{{1}}",
            "(1, 2)",
            "10 ** 400",
            "1e300",
            "1j",
            "b'a'",
            "len",
            "object()",
            "pd.NaT",
            "pd.NA",
        ],
        *["np.float32(1)", "pd.Timestamp('2024-01-01')", "pd.Timedelta('1D')", "pd.Interval(0, 1)"],
        *["'\\ud800'", "np.array([1, 2])", "'2024-01-01'", "table", "range(3)", "float('nan')"],
    ],
    "type": [
        *[
            "str",
            "int",
            "float",
            "bool",
            "object",
            "complex",
            "'category'",
            "'float16'",
            "'string'",
        ],
        *["'Int64'", "'boolean'", "'Sparse[float]'", "'double[pyarrow]'", "'string[pyarrow]'"],
        *["'timedelta64[s]'", "'datetime64[ns]'", "'longdouble'", "'uint8'", "'no such type'"],
    ],
    "function": [
        *["str", "len", "list", "set", "id", "lambda value: [value]", "lambda value: {value}"],
        *["lambda value: {{value: 1}}", "lambda value: 1 / 0", "lambda value: exit()", "type"],
    ],
    "table": [
        *["table.dropna()", "table.drop_duplicates()", "table.reset_index()", "table.head(30)"],
        *["table.sort_values('size')", "table.sample(frac=1)", "table.T", "table.head(0)"],
        *[
            "table.groupby('colour').mean(numeric_only=True)",
            "pd.get_dummies(table)",
            "table[['y']]",
        ],
        *["pd.concat([table, table])", "pd.concat({{'a': table}}, axis=1)", "table.astype(object)"],
        *["table.set_index('id')", "table.rename(columns={{'size': {name}}})", "table.astype(str)"],
        *[
            "table.convert_dtypes()",
            "table.select_dtypes('number')",
            "table.melt()",
            "table.fillna({value})",
        ],
        *[
            "table.astype('category')",
            "table.assign(x={column})",
            "table[table['size'] > 0]",
            "None",
        ],
        *["table.merge(table, on='id')", "table.join(table, rsuffix='_2')", "table.to_numpy()"],
        *["table.set_flags(allows_duplicate_labels=False)", "table.stack()", "table.describe()"],
        *["table.convert_dtypes(dtype_backend='pyarrow')", "table.pivot(columns='colour')"],
    ],
    "error": [
        "ValueError",
        "KeyError('a')",
        "SystemExit",
        "BaseException('b')",
        "RecursionError('c')",
    ],
}

PARTS: Grammar = {
    "file": [
        *[NETWORK.replace("{more}", "{init}").replace("{forward}", "{forward}")] * 12,
        "NeuralNetwork = {value}\n",
        "import torch\n\n\nclass NeuralNetwork:\n    pass\n",
        "import torch\nraise {error}\n",
    ],
    "init": [
        *["pass"] * 20,
        *[
            "self.more = {layer}",
            "self.head = {layer}",
            "self.body = nn.Sequential(self.body, {layer})",
        ],
        *[
            "self.requires_grad_(False)",
            "self.body.requires_grad_(False)",
            "self.double()",
            "self.half()",
        ],
        *["self.head.weight = self.body[0].weight", "self.again = self.head", "self.eval()"],
        *["self.layers = [self.body, self.head]", "del self.head", "self.forward = None"],
        *[
            "self.head = nn.Linear(8, {number})",
            "self.body = nn.Sequential(nn.Linear({number}, 8))",
        ],
        *["self.scale = nn.Parameter(torch.{make})", "self.register_buffer('kept', torch.{make})"],
        *[
            "torch.manual_seed(0)",
            "torch.set_default_dtype(torch.float64)",
            "raise {error}",
            "exit()",
        ],
        *["self.register_buffer('alias', self.head.weight.data)", "self.step = torch.zeros(())"],
        "nn.init.constant_(self.head.weight, float('nan'))",
    ],
    "layer": [
        *[
            "nn.BatchNorm1d(8)",
            "nn.Dropout(0.5)",
            "nn.LayerNorm(8)",
            "nn.LazyLinear(8)",
            "nn.Identity()",
        ],
        *[
            "nn.Embedding(4, 8)",
            "nn.Embedding(4, 8, sparse=True)",
            "nn.Linear(8, 8)",
            "nn.LSTM(8, 8)",
        ],
        *[
            "nn.Softmax(dim=1)",
            "nn.ReLU(inplace=True)",
            "nn.Flatten(0)",
            "nn.utils.weight_norm(nn.Linear(8, 8))",
        ],
        *[
            "nn.MultiheadAttention(8, 2)",
            "nn.Bilinear(8, 8, 8)",
            "nn.Conv1d(1, 1, 3)",
            "nn.InstanceNorm1d(8)",
        ],
    ],
    "number": ["outputs", "inputs", "1", "0", "2", "8", "-1"],
    "make": [
        "ones(8)",
        "zeros(1)",
        "ones(2, 8)",
        "tensor(1)",
        "ones(8, dtype=torch.cfloat)",
        "empty(0)",
    ],
    "forward": [
        *["return {score}"] * 30,
        *[
            "return",
            "{score}",
            "return {score}, x",
            "return [{score}]",
            "yield {score}",
            "raise {error}",
        ],
        *["return {score}.detach()", "return {score}.numpy()", "return {score}.tolist()"],
        *["with torch.no_grad():\n            return {score}", "x += 1\n        return {score}"],
        *[
            "x = {input}\n        return {score}",
            "print(x)\n        return {score}",
            "return x[:, :1]",
        ],
        *["if self.training:\n            raise {error}\n        return {score}", "return {value}"],
        *[
            "if x.sum() > 0:\n            return {score}\n        return -{score}",
            "return self.forward(x)",
        ],
        *[
            "self.last = x = {input}\n        return {score}",
            "self.step += 1\n        return {score}",
        ],
        *[
            "for row in x:\n            pass\n        return {score}",
            "return {score}[torch.randperm(len(x))]",
        ],
        "return torch.cat([{score} for row in x.split(1)])[: len(x)]",
    ],
    "score": [
        *["self.head(self.body({input}))"] * 30,
        *["self.head(self.more(self.body({input})))", "self.head({hidden})", "self.body({input})"],
        *["{score}.squeeze()", "{score}.double()", "{score}.half()", "{score}.long()", "{score}.T"],
        *[
            "{score} * {number_}",
            "{score}.log()",
            "{score}.exp().exp()",
            "{score} / 0",
            "{score}.mean()",
        ],
        *["{score} + self.scale.sum()", "{score}.round()", "{score}.clamp(0)", "{score}.sigmoid()"],
        *[
            "{score}[:1]",
            "{score} + torch.rand(1)",
            "{score} - x.mean()",
            "{score}.requires_grad_()",
        ],
    ],
    "hidden": [
        *[
            "self.body({input})",
            "torch.dropout(self.body({input}), 0.5, True)",
            "self.body({input}).relu_()",
        ],
        *[
            "self.body({input}).flip(0)",
            "self.body({input}).cumsum(0)",
            "torch.special.bessel_j0(self.body({input}))",
        ],
        *[
            "self.body({input}).cpu().float()",
            "self.body({input}) * self.scale",
            "self.more(self.body({input}))",
        ],
        *[
            "self.body({input}).sort(dim=0).values",
            "self.body({input}).unique(dim=0)",
            "self.body({input})[None]",
        ],
    ],
    "input": [
        *["x"] * 30,
        "x.abs()",
        "x.add_(1)",
        "x.double()",
        "x[:, 1:]",
        "x.T",
        "x.numpy()",
        "x - x.mean(0)",
    ],
    "number_": ["0", "1e30", "float('nan')", "float('inf')", "-1", "1j", "self.training"],
    "value": [
        "3",
        "None",
        "lambda **rest: None",
        "lambda **rest: 3",
        "lambda **rest: object()",
        "type",
        "'a'",
    ],
    "error": [
        "ValueError",
        "KeyError('a')",
        "SystemExit",
        "BaseException('b')",
        "RecursionError('c')",
    ],
}

DECIDED: Grammar = {
    "file": [
        *[DECISIONS.replace("{answer}", "{answer}").replace("{cost}", "{cost}")] * 8,
        DECISIONS.replace('"wait", "call", "EUR"', "{value}, {value}, {value}"),
        DECISIONS.replace("recommend_action", "recommend"),
        DECISIONS.replace("cost_of", "cost"),
        DECISIONS.replace("(prediction)", "()"),
        DECISIONS.replace("return", "yield"),
        DECISIONS.replace("def ", "async def "),
        "import torch\ntorch.set_grad_enabled(False)\n" + DECISIONS,
        "raise {value}\n" + DECISIONS,
    ],
    "answer": [
        *['{{"action": {text}, "sure": {text}, "cost": {cost}}}'] * 8,
        *['{{"action": {value}, "sure": {value}, "cost": {value}}}'] * 2,
        *["{value}", '{{"action": "call", "cost": 1}}', '[("action", 1)]', "prediction", "exit()"],
        '{{"action": "call", "sure": "", "cost": 0, {value}: {value}}}',
        'prediction.clear() or {{"action": "wait", "sure": "", "cost": 0}}',
        'prediction.update(value={value}) or {{"action": "wait", "sure": "", "cost": 0}}',
    ],
    "text": [
        *['"wait"', '"call"'] * 4,
        '"other"',
        '""',
        "'\\ud800'",
        "'[/b]'",
        "'a\\nb'",
        "'x' * 10 ** 5",
    ],
    "cost": [
        *["0", "1", "1.5"] * 3,
        *[
            "{value}",
            "prediction['value']",
            "prediction['valeu']",
            "prediction['high'] - prediction['low']",
        ],
        *["1 / 0", "-1", "1 / prediction['value']", "exit()", "recommend_action(prediction)"],
    ],
    "value": [
        *[
            "None",
            "'a'",
            "b'a'",
            "1",
            "True",
            "[1]",
            "(1, 2)",
            "{{1}}",
            "{{'a': {{}}}}",
            "object()",
            "1j",
        ],
        *["float('nan')", "float('-inf')", "10 ** 5000", "1e308 * 10", "len", "range(3)", "print"],
        *[
            "__import__('numpy').float32(1)",
            "__import__('numpy').int64(1)",
            "__import__('numpy').nan",
        ],
        *["__import__('numpy').zeros(2)", "__import__('decimal').Decimal(1)", "ValueError('a')"],
        *[
            "SystemExit",
            "__import__('pandas').NA",
            "__import__('torch').ones(())",
            "NotImplemented",
        ],
    ],
}

KINDS = {"features": FEATURES, "network": PARTS, "decisions": DECIDED}


class Symbols(dict[str, str]):
    """What str.format_map() asks for each symbol: something that may stand for it, chosen by chance."""

    def __init__(self, grammar: Grammar, chance: random.Random, depth: int = 0) -> None:
        super().__init__()
        self.grammar, self.chance, self.depth = grammar, chance, depth

    def __getitem__(self, symbol: str) -> str:
        choices = self.grammar[symbol]
        if self.depth > 6:  # the simplest ones end the growth
            choices = [choice for choice in choices if f"{{{symbol}}}" not in choice]
        inner = Symbols(self.grammar, self.chance, self.depth + 1)
        return self.chance.choice(choices).format_map(inner)


def written(number: int) -> tuple[str, str]:
    """Which file the number is, and what is in it."""
    name = list(KINDS)[number % len(KINDS)]
    return name, Symbols(KINDS[name], random.Random(number))["file"]


@pytest.fixture(scope="module")
def project(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of a student's own small table, without what makes no difference here."""
    made = render(data_source="own", data_path="data/raw/table.csv", target_column="y")
    folder = tmp_path_factory.mktemp("fuzz") / "my-capstone"
    for part in ("capstone.toml", "pyproject.toml", "src", "data"):
        source, target = made / part, folder / part
        folder.mkdir(exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy2(source, target)
    (folder / "data" / "raw").mkdir(parents=True, exist_ok=True)
    small_table().to_csv(folder / "data" / "raw" / "table.csv", index=False)
    return folder


def may_train(project: Path, number: int) -> bool:
    """Whether the file of that number gets to the first epoch. It is put back afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("capstone.pipeline.train_model", stop)
        return AT_THE_DOOR in run_with(project, number).err


def stop(*_: object, **__: object) -> None:
    """Stands for the training."""
    raise CapstoneError(AT_THE_DOOR)


def run_with(project: Path, number: int) -> Outcome:
    """Run the command with the file of that number, and hold it to the claim."""
    name, content = written(number)
    path = project / "src" / "my_capstone" / f"{name}.py"
    kept = path.read_bytes()
    path.write_text(content, encoding="utf-8", errors="surrogatepass")
    options = [word for change in SMALL for word in ("--set", change)]
    options += ["--set", "network.members=2", "--set", "preprocessing.numbers=plain"]
    try:
        return keep_promise(project, "run", "--quick", *options)
    except (Exception, SystemExit) as error:
        raise AssertionError(f"file {number}, {name}.py:\n\n{content}") from error
    finally:
        path.write_bytes(kept)
        shutil.rmtree(project / "runs", ignore_errors=True)


def try_files(project: Path, numbers: range) -> int:
    """Try the files of these numbers; returns how many may train."""
    accepted = [number for number in numbers if may_train(project, number)]
    for number in accepted[::WHOLE]:
        run_with(project, number)
    return len(accepted)


def test_a_file_of_slips_is_used_or_refused_with_one_sentence(project: Path) -> None:
    accepted = try_files(project, range(SUITE))
    assert SUITE / 10 < accepted < SUITE, "the grammar makes neither noise alone nor no slip"


@pytest.mark.long
def test_many_files_of_slips(project: Path) -> None:
    accepted = try_files(project, range(LONG))
    print(f"{LONG:,} files of students, {accepted:,} of them may train")
