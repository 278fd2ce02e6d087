"""A run is read in one place: each file is compared with its SHA-256, and a run is named by its form alone."""

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from capstone.core.errors import CapstoneError
from capstone.runs.folder import read_run, run_folder, run_name
from capstone.runs.verify import RUN_FILES, check_whole
from capstone.serving.http import server
from capstone.serving.inference.served_model import ServedModel
from capstone.training.model import TrainedModel
from tests.support.helpers import ROOT, must_run, run_of
from tests.support.promise import keep_promise
from tests.support.runs import as_release_0_1_0, reseal

ROW = "970040"
TABLE = "data/raw/customer_churn.csv"
OTHER = "20200101T000000Z-00000000"
METRICS, SETTINGS = "metrics.json", "settings.toml"
MODEL = ("model.json", "model.safetensors", "preprocessing.skops")
SERVED = ("model.onnx", "serving.json", "schema.json")
# What each command reads of a run, beside run.json and metrics.json.
READS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("report",): (*RUN_FILES, "shap.csv", "shap_values.parquet"),
    ("card",): (*RUN_FILES, "shap.csv", "shap_values.parquet"),
    ("explain", "--row", ROW): (SETTINGS, *MODEL),
    ("predict", TABLE): (SETTINGS, *SERVED),
    ("export",): (SETTINGS, *SERVED),
    ("serve", "--port", "0"): SERVED,
    ("compare",): (SETTINGS, "history.csv", "predictions.csv", "model.json"),
    ("run", "--set", "training.start_from=runs/LATEST"): MODEL,
}
EDITS = [
    (command, name) for command, names in READS.items() for name in dict.fromkeys((*names, METRICS))
]


@pytest.fixture
def project(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of the test's own with one run. A service ends as soon as it would answer."""
    monkeypatch.setattr(server.uvicorn.Server, "run", lambda *arguments, **options: None)
    monkeypatch.setattr(server, "freeze_loaded_objects", lambda: None)
    monkeypatch.setenv(server.OPTIONS_VARIABLE, "")
    return Path(shutil.copytree(tiny_run, tmp_path / "my-capstone"))


def row_of(project: Path) -> str:
    """A row that there is."""
    return (project / TABLE).read_text(encoding="utf-8").splitlines()[1].partition(",")[0]


def spoken(project: Path, command: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(row_of(project) if word == ROW else word for word in command)


def flip(path: Path) -> None:
    """One other bit, in the middle of what the file holds."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def info_of(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


# ---- What is written -----------------------------------------------------------------------------


def test_run_json_holds_the_sha256_of_every_other_file(tiny_run: Path) -> None:
    folder = run_of(tiny_run)
    files = {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert info_of(folder)["files"] == {k: v for k, v in files.items() if k != "run.json"}
    assert {*RUN_FILES, "shap.csv", "shap_values.parquet", "report.html"} == set(files) - {
        "run.json"
    }


def test_a_report_names_its_run_and_is_the_same_when_it_is_made_again(project: Path) -> None:
    path = run_of(project) / "report.html"
    before = path.read_bytes()
    assert f"capstone reproduce {run_of(project).name}".encode() in before
    keep_promise(project, "report", code=0)
    assert path.read_bytes() == before


# ---- What is read --------------------------------------------------------------------------------


@pytest.mark.parametrize("command", READS, ids=lambda command: command[0])
def test_a_run_as_it_was_written_is_read(project: Path, command: tuple[str, ...]) -> None:
    keep_promise(project, *spoken(project, command), code=0)


@pytest.mark.parametrize(
    ("command", "name"), EDITS, ids=[f"{command[0]} {name}" for command, name in EDITS]
)
def test_one_flipped_bit_is_seen_by_whoever_reads_the_file(
    project: Path, command: tuple[str, ...], name: str
) -> None:
    flip(run_of(project) / name)
    keep_promise(project, *spoken(project, command), code=2, names=[name, run_of(project).name])


@pytest.mark.parametrize("command", READS, ids=lambda command: command[0])
def test_a_better_score_that_was_typed_in_is_believed_by_nobody(
    project: Path, command: tuple[str, ...]
) -> None:
    path = run_of(project) / METRICS
    metrics = json.loads(path.read_text(encoding="utf-8"))
    metrics["model"]["roc_auc"]["value"] = 0.999
    path.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    keep_promise(project, *spoken(project, command), code=2, names=[METRICS])
    for rule in ("run", "baselines"):
        checked = keep_promise(project, "check", "--only", rule, code=0)
        assert f"✗ {rule}: The run in" in checked.out and METRICS in checked.out


def test_an_edit_whose_hash_was_edited_too_is_seen_by_the_predictions(project: Path) -> None:
    path = run_of(project) / METRICS
    metrics = json.loads(path.read_text(encoding="utf-8"))
    metrics["model"]["brier"]["value"] = 0.001
    path.write_text(json.dumps(metrics), encoding="utf-8")
    reseal(run_of(project))
    keep_promise(project, "report", code=2, names=["is of another run or project", "brier"])


def test_weights_are_not_parsed_before_their_hash_is_known(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(*arguments: object, **options: object) -> None:
        raise AssertionError("parsed")

    flip(run_of(project) / "model.safetensors")
    flip(run_of(project) / "preprocessing.skops")
    monkeypatch.setattr("capstone.training.model.load", parse)
    monkeypatch.setattr("skops.io.loads", parse)
    monkeypatch.setattr("capstone.serving.inference.served_model.OnnxSession", parse)
    with pytest.raises(CapstoneError, match=r"model\.safetensors is not the file that the run"):
        TrainedModel.load(run_of(project), project)
    flip(run_of(project) / "model.onnx")
    with pytest.raises(CapstoneError, match=r"model\.onnx is not the file that the run wrote"):
        ServedModel.load(run_of(project), project)


@pytest.mark.parametrize("name", ["model.onnx", "serving.json", "schema.json", METRICS])
def test_an_exported_service_checks_its_files_too(project: Path, name: str) -> None:
    keep_promise(project, "export", "--to", "../service", code=0)
    service = project.parent / "service"
    keep_promise(service, "serve", "--port", "0", code=0)
    flip(run_of(service) / name)
    keep_promise(service, "serve", "--port", "0", code=2, names=[name])


def test_a_page_that_was_edited_is_named_and_can_be_made_again(project: Path) -> None:
    path = run_of(project) / "report.html"
    path.write_text(path.read_text(encoding="utf-8") + "<p>99.9 %</p>", encoding="utf-8")
    checked = keep_promise(project, "check", "--only", "run", code=0)
    assert "report.html is not the page that the run's files give" in checked.out
    keep_promise(project, "report", code=0)
    assert "✓ run:" in keep_promise(project, "check", "--only", "run", code=0).out


def test_the_verdict_of_reproduce_is_of_this_run_json_alone(project: Path) -> None:
    assert keep_promise(project, "reproduce", code=0)
    assert "✓ reproducible" in keep_promise(project, "check", "--only", "reproducible").out
    path = run_of(project) / "run.json"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert "was not made again yet" in keep_promise(project, "check", "--only", "reproducible").out


# ---- Runs of release 0.1.0 -----------------------------------------------------------------------


@pytest.mark.parametrize("command", READS, ids=lambda command: command[0])
def test_a_run_of_release_0_1_0_is_read_as_before(project: Path, command: tuple[str, ...]) -> None:
    as_release_0_1_0(run_of(project))
    done = keep_promise(project, *spoken(project, command), code=0)
    assert done.out.count("was made by release 0.1.0") == (command == ("report",))


def test_check_says_once_what_is_not_known_of_a_run_of_release_0_1_0(project: Path) -> None:
    as_release_0_1_0(run_of(project))
    checked = keep_promise(project, "check")
    assert checked.out.count("was made by release 0.1.0") == 1
    assert "✓ run:" in checked.out


def test_what_release_0_1_0_hashed_is_compared_and_no_hash_can_be_left_out(project: Path) -> None:
    folder = run_of(project)
    as_release_0_1_0(folder)
    flip(folder / "model.onnx")
    keep_promise(project, "report", code=2, names=["model.onnx"])
    flip(folder / "model.onnx")
    info = info_of(folder)
    info["files"].pop("schema.json")
    (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    keep_promise(project, "report", code=2, names=["run.json holds no SHA-256 of"])


# ---- LATEST and --run ----------------------------------------------------------------------------


def as_folder(path: Path) -> None:
    path.mkdir()


def as_pipe(path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no pipes with a name")
    os.mkfifo(path)


def as_link(path: Path) -> None:
    target = path.with_name("elsewhere")
    target.write_text(OTHER, encoding="utf-8")
    path.symlink_to(target)


BAD_LATEST: dict[str, bytes | Callable[[Path], None] | None] = {
    "absent": None,
    "empty": b"",
    "blank": b" \n",
    "binary": bytes(range(256)),
    "zeros": bytes(100),
    "dots": b"..\n",
    "dot": b".\n",
    "root": b"/\n",
    "a path": b"../../etc\n",
    "itself": b"LATEST\n",
    "a run that is gone": b"20190101T000000Z-00000000\n",
    "two lines": b"20200101T000000Z-00000000\n20200101T000000Z-00000000\n",
    "UTF-16": OTHER.encode("utf-16"),
    "long": b"2" * 5_000,
    "a folder": as_folder,
    "a pipe": as_pipe,
    "a link": as_link,
}


@pytest.fixture
def two_runs(project: Path) -> Path:
    """A project whose older run is OTHER."""
    shutil.copytree(run_of(project), project / "runs" / OTHER)
    return project


@pytest.mark.parametrize("kind", BAD_LATEST)
def test_where_latest_names_no_run_the_newest_complete_one_is_taken(
    two_runs: Path, kind: str
) -> None:
    path, newest, content = two_runs / "runs" / "LATEST", run_of(two_runs), BAD_LATEST[kind]
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        content(path)
    done = keep_promise(two_runs, "report", code=0)
    assert newest.name in done.out
    assert re.fullmatch(rf"Note: runs/LATEST .*; {newest.name} is the newest .*\n", done.err)
    flip(newest / "history.csv")
    done = keep_promise(two_runs, "report", code=0)
    assert OTHER in done.out and OTHER in done.err
    flip(two_runs / "runs" / OTHER / "history.csv")
    keep_promise(two_runs, "report", code=2, names=["runs/LATEST", "no run beside it is complete"])


def test_a_run_that_latest_names_is_not_replaced_in_silence(two_runs: Path) -> None:
    (run_of(two_runs) / METRICS).unlink()
    done = keep_promise(two_runs, "report", code=2, names=[run_of(two_runs).name, METRICS])
    assert OTHER not in done.err


def test_to_start_from_latest_is_to_start_from_the_newest_complete_run(two_runs: Path) -> None:
    newest = run_of(two_runs).name
    (two_runs / "runs" / "LATEST").write_bytes(b"")
    done = keep_promise(two_runs, "run", "--set", "training.start_from=runs/LATEST", code=0)
    assert f"starting from {newest}" in done.out and newest in done.err
    assert f'start_from = "runs/{newest}"' in (run_of(two_runs) / SETTINGS).read_text("utf-8")


NAMED = ("{}", "runs/{}", "runs/{}/", "./runs/{}", r".\runs\{}", r"runs\{}" + "\\", " {} ", "./{}")
NOT_NAMED = (
    *("", " ", ".", "..", "/", "runs", "../runs", "LATEST2", "20200101T000000Z", "~", "\0"),
    *("../my-capstone", "runs/..", "{}/..", "/etc/{}", "elsewhere/{}", "runs/runs/{}", "-{}"),
    *("20200101T000000Z-0000000G", "{}\n{}", "20200101T000000Z-00000001", "\\\\host\\runs\\{}"),
)


@pytest.mark.parametrize("text", NAMED)
def test_a_run_is_named_as_one_would_paste_it(two_runs: Path, text: str) -> None:
    done = keep_promise(two_runs, "report", text.format(OTHER), code=0)
    assert OTHER in done.out and done.err == ""


def test_a_run_is_named_by_its_whole_path_and_from_another_folder(
    two_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = two_runs / "runs"
    assert run_name(runs, str(runs / OTHER)) == OTHER
    assert run_name(runs, str(runs / "LATEST")) == "LATEST"
    monkeypatch.chdir(two_runs / "docs")
    assert run_name(Path("..", "runs"), f"../runs/{OTHER}") == OTHER


@pytest.mark.parametrize("text", NOT_NAMED)
def test_what_has_not_the_form_of_a_run_names_none(two_runs: Path, text: str) -> None:
    with pytest.raises(CapstoneError, match=r"has no run ") as error:
        run_folder(two_runs / "runs", text.format(OTHER, OTHER))
    assert "elete" not in str(error.value)


def test_a_link_is_no_run(two_runs: Path) -> None:
    (two_runs / "runs" / OTHER).rename(two_runs / "elsewhere")
    (two_runs / "runs" / OTHER).symlink_to(two_runs / "elsewhere")
    keep_promise(two_runs, "report", OTHER, code=2, names=["has no run"])


def test_no_sentence_of_a_run_advises_to_delete_anything() -> None:
    for room in ("runs", "core", "serving", "training", "export", "commands"):
        folder = Path(server.__file__).parents[2] / room
        for path in folder.rglob("*.py"):
            assert not re.search(r"[dD]elete (it|that|the)", path.read_text("utf-8")), path


# ---- What a file may hold ------------------------------------------------------------------------

DEEP = b'{"a": ' * 100_000 + b"1" + b"}" * 100_000
CONTENTS: dict[str, bytes | Callable[[Path], None] | None] = {
    "missing": None,
    "empty": b"",
    "an empty object": b"{}",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"run"',
    "a number": b"1e999",
    "NaN": b'{"finished": NaN}',
    "deep": DEEP,
    "cut": b'{"finished": "2026-',
    "no UTF-8": b'{"finished": "\xff\xfe"}',
    "half a pair": b'{"finished": "\\ud800"}',
    "a long number": b'{"seed": ' + b"9" * 5_000 + b"}",
    "a key twice": b'{"seed": 1, "seed": 2}',
    "binary": bytes(range(256)) * 9,
    "a folder": as_folder,
    "a pipe": as_pipe,
    "a link": as_link,
}
JSON_FILES = ("run.json", METRICS, "model.json", "serving.json", "schema.json", SETTINGS)


def put(path: Path, content: bytes | Callable[[Path], None] | None) -> None:
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        content(path)


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("name", JSON_FILES)
def test_a_file_that_holds_anything_else_is_named(two_runs: Path, name: str, kind: str) -> None:
    """As release 0.1.0 left it, so that no hash stands before the reading."""
    folder = two_runs / "runs" / OTHER
    put(folder / name, CONTENTS[kind])
    if name != "run.json" and (folder / "schema.json").is_file():
        info = info_of(folder)
        info["files"] = dict.fromkeys(SERVED, "0" * 64)
        for served in SERVED:
            if (folder / served).is_file():
                info["files"][served] = sha256((folder / served).read_bytes()).hexdigest()
        (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    keep_promise(two_runs, "report", OTHER, code=2, names=[name, OTHER])
    done = keep_promise(two_runs, "compare", code=0)
    assert run_of(two_runs).name in done.out
    if name in ("run.json", METRICS, *READS["compare",]):
        assert f"The run in runs/{OTHER} can't be used: {name} " in done.out


FORMS = [
    ("rows", {"train": 160, "test": "40"}, "rows.test"),
    ("rows", [], "rows"),
    ("rows", {"train": 1}, "rows.test"),
    ("test_looks", -1, "test_looks"),
    ("test_looks", 1.5, "test_looks"),
    ("test_looks", True, "test_looks"),
    ("quick", "no", "quick"),
    ("quick", None, "quick"),
    ("finished", "yesterday", "finished"),
    ("seed", 10**300, "seed"),
    ("data", {"path": 1, "sha256": "0" * 64}, "data.path"),
    ("data", {"path": "x", "sha256": "0"}, "data.sha256"),
    ("git", None, "git"),
    ("files", {"model.onnx": 1}, "files"),
    ("files", {"../../x": "0" * 64}, "files"),
    ("files", {"/etc/passwd": "0" * 64}, "files"),
    ("files", [], "files"),
]


@pytest.mark.parametrize(("key", "value", "named"), FORMS)
def test_run_json_is_read_by_its_form(two_runs: Path, key: str, value: object, named: str) -> None:
    folder = two_runs / "runs" / OTHER
    (folder / "run.json").write_text(json.dumps(info_of(folder) | {key: value}), encoding="utf-8")
    keep_promise(two_runs, "report", OTHER, code=2, names=["run.json", named])
    assert OTHER in keep_promise(two_runs, "compare", code=0).out
    checked = keep_promise(two_runs, "check", "--only", "run", code=0)
    assert f"runs/{OTHER} can't be used: run.json" in checked.out


def test_a_file_larger_than_any_run_writes_is_not_read(project: Path) -> None:
    with (run_of(project) / "run.json").open("ab") as file:
        file.truncate(2**40)  # it takes no room on disk
    keep_promise_but_digests(project)


def keep_promise_but_digests(project: Path) -> None:
    with pytest.raises(CapstoneError, match=r"run\.json is too large: 1,099,511,627,776 bytes"):
        read_run(project / "runs")


def test_a_whole_run_is_whole(tiny_run: Path) -> None:
    check_whole(read_run(tiny_run / "runs"))


def test_to_find_a_run_and_its_settings_needs_neither_torch_nor_pandas() -> None:
    """`capstone predict` and a service start three seconds later with them."""
    heavy = ("torch", "pandas", "numpy", "sklearn")
    code = f"import sys, capstone.runs.folder; print([n for n in {heavy} if n in sys.modules])"
    engine = str(Path(server.__file__).parents[3])
    assert must_run(sys.executable, "-c", code, cwd=ROOT, PYTHONPATH=engine) == "[]\n"
