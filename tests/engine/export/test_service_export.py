"""`capstone export`: what it writes is all that a server needs, and starts without the rest of the project."""

import hashlib
import json
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from importlib.metadata import Distribution
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from capstone.export.bundle import libraries
from capstone.export.bundle.imports import follow_imports, unused_import
from tests.support.exported import KEY, check_answers, running
from tests.support.helpers import Capstone, run_of
from tests.support.runs import reseal

WithRun = Callable[[str], Path]


@pytest.fixture(scope="module")
def project(with_run: WithRun) -> Path:
    """The project that was exported. It is shared: only read it."""
    return with_run("regression")


@pytest.fixture
def own(project: Path, tmp_path: Path) -> Path:
    """A copy of the project, to break."""
    return Path(shutil.copytree(project, tmp_path / "my-capstone"))


def test_it_holds_what_the_service_needs_and_nothing_else(project: Path, exported: Path) -> None:
    files = {
        path.relative_to(exported).as_posix() for path in exported.rglob("*") if path.is_file()
    }
    code = {name for name in files if name.startswith(("engine/", "src/"))}
    run = f"runs/{run_of(project).name}"
    assert files - code == {
        *("README.md", "requirements.txt", "sbom.cdx.json", "serve.py"),
        *("capstone.toml", "pyproject.toml", "docs/model_card.md", "runs/LATEST"),
        *(f"{run}/{name}" for name in ("model.onnx", "serving.json", "schema.json")),
        *(f"{run}/run.json", f"{run}/metrics.json", "Dockerfile", ".dockerignore"),
    }
    assert {f"engine/capstone/serving/page/page.{kind}" for kind in ("html", "js", "css")} <= code
    assert {"src/my_capstone/__init__.py", "src/my_capstone/features.py"} <= code
    left = {"training/loop", "pipeline", "training/model", "data/kinds", "commands/app"}
    left |= {"export/onnx/export", "serving/inference/frames"}
    assert not {f"engine/capstone/{name}.py" for name in left} & code
    assert "src/my_capstone/network.py" not in code


def test_what_it_asks_for_is_installed_here_and_light(exported: Path) -> None:
    lines = (exported / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[a-z0-9-]+==[^ ]+( ; .+)?", line) for line in lines)
    names = {line.partition("==")[0] for line in lines}
    assert {"fastapi", "uvicorn", "onnxruntime", "numpy", "pydantic", "starlette"} <= names
    assert any(re.fullmatch(r"uvloop==[\d.]+ ; sys_platform != .win32.", line) for line in lines)
    assert not names & {"torch", "scikit-learn", "scipy", "pandas", "onnx", "skops", "shap"}


def test_pandas_comes_along_where_the_students_steps_need_it(capstone: Capstone, own: Path) -> None:
    sign(own, tables="pandas")
    code, _, err = capstone(own, "export", "--to", str(own / "out"))
    assert code == 0, err
    lines = (own / "out" / "requirements.txt").read_text(encoding="utf-8")
    assert re.search(r"^pandas==", lines, re.M) and re.search(r"^pyarrow==", lines, re.M)
    assert not re.search(r"^(torch|scikit-learn|scipy)==", lines, re.M)
    words = [sys.executable, "serve.py", "--port", "0"]
    with running(words, own / "out", {"CAPSTONE_API_KEY": KEY}) as (server, _):
        check_answers(server, own)


def test_a_students_own_library_and_file_come_along(capstone: Capstone, own: Path) -> None:
    package = own / "src" / "my_capstone"
    (package / "prices.csv").write_text("a,b\n", encoding="utf-8")
    (package / "places.py").write_text("import rich\nimport no_such_library\n", encoding="utf-8")
    features = package / "features.py"
    text = features.read_text(encoding="utf-8")
    features.write_text(f"{text}\n\ndef f():\n    from . import places\n", encoding="utf-8")
    sign(own, sha256=hashlib.sha256(features.read_bytes()).hexdigest())
    code, out, err = capstone(own, "export", "--to", str(own / "out"))
    assert code == 0, err
    assert "Note: your code imports no_such_library, which is not installed here" in out
    held = {path.name for path in (own / "out" / "src" / "my_capstone").iterdir()}
    assert {"prices.csv", "places.py"} <= held
    assert re.search(r"^rich==", (own / "out" / "requirements.txt").read_text(), re.M)


def test_what_another_system_needs_is_asked_for_too(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = libraries._installed

    def on_windows(name: str) -> Distribution | None:
        return None if name == "uvloop" else installed(name)

    monkeypatch.setattr(libraries, "_installed", on_windows)
    found, unknown = libraries.find_libraries(project, {"uvicorn"})
    lines = [library.line for library in found]
    assert any(re.fullmatch(r"uvloop~=[\d.]+ ; sys_platform != .win32.", line) for line in lines)
    assert not unknown


def sign(project: Path, **steps: str) -> None:
    """Other words in serving.json, as if the run had written them."""
    folder = run_of(project)
    serving = json.loads((folder / "serving.json").read_text(encoding="utf-8"))
    serving["steps"] |= steps
    (folder / "serving.json").write_text(json.dumps(serving), encoding="utf-8")
    reseal(folder)


def test_a_zip_holds_the_same_and_the_same_bytes_each_time(
    capstone: Capstone, project: Path, exported: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        target = tmp_path / name / "service"
        assert capstone(project, "export", "--zip", "--to", str(target))[0] == 0
    one, two = (tmp_path / name / "service.zip" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    with zipfile.ZipFile(one) as archive:
        held = {name.removeprefix("service/"): archive.read(name) for name in archive.namelist()}
    lying = {
        path.relative_to(exported).as_posix(): path.read_bytes()
        for path in exported.rglob("*")
        if path.is_file()
    }
    assert held == lying


def test_the_bill_of_materials_is_valid_and_whole(project: Path, exported: Path) -> None:
    text = (exported / "sbom.cdx.json").read_text(encoding="utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    parts = {part["name"]: part for part in bill["components"]}
    for line in (exported / "requirements.txt").read_text(encoding="utf-8").splitlines():
        name, version = line.split(" ;")[0].split("==")
        assert parts[name]["version"] == version
        assert parts[name]["purl"] == f"pkg:pypi/{name}@{version}"
    files = json.loads((run_of(project) / "run.json").read_text(encoding="utf-8"))["files"]
    assert parts["model.onnx"]["hashes"] == [{"alg": "SHA-256", "content": files["model.onnx"]}]
    needs = {one["ref"]: set(one.get("dependsOn", [])) for one in bill["dependencies"]}
    numpy = parts["numpy"]["bom-ref"]
    assert numpy in needs[parts["onnxruntime"]["bom-ref"]]
    assert {"model.onnx", numpy} <= needs[bill["metadata"]["component"]["bom-ref"]]
    assert sum("licenses" in part for part in bill["components"]) > len(parts) - 4


def test_a_model_that_was_tampered_with_is_refused(capstone: Capstone, own: Path) -> None:
    with (run_of(own) / "model.onnx").open("ab") as file:
        file.write(b"\0")
    code, _, err = capstone(own, "export")
    assert code == 2 and "model.onnx is not the file that the run wrote" in err
    assert not (own / "dist").exists()


def test_steps_that_changed_since_the_run_are_refused(capstone: Capstone, own: Path) -> None:
    features = own / "src" / "my_capstone" / "features.py"
    features.write_text(features.read_text(encoding="utf-8") + "# another\n", encoding="utf-8")
    code, _, err = capstone(own, "export")
    assert code == 2 and "features.py has changed since" in err
    assert not (own / "dist").exists()


def test_a_folder_with_other_files_is_never_replaced(capstone: Capstone, own: Path) -> None:
    (own / "mine").mkdir()
    (own / "mine" / "thesis.txt").write_text("years of work", encoding="utf-8")
    code, _, err = capstone(own, "export", "--to", "mine")
    assert code == 2 and "holds other files" in err
    assert [path.name for path in (own / "mine").iterdir()] == ["thesis.txt"]


def test_an_earlier_export_is_replaced(capstone: Capstone, own: Path) -> None:
    for _ in range(2):
        code, out, err = capstone(own, "export")
        assert code == 0, err
    assert out.splitlines()[1].startswith("dist/" if os.sep == "/" else "dist\\")
    folder = own / "dist" / run_of(own).name
    assert [path.name for path in (own / "dist").iterdir()] == [folder.name]


def test_imports_are_followed_inside_functions_and_not_for_type_checkers(tmp_path: Path) -> None:
    files = {
        "a/__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
        "    from a.late import lazily\n    from a.unused import never\n",
        "a/start.py": "def f():\n    from a import helper, lazily\n    import numpy.linalg\n",
        "a/late.py": "def lazily(): ...\n",
        "a/helper.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\n"
        "else:\n    from .inner import thing\n",
        "a/inner/__init__.py": "from ..last import other as thing\n",
        "a/last.py": "import json\nother = 1\n",
        "a/unused.py": "import pandas\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    needed = follow_imports([tmp_path], ["a.start"], set())
    found = {path.relative_to(tmp_path).as_posix() for path in needed.files}
    assert found == set(files) - {"a/unused.py"}
    assert set().union(*needed.libraries.values()) == {"numpy"}


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("import pandas as pd\n", 1),
        ("import numpy as np, pandas as pd\nx = np.pi\n", 1),
        ('"""Not pd, only spoken of."""\nfrom pandas import DataFrame\n', 2),
        ("def f(t):\n    import pandas\n    return t\n", 2),
        ("import numpy as np\n", None),
        ("import pandas as pd\nx = pd.NA\n", None),
        ("import pandas as pd\ndef f(t: pd.DataFrame) -> None: ...\n", None),
        ("import pandas as pd\ndef f(t) -> 'pd.DataFrame': ...\n", None),
        ("import pandas as pd\nx: 'list[pd.Series]' = []\n", None),
        ("import pandas as pd\n__all__ = ['pd']\n", None),
        ("import pandas\nprint(pandas.__version__)\n", None),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas as pd\n", None),
        ("from pandas import *\n", None),
    ],
)
def test_an_import_is_called_unused_only_where_nothing_uses_it(
    source: str, line: int | None
) -> None:
    assert unused_import(source, "pandas") == line
