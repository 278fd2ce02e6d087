"""Files are written in one place: whole or not at all; what goes wrong is one sentence, in every command."""

import ast
import errno
import os
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from capstone.commands.run import run_seeds
from capstone.core import files
from capstone.core.errors import CapstoneError
from capstone.core.files import (
    PARTIAL,
    CantWrite,
    check_writable,
    open_text,
    told,
    write_json,
    write_text,
    writing,
    writing_folder,
)
from capstone.core.settings_file import load_settings
from capstone.pipeline import RunOptions
from capstone.runs.folder import LATEST, count_test_looks, list_runs, new_run, read_run
from tests.support.helpers import (
    FORKING,
    ROOT,
    SMALL,
    Render,
    files_of,
    must_run,
    python_path,
    run,
    small_disk,
)
from tests.support.promise import Outcome, keep_promise

ENGINE = ROOT / "template" / "engine" / "capstone"
QUICK = ("run", "--quick", *(word for change in SMALL for word in ("--set", change)))


# ---- One sentence for each fault -----------------------------------------------------------------


def failing(error: Exception) -> Callable[[Path], None]:
    """A way to write a file that goes wrong half way."""

    def write(path: Path) -> None:
        with writing(path) as partial:
            partial.write_bytes(b"half")
            raise error

    return write


def system(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def of_optuna() -> Exception:
    """What Optuna raises on a full disk: its own error, of SQLAlchemy's, of SQLite's."""
    error = RuntimeError("An exception is raised during the commit.")
    error.__cause__ = sqlite3.OperationalError("database or disk is full")
    return error


def shared(winerror: int) -> OSError:
    """What Windows says of a file that another program has open."""
    error = PermissionError(errno.EACCES, "The process cannot access the file")
    error.winerror = winerror  # type: ignore[attr-defined]
    return error


FAULTS = {
    "a full disk": (system(errno.ENOSPC), ("No space left on device", "free some space")),
    "a used up quota": (system(errno.EDQUOT), ("quota", "delete some of your files")),
    "a read-only disk": (system(errno.EROFS), ("Read-only", "move the project to a disk that")),
    "no right": (
        system(errno.EACCES),
        ("Permission denied", "give yourself the right to write in"),
    ),
    "not permitted": (system(errno.EPERM), ("give yourself the right to write in",)),
    "a broken disk": (system(errno.EIO), ("mend ", "or its disk")),
    "open in Excel": (shared(32), ("close it there (a table is often open in Excel)",)),
    "a part is locked": (shared(33), ("close it there",)),
    "a library in Rust": (
        ValueError("I/O error: No space left on device (os error 28)"),
        ("free",),
    ),
    "a library in C++": (
        RuntimeError("PytorchStreamWriter: Disk quota exceeded"),
        ("delete some",),
    ),
    "a database": (
        sqlite3.OperationalError("attempt to write a readonly database"),
        ("Read-only",),
    ),
    "a library on a database": (of_optuna(), ("No space left on device", "free some space")),
    "a busy database": (sqlite3.OperationalError("database is locked"), ("wait for the other",)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_goes_wrong_is_one_sentence_and_nothing_is_left(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("as before")
    error, words = FAULTS[fault]
    with pytest.raises(CantWrite) as told_:
        failing(error)(path)
    sentence = str(told_.value)
    assert sentence.startswith(f"{path} can't be written (") and sentence.endswith(".")
    assert "\n" not in sentence and "then run the command again" in sentence
    for word in words:
        assert word in sentence, sentence
    assert [found.name for found in tmp_path.iterdir()] == ["notes.txt"]
    assert path.read_text() == "as before"


@pytest.mark.parametrize("error", [KeyError("age"), KeyboardInterrupt(), CapstoneError("Its own.")])
def test_what_is_no_fault_of_the_disk_goes_on_as_it_is(
    tmp_path: Path, error: BaseException
) -> None:
    with pytest.raises(type(error)) as raised:
        failing(error)(tmp_path / "notes.txt")  # type: ignore[arg-type]
    assert raised.value is error
    assert not list(tmp_path.iterdir())


def test_a_fault_with_another_file_names_that_file(tmp_path: Path) -> None:
    with pytest.raises(CantWrite, match=r"No such file or directory: /nowhere/table\.csv"):
        failing(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/nowhere/table.csv"))(
            tmp_path / "notes.txt"
        )


def folder_in_its_place(path: Path) -> None:
    path.mkdir()


def link_in_its_place(path: Path) -> None:
    elsewhere = path.with_name("elsewhere")
    elsewhere.write_text("not to be touched")
    path.symlink_to(elsewhere)


def pipe_in_its_place(path: Path) -> None:
    os.mkfifo(path)


IN_ITS_PLACE: dict[str, tuple[Callable[[Path], None], str]] = {
    "folder": (folder_in_its_place, "a folder has that name"),
    "link": (link_in_its_place, "a link has that name"),
    "pipe": (pipe_in_its_place, "a pipe has that name"),
}
WAYS: dict[str, Callable[[Path], None]] = {
    "write_text": lambda path: write_text(path, "new"),
    "write_json": lambda path: write_json(path, {}),
    "open_text": lambda path: open_text(path).__enter__().close(),
    "check_writable": check_writable,
}


@pytest.mark.skipif(sys.platform == "win32", reason="has other links and no pipes")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", IN_ITS_PLACE)
def test_what_is_no_file_is_left_alone(tmp_path: Path, what: str, way: str) -> None:
    path = tmp_path / "notes.txt"
    put, words = IN_ITS_PLACE[what]
    put(path)
    before = {found: found.lstat().st_mtime_ns for found in tmp_path.iterdir()}
    with pytest.raises(
        CantWrite, match=re.escape(f"notes.txt can't be written ({words}): move it")
    ):
        WAYS[way](path)
    assert {found: found.lstat().st_mtime_ns for found in tmp_path.iterdir()} == before


def test_names_may_be_as_long_as_the_system_allows(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250 + ".csv")
    write_text(path, "whole")
    assert path.read_text() == "whole"
    with pytest.raises(CantWrite, match="take a shorter name"):
        write_text(tmp_path / ("x" * 300), "")
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_where_a_folder_is_needed(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("no folder")
    with pytest.raises(CantWrite, match=r"runs is no folder: move it away"):
        write_text(tmp_path / "runs" / "data.html", "")


@pytest.mark.parametrize("refusals", [1, 3, 99])
def test_a_file_held_for_a_moment_is_tried_again(
    tmp_path: Path, refusals: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a search index or a virus scanner on Windows; Excel holds it for good."""
    path, usual, left = tmp_path / "seeds.csv", os.replace, [refusals]
    path.write_text("as before")

    def replace(old: Path, new: Path) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise PermissionError(errno.EACCES, "Access is denied")
        usual(old, new)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    if refusals < len(files.PAUSES):
        write_text(path, "new")
        assert path.read_text() == "new"
        return
    with pytest.raises(CantWrite, match=r"open in another program, or protected.*Excel"):
        write_text(path, "new")
    assert path.read_text() == "as before"
    assert list(tmp_path.iterdir()) == [path]


def test_what_must_not_be_lost_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def note(what: str, usual: Callable[..., None]) -> Callable[..., None]:
        def noted(*arguments: object) -> None:
            done.append(what)
            usual(*arguments)

        return noted

    monkeypatch.setattr(os, "fsync", note("fsync", os.fsync))
    monkeypatch.setattr(os, "replace", note("replace", os.replace))
    write_text(tmp_path / "page.html", "made again at any time")
    assert done == ["replace"]
    done.clear()
    write_text(tmp_path / "LATEST", "a run", durable=True)
    assert done == ["fsync", "replace", *["fsync"] * (os.name != "nt")]
    done.clear()
    with new_run(tmp_path / "runs") as folder:
        write_text(folder / "a.txt", "")
        done.clear()
    kept = [what for what in done if os.name != "nt" or what]
    assert kept.count("replace") == 3  # LATEST's content, the run, LATEST
    assert kept.index("fsync") < kept.index("replace", 1)


def test_a_folder_is_replaced_whole_or_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "service"
    for content in ("first", "second"):
        with writing_folder(target) as folder:
            write_text(folder / "inner" / "file", content)
    assert (target / "inner" / "file").read_text() == "second"
    full = pytest.raises(CantWrite, match=r"service can't be written \(No space")
    with full, writing_folder(target) as folder, told(folder / "file"):
        raise system(errno.ENOSPC)
    usual, calls = os.replace, [0]

    def replace(old: Path, new: Path) -> None:
        calls[0] += 1
        if calls[0] == 3:  # the file, the folder that is there, and now the new one
            raise system(errno.EIO)
        usual(old, new)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(CantWrite), writing_folder(target) as folder:
        write_text(folder / "file", "third")
    assert files_of(tmp_path) == {"service/inner/file"}
    assert (target / "inner" / "file").read_text() == "second"


def test_what_was_killed_half_way_is_removed_after_a_day(tmp_path: Path) -> None:
    old = time.time() - files.ONE_DAY - 60
    names = {
        f"{PARTIAL}0123456789abcdef": old,
        f"{PARTIAL}fedcba9876543210": time.time(),
        f"{PARTIAL}of-a-browser": old,  # not ours
    }
    for name, when in names.items():
        (tmp_path / name).write_text("half")
        os.utime(tmp_path / name, (when, when))
    write_text(tmp_path / "page.html", "")
    assert {path.name for path in tmp_path.iterdir()} == {"page.html", *list(names)[1:]}
    runs = tmp_path / "runs"
    (runs / f"{PARTIAL}20260101T000000Z-0a1b2c3d").mkdir(parents=True)
    (runs / f"{PARTIAL}LATEST-0a1b2c3d").write_text("a file, of version 0.1.0")
    for path in runs.iterdir():
        os.utime(path, (old, old))
    with new_run(runs) as folder:
        name = folder.name.removeprefix(PARTIAL)
    assert {path.name for path in runs.iterdir()} == {name, LATEST}


def test_a_run_is_whole_with_its_name_in_latest_or_absent(tmp_path: Path) -> None:
    with new_run(tmp_path) as folder:
        write_text(folder / "run.json", "{}")
    latest = tmp_path / LATEST
    first = latest.read_text()
    latest.unlink()
    latest.mkdir()
    in_the_way = pytest.raises(CantWrite, match=r"LATEST can't be written \(a folder has that name")
    with in_the_way, new_run(tmp_path) as folder:
        write_text(folder / "run.json", "{}")
    assert files_of(tmp_path) == {f"{first.strip()}/run.json"}


# ---- No other place writes -----------------------------------------------------------------------

WRITERS = {
    *("write_text", "write_bytes", "touch", "rename", "renames", "to_csv", "to_parquet", "to_json"),
    *("save_file", "dump", "mkstemp", "NamedTemporaryFile", "TemporaryDirectory", "rmtree"),
    *(
        "copy",
        "copy2",
        "copyfile",
        "copytree",
        "move",
        "symlink_to",
        "hardlink_to",
        "unlink",
        "mkdir",
    ),
}
MODULES = {"os", "shutil", "tempfile", "json", "torch", "np", "skops.io", "safetensors.torch"}
# Where one of these words means something else, or writes to what `core/files.py` has opened.
ALLOWED = {
    ("commands/predict.py", "table.join(predicted).to_csv"): "into a file of open_text()",
    ("commands/use.py", "shutil.copyfile"): "into the partial file of writing()",
    ("data/packed_files.py", "archive.open"): "reads a member of a ZIP file",
    ("evaluation/analysis.py", "table.to_parquet"): "gives bytes",
    ("runs/folder.py", "SealedFiles.open"): "reads",
    ("serving/inference/served_model.py", "SealedFiles.open"): "reads",
    ("training/model.py", "SealedFiles.open"): "reads",
    (
        "serving/http/server.py",
        "tempfile.TemporaryDirectory",
    ): "for the figures of workers, with its sentence",
    ("runs/folder.py", "partial.mkdir"): "inside told()",
    ("streaming/prepared.py", "folder.mkdir"): "inside told()",
    ("training/checkpoint.py", "torch.save"): "into memory",
    ("training/distributed.py", "torch.save"): "into memory",
}


def writes(call: ast.Call) -> bool:
    """Whether a call writes, moves or removes a file, by its name."""
    called = call.func
    if isinstance(called, ast.Name):
        return called.id == "open" and not reads(call)
    if not isinstance(called, ast.Attribute):
        return False
    owner = ast.unparse(called.value)
    if called.attr == "open" and owner not in ("webbrowser", "os", "Image"):
        return not reads(call)
    if called.attr == "replace":
        return owner == "os" or (len(call.args) == 1 and not call.keywords)
    if called.attr == "save":
        return owner in ("torch", "np")
    if called.attr in ("rename", "copy"):
        return owner in MODULES or owner.endswith(("path", "folder", "partial"))
    return called.attr in WRITERS


def reads(call: ast.Call) -> bool:
    """Whether `open` has no mode to write in."""
    of_path = isinstance(call.func, ast.Attribute)
    words = [word.value for word in call.keywords if word.arg == "mode"]
    modes = [*call.args[0 if of_path else 1 :][:1], *words]
    texts = [str(mode.value) for mode in modes if isinstance(mode, ast.Constant)]
    return not modes or (len(texts) == len(modes) and not set("wax+") & set("".join(texts)))


def test_the_engine_writes_files_in_one_place() -> None:
    found = set()
    for path in ENGINE.rglob("*.py"):
        name = path.relative_to(ENGINE).as_posix()
        if name == "core/files.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and writes(node):
                found.add((name, ast.unparse(node.func)))
    assert found == set(ALLOWED)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("path.write_text('x')", True),
        ("path.open('wb')", True),
        ("path.open(mode)", True),
        ("open(path, 'a')", True),
        ("open(path, mode='r+')", True),
        ("partial.replace(target)", True),
        ("os.replace(a, b)", True),
        ("path.open('rb')", False),
        ("open(path, encoding='utf-8')", False),
        ("text.replace('a', 'b')", False),
        ("write_text(path, text)", False),
    ],
)
def test_a_way_to_write_is_recognised(code: str, expected: bool) -> None:
    [statement] = ast.parse(code).body
    assert isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
    assert writes(statement.value) == expected


# ---- Every command on a full disk, and on one that is read-only ----------------------------------


@contextmanager
def project_on(project: Path, folder: Path) -> Iterator[Path]:
    """A copy of the project on a disk of its own, where we may mount one."""
    with small_disk(folder, "48m") as disk:
        yield Path(shutil.copytree(project, disk / "my-capstone"))


@pytest.fixture(scope="module")
def full(
    with_run: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    with project_on(with_run("binary"), tmp_path_factory.mktemp("full") / "disk") as project:
        ready(project)
        with (project.parent / "rest").open("wb", buffering=0) as rest:
            try:
                while True:
                    rest.write(bytes(4096))
            except OSError as error:
                assert error.errno == errno.ENOSPC
        yield project


@pytest.fixture(scope="module")
def read_only(
    with_run: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    with project_on(with_run("binary"), tmp_path_factory.mktemp("ro") / "disk") as project:
        ready(project)
        must_run("mount", "-o", "remount,ro", str(project.parent), cwd=ROOT)
        yield project


def ready(project: Path) -> None:
    """A table to predict, and the same as Parquet to be read in blocks."""
    import pandas as pd

    table = pd.read_csv(project / "data" / "raw" / "customer_churn.csv")
    table.head(60).to_csv(project / "new.csv", index=False)
    table.to_parquet(project / "data" / "raw" / "churn.parquet", index=False)


STREAMED = ("--set", "data.path=data/raw/churn.parquet", "--set", "data.streaming=always")
# What each command writes first, or "" for one that writes nothing into the project.
COMMANDS = {
    "run": (QUICK, "runs"),
    "run --json": ((*QUICK, "--json"), "runs"),
    "run --resume": ((*QUICK, "--resume"), ""),  # says that the run is complete
    "run, with checkpoints": (
        (*QUICK, "--set", "training.checkpoint_seconds=0", "--set", "seed=1"),
        "runs",
    ),
    "run, in blocks": ((*QUICK, *STREAMED), "runs"),
    "run, with TensorBoard": ((*QUICK, "--set", "tracking.tensorboard=true"), "runs"),
    "run, with MLflow": ((*QUICK, "--set", "tracking.mlflow=local"), "runs"),
    "run --seeds": ((*QUICK, "--seeds", "2"), "runs"),
    "tune": (("tune", "--trials", "1", "--set", "training.epochs=1"), "runs/tuning.db"),
    "reproduce": (("reproduce",), "reproduction.json"),
    "report": (("report",), "report.html"),
    "report --standalone": (("report", "--standalone"), "report_standalone.html"),
    "card": (("card",), "docs/model_card.md"),
    "compare": (("compare",), "runs/compare.html"),
    "explain": (("explain", "--row", "600009"), "explain_600009.html"),
    "data": (("data",), "runs/data.html"),
    "predict": (("predict", "new.csv"), "new_predictions.csv"),
    "export": (("export",), "dist"),
    "export --zip": (("export", "--zip"), ".zip"),
    "export --to": (("export", "--to", "service"), "service"),
    "start": (("start",), ".git"),
    "check": (("check", "--only", "secrets", "--only", "run", "--only", "card"), ""),
    "doctor": (("doctor",), ""),
}


def held(project: Path, words: tuple[str, ...], named: str, said: tuple[str, ...]) -> Outcome:
    """The claim, for a command that writes something on a disk that it can't write to."""
    ended = keep_promise(
        project, *words, names=(named,) if named else (), code=2 if named else None
    )
    if named:
        assert re.search("|".join(said), ended.err), ended.err
        assert re.search(
            r"can't be written \(.*\): \w.*\.$|GB are free: free some", ended.err.strip()
        )
    assert not [name for name in files_of(project.parent) if PARTIAL in name]
    return ended


# MLflow uses what its own library of databases calls old; Python doesn't show that to students.
OLD = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")


@OLD
@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_one_sentence(full: Path, command: str) -> None:
    held(full, *COMMANDS[command], said=("No space left on device", "GB are free"))


@OLD
@pytest.mark.parametrize("command", COMMANDS)
def test_a_read_only_disk_is_one_sentence(read_only: Path, command: str) -> None:
    held(read_only, *COMMANDS[command], said=("Read-only file system",))


def test_a_full_disk_for_caches_and_bytecode_does_not_matter(full: Path) -> None:
    """Python's bytecode, fonts, kernels: what libraries would like to keep for the next time."""
    kept = ("HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR", "TMPDIR")
    done = run(
        *(sys.executable, "-m", "capstone", "compare"),
        cwd=full,
        PYTHONPATH=python_path(full),
        PYTHONDONTWRITEBYTECODE="",
        **{name: str(full.parent / "caches") for name in kept},
    )
    assert done.returncode == 2
    said = (
        r"Error: runs/compare.html can't be written \(No space left on device\): free some .*\.\n"
    )
    assert re.fullmatch(said, done.stderr), done.stderr


def test_the_table_over_seeds_is_printed_though_its_file_is_in_use(
    with_run: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs" / "seeds.csv").mkdir(parents=True)
    settings = load_settings(with_run("binary"))
    scores = {"model": {"r2": {"value": 0.75}}, "baselines": {}}
    with pytest.raises(CantWrite, match=r"seeds.csv can't be written"):
        run_seeds(settings, tmp_path, RunOptions(), 2, lambda *_: scores)
    assert '"mean": 0.75' in capsys.readouterr().out


LONG_NAME = "x" * 300


@pytest.mark.parametrize(
    ("to", "words"),
    [
        (LONG_NAME, "take a shorter name"),
        (f"{LONG_NAME}/service", "take a shorter name"),
        ("capstone.toml/service", "capstone.toml is no folder: move it away"),
        ("/proc/service", "/proc"),
    ],
)
def test_an_export_to_a_place_that_there_can_not_be(
    with_run: Callable[[str], Path], to: str, words: str
) -> None:
    keep_promise(with_run("binary"), "export", "--to", to, names=(words,), code=2)


@pytest.mark.parametrize("command", ["reproduce", "check"])
def test_a_full_disk_for_temporary_files_is_one_sentence(
    with_run: Callable[[str], Path],
    full: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    project = Path(shutil.copytree(with_run("binary"), tmp_path / "my-capstone"))
    must_run("git", "init", "--quiet", cwd=project)
    monkeypatch.setattr(tempfile, "tempdir", str(full.parent))
    words = ("reproduce",) if command == "reproduce" else ("check", "--only", "secrets")
    ended = keep_promise(project, *words)
    said = f"{full.parent} can't be written (No space left on device): free some space"
    assert said in ended.out + ended.err
    assert ended.code == (2 if command == "reproduce" else 0)  # a rule that is open, and no more


# ---- Several runs at once ------------------------------------------------------------------------

AT_ONCE = """
children = [begin(*WORDS, "--set", f"seed={seed}") for seed in SEEDS]
assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(SEEDS)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes")
def test_runs_at_the_same_time_all_finish(copy_of: Render) -> None:
    """Two of the same training, which share a checkpoint, and one of another."""
    project = copy_of(problem="binary")
    seeds, words = (1, 1, 2), (*QUICK, "--set", "training.checkpoint_seconds=0")
    head = f"SEEDS, WORDS = {seeds!r}, {words!r}\n"
    paths = {"PYTHONPATH": python_path(project), "OMP_NUM_THREADS": "1"}
    must_run(sys.executable, "-B", "-c", head + FORKING + AT_ONCE, cwd=project, **paths)
    runs = list_runs(project / "runs")
    assert sorted(run.info["seed"] for run in runs) == list(seeds)
    assert read_run(project / "runs").id in [run.id for run in runs]
    assert count_test_looks(project / "runs") == 3
    left = {name.split("/")[0] for name in files_of(project / "runs")}
    assert left == {LATEST, "plotly.min.js", *(run.id for run in runs)}
    same = [run.folder / "model.safetensors" for run in runs if run.info["seed"] == 1]
    assert same[0].read_bytes() == same[1].read_bytes()


@pytest.mark.parametrize(
    ("counts", "looks"),
    [([], 0), ([1, 2, 3], 3), ([5], 5), ([1, 1], 2), ([2, 2, 3], 4), ([1, 9], 9)],
)
def test_each_run_has_looked_at_the_test_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counts: list[int], looks: int
) -> None:
    kept = [SimpleNamespace(info={"test_looks": count}) for count in counts]
    monkeypatch.setattr("capstone.runs.folder.list_runs", lambda runs: kept)
    assert count_test_looks(tmp_path) == looks
