"""Run folders that somebody has changed: every command ends in one true sentence, and loses nothing.

Each input is a number: it seeds what is changed, and how. `python -m pytest tests/fuzz/test_run_folders.py -k
"seed_17"` tries one again.
"""

import json
import os
import random
import shutil
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from capstone.serving.http import server
from tests.support.helpers import run_of
from tests.support.promise import keep_promise
from tests.support.runs import as_release_0_1_0, reseal

SUITE, LONG = 60, 6_000

TABLE = "data/raw/customer_churn.csv"
COMMANDS = (
    *(("report",), ("report", "--standalone"), ("compare",), ("card",), ("export",)),
    *(("check", "--only", "run", "--only", "baselines", "--only", "reproducible"),),
    *(("predict", "few.csv"), ("explain", "--row", "first"), ("serve", "--port", "0")),
)
JSON_FILES = (
    *("run.json", "metrics.json", "model.json", "serving.json", "schema.json"),
    "reproduction.json",
)
TABLES = ("predictions.csv", "history.csv", "shap.csv")
# These are read by libraries in other languages, whose own faults are not tried here once their hash is right.
BINARY = ("model.onnx", "model.safetensors", "preprocessing.skops", "shap_values.parquet")
FILES = (*JSON_FILES, *TABLES, *BINARY, "settings.toml", "report.html")
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**53, 2**64, 10**400, -0.0, 0.5, 1e308, 5e-324),
    *(
        "",
        " ",
        "0",
        "yes",
        "NaN",
        "\0",
        "a\nb",
        "../../x",
        "<b>",
        "{{ x }}",
        "[/b]",
        "\u202e",
        "ü" * 99,
    ),
    *([], {}, [None], [[]], {"": None}, [0] * 1000, {"a": {"b": {"c": []}}}),
)


# ---- What is changed -----------------------------------------------------------------------------


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a JSON value with each of its keys."""
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in list(keys):
        yield value, key
        yield from places(value[key])


def mutate(value: Any, rng: random.Random) -> None:
    """Change one place of a JSON value: drop it, replace it, swap it with another, or change its type."""
    found = list(places(value))
    if not found:
        return
    # As many changes high up as far down, where most places are.
    at, key = rng.choice([rng.choice(found), rng.choice(found[: len(value) * 3])])
    how = rng.choice(("drop", "odd", "swap", "text", "wrap", "more", "negative"))
    if how == "drop":
        del at[key]
    elif how == "odd":
        at[key] = rng.choice(ODD)
    elif how == "swap":
        other, its = rng.choice(found)
        at[key], other[its] = other[its], at[key]
    elif how == "text":
        at[key] = str(at[key])
    elif how == "wrap":
        at[key] = rng.choice(([at[key]], {"value": at[key]}))
    elif how == "more" and isinstance(at, list):
        at.append(rng.choice(ODD))
    elif isinstance(at[key], (int, float)):
        at[key] = -at[key] * 10 ** rng.randrange(300)
    else:
        at[key] = rng.choice(ODD)


def change_json(path: Path, rng: random.Random) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        mutate(value, rng)
    path.write_text(json.dumps(value), encoding="utf-8")


def change_settings(path: Path, rng: random.Random) -> None:
    value = tomllib.loads(path.read_text(encoding="utf-8"))
    mutate(value, rng)
    try:
        path.write_text(tomli_w.dumps(value), encoding="utf-8")
    except (TypeError, ValueError, AttributeError):  # what TOML can't hold, such as null
        change_bytes(path, rng)


def change_table(path: Path, rng: random.Random) -> None:
    """One cell, one line or the header of a CSV file."""
    lines = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    number = rng.randrange(len(lines)) if rng.random() < 0.7 else 0
    how = rng.choice(("cell", "cell", "cell", "drop a line", "drop a cell", "twice", "column"))
    if how == "drop a line":
        del lines[number]
    elif how == "drop a cell":
        lines[number].pop()
    elif how == "twice":
        lines.insert(number, lines[number])
    elif how == "column":
        lines = [line[:-1] for line in lines]
    else:
        words = ("", "x", "NaN", "inf", "-1", "1e999", "9" * 400, '"', "\0", "2.5", "true")
        lines[number][rng.randrange(len(lines[number]))] = rng.choice(words)
    path.write_text("".join(",".join(line) + "\n" for line in lines), encoding="utf-8")


def change_bytes(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    place = rng.randrange(len(content))
    how = rng.choice(("flip", "cut", "insert", "zeros", "repeat", "empty", "head"))
    if how == "flip":
        content[place] ^= 1 << rng.randrange(8)
    elif how == "cut":
        del content[place:]
    elif how == "insert":
        content[place:place] = rng.randbytes(rng.choice((1, 8, 4096)))
    elif how == "zeros":
        content[place : place + 64] = bytes(64)
    elif how == "repeat":
        content += content[place:]
    elif how == "empty":
        content.clear()
    else:
        content[:64] = rng.randbytes(64)
    path.write_bytes(content)


def replace(path: Path, rng: random.Random) -> None:
    """Something else in the file's place: nothing, a folder, a pipe, a link, another file of the run."""
    how = rng.choice(("nothing", "folder", "pipe", "link", "loop", "other", "nested", "huge"))
    other = rng.choice([one for one in path.parent.iterdir() if one.is_file()])
    content = other.read_bytes()
    path.unlink()
    if how == "folder":
        path.mkdir()
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "link":
        path.symlink_to(rng.choice((other, Path("/etc/hostname"), Path("/dev/zero"))))
    elif how == "loop":
        path.symlink_to(path)
    elif how == "other":
        path.write_bytes(content)
    elif how == "nested":
        depth = rng.choice((500, 5_000, 100_000))
        path.write_text(rng.choice(('{"a":', "[")) * depth, encoding="utf-8")
    elif how == "huge":
        with path.open("wb") as file:
            file.truncate(2**42)  # which takes no room on disk


def change(folder: Path, rng: random.Random) -> tuple[str, str]:
    """Change one file of a run; gives its name and how far the change was covered up."""
    name = rng.choice(FILES)
    path = folder / name
    ways: list[Callable[[Path, random.Random], None]] = [change_bytes, replace]
    if name in JSON_FILES:
        ways += [change_json] * 8
    elif name in TABLES:
        ways += [change_table] * 4
    elif name == "settings.toml":
        ways += [change_settings] * 4
    cover = "not" if name in BINARY else rng.choice(("not", "resealed", "0.1.0"))
    if cover == "0.1.0":
        as_release_0_1_0(folder)
    rng.choice(ways)(path, rng)
    if cover == "resealed" and name != "run.json":
        reseal(folder)
    return name, cover


# ---- The claim -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def project(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with one run, to be changed and put back. A service ends as soon as it would answer."""
    target = Path(shutil.copytree(tiny_run, tmp_path_factory.mktemp("fuzz") / "my-capstone"))
    for name in ("tests", "notebooks", "deploy"):
        shutil.rmtree(target / name, ignore_errors=True)
    lines = (target / TABLE).read_text(encoding="utf-8").splitlines(keepends=True)
    (target / "few.csv").write_text("".join(lines[:9]), encoding="utf-8")
    folder = run_of(target)
    verdict = {"run": "", "verdict": "identical", "checked": "2026-01-01", "differences": ["a"]}
    (folder / "reproduction.json").write_text(json.dumps(verdict), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server.uvicorn.Server, "run", lambda *arguments, **options: None)
        patch.setattr(server, "freeze_loaded_objects", lambda: None)
        patch.setenv(server.OPTIONS_VARIABLE, "")
        yield target


@contextmanager
def as_it_was(project: Path) -> Iterator[Path]:
    """The run's folder, put back afterwards together with all that commands have written."""
    folder, kept = run_of(project), project.with_name("kept")
    if not kept.exists():
        shutil.copytree(project, kept)
    try:
        yield folder
    finally:
        for name in ("runs", "dist", "docs", "data"):
            shutil.rmtree(project / name, ignore_errors=True)
            if (kept / name).exists():
                shutil.copytree(kept / name, project / name)


def try_one(project: Path, seed: int) -> None:
    """One change and one command."""
    rng = random.Random(seed)
    command = rng.choice(COMMANDS)
    if "first" in command:
        row = (project / TABLE).read_text(encoding="utf-8").splitlines()[1].partition(",")[0]
        command = (*command[:-1], row)
    with as_it_was(project) as folder:
        name, cover = change(folder, rng)
        try:
            ended = keep_promise(project, *command)
            named = (name, folder.name, "src/my_capstone", "runs/LATEST")
            assert ended.code == 0 or any(word in ended.err for word in named), ended.err
            assert "elete" not in ended.err, ended.err
        except BaseException:
            print(f"seed {seed}: {name}, covered up: {cover}, {' '.join(command)}")
            raise


@pytest.mark.parametrize("seed", range(SUITE), ids=lambda seed: f"seed_{seed}")
def test_a_changed_run_ends_in_one_sentence(project: Path, seed: int) -> None:
    try_one(project, seed)


@pytest.mark.long
def test_many_changed_runs_end_in_one_sentence(project: Path) -> None:
    failed = []
    for seed in range(SUITE, SUITE + LONG):
        try:
            try_one(project, seed)
        except (Exception, pytest.fail.Exception) as error:
            failed.append(f"seed {seed}: {str(error)[:500]}")
    print(f"{LONG:,} changed runs tried, {len(failed)} told badly")
    assert not failed, "\n\n".join(failed[:20])
