"""A run that can't be read: the old model goes on, the log says why once, and the next good run is taken."""

import asyncio
import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from tests.support.helpers import Capstone
from tests.support.serving import Desk, in_reach

WithRun = Callable[[str], Path]
Break = Callable[[Path, Path], None]  # what goes wrong with a run's folder, or with the project
NEW, NEXT = "20990101T000000Z-0badcafe", "20990102T000000Z-0badcafe"


def write(name: str, content: str | bytes) -> Break:
    """A file of the run with another content, and its SHA-256 in run.json as if the run had written it."""

    def change(run: Path, project: Path) -> None:
        raw = content.encode() if isinstance(content, str) else content
        (run / name).write_bytes(raw)
        info = json.loads((run / "run.json").read_text(encoding="utf-8"))
        info["files"][name] = sha256(raw).hexdigest()
        if name != "run.json":
            (run / "run.json").write_text(json.dumps(info), encoding="utf-8")

    def change_run_json(run: Path, project: Path) -> None:
        (run / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return change_run_json if name == "run.json" else change


def remove(name: str) -> Break:
    def change(run: Path, project: Path) -> None:
        (run / name).unlink()

    return change


def student(name: str, text: str) -> Break:
    """The student's file, which a reload reads again."""

    def change(run: Path, project: Path) -> None:
        path = project / "src" / "my_capstone" / name
        path.write_text(text + path.read_text(encoding="utf-8"), encoding="utf-8")

    return change


def latest(content: bytes) -> Break:
    def change(run: Path, project: Path) -> None:
        (project / "runs" / "LATEST").write_bytes(content)

    return change


RUNS = {
    "no run.json": remove("run.json"),
    "run.json: {": write("run.json", "{"),
    "run.json: []": write("run.json", "[]"),
    "run.json: null": write("run.json", "null"),
    "run.json: no files": write("run.json", '{"files": 1}'),
    "run.json: nested": write("run.json", "[" * 100_000),
    "run.json: bytes": write("run.json", b"\xff\xfe\x00"),
    "no model.onnx": remove("model.onnx"),
    "model.onnx": write("model.onnx", b"no graph"),
    "serving.json: {}": write("serving.json", "{}"),
    "serving.json: []": write("serving.json", "[]"),
    "serving.json: other types": write(
        "serving.json", '{"format": 1, "problem": [], "target": {}}'
    ),
    "schema.json: []": write("schema.json", "[]"),
    "schema.json: other types": write("schema.json", '{"rooms": {"kind": "moon"}}'),
    "metrics.json: {": write("metrics.json", "{"),
}
STUDENTS = {
    "raise": student("features.py", "raise RuntimeError('no')\n"),
    "sys.exit(0)": student("features.py", "import sys\nsys.exit(0)\n"),
    "quit()": student("features.py", "raise SystemExit\n"),
    "Ctrl-C": student("features.py", "raise KeyboardInterrupt\n"),
    "syntax": student("decisions.py", "def (:\n"),
    "recursion": student("features.py", "def f():\n    f()\nf()\n"),
}
OTHERS = {
    "LATEST: empty": latest(b""),
    "LATEST: NUL": latest(b"a\0b\n"),
    "LATEST: bytes": latest(b"\xff\xfe\n"),
    "LATEST: a long name": latest(b"x" * 10_000),
    "LATEST: no run": latest(b"20000101T000000Z-00000000\n"),
}


@pytest.fixture
def project(with_run: WithRun, tmp_path: Path) -> Path:
    """A project with a run, of the test's own."""
    return Path(shutil.copytree(with_run("regression"), tmp_path / "my-capstone"))


def add_run(project: Path, name: str) -> Path:
    """The first run once more, as if it had just ended."""
    runs = project / "runs"
    first = min(path for path in runs.iterdir() if path.is_dir())
    shutil.copytree(first, runs / name)
    (runs / "LATEST").write_text(name + "\n", encoding="utf-8")
    return runs / name


@pytest.mark.parametrize("name", [*RUNS, *STUDENTS, *OTHERS])
def test_the_old_model_goes_on_and_the_log_says_why_once(project: Path, name: str) -> None:
    desk = Desk(project)
    old, kept = desk.reloader.endpoints.run, shutil.copytree(project / "src", project / "kept")
    run = add_run(project, NEW)
    (RUNS | STUDENTS | OTHERS)[name](run, project)

    async def look() -> None:
        await desk.reloader.reload(only_new=True)

    with in_reach(project):
        for _ in range(3):
            asyncio.run(look())
            answered = desk.reloader.endpoints.run
            if name not in OTHERS:  # for a bad LATEST another run may stand in
                assert answered == old
        assert desk.predict(desk.example).status == 200
        if answered == old:
            told = [line for line in desk.log.getvalue().splitlines() if b"not reloaded" in line]
            assert len(told) == 1
            assert len(json.loads(told[0])["error"]) > 10
        shutil.copytree(kept, project / "src", dirs_exist_ok=True)
        add_run(project, NEXT)
        asyncio.run(look())
        assert desk.reloader.endpoints.run == NEXT
        assert desk.predict(desk.example).json["run"] == NEXT


@pytest.mark.parametrize(
    ("name", "workers"),
    [*[(name, "1") for name in (*RUNS, *STUDENTS)], ("metrics.json: {", "2"), ("quit()", "2")],
)
def test_a_start_on_such_a_run_is_one_sentence(
    project: Path, capstone: Capstone, name: str, workers: str
) -> None:
    (RUNS | STUDENTS)[name](add_run(project, NEW), project)
    code, _, told = capstone(project, "serve", "--port", "0", "--workers", workers)
    assert code == 2
    assert told.startswith("Error: ") and told.count("\n") == 1
    assert "Traceback" not in told and len(told) < 1000
