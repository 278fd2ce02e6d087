"""Each student is an island: whatever is wrong in one repository, in every command the others are served."""

import hashlib
import json
import multiprocessing
import os
import signal
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError
from pydantic import TypeAdapter, ValidationError

from cohort.classroom import stores
from cohort.commands import create as create_command
from cohort.projects import isolation, pool, report, status
from cohort.projects import workbench as work
from cohort.projects.isolation import OutOfTimeError, at_most
from tests.support.classes import (
    Cohort,
    Marks,
    Said,
    commit_all,
    git,
    make_class,
    make_projects,
    move_into,
    write,
)
from tests.support.helpers import ROOT, must_run, run

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such names and no pipes")
NAMES = ["ada", "eve", "zoe"]
EVE = "students/eve"
BRANCH = "template/v2.0.0"
ANSWERS = ".copier-answers.yml"
CARD = "docs/model_card.md"
DONE = {"known", "clean", "unchanged", "verified", "rolled back", "created", "exists"}


@pytest.fixture(scope="module")
def honest(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_projects(tmp_path_factory.mktemp("islands") / "class", small, NAMES)


@pytest.fixture
def classroom(honest: Path, tmp_path: Path) -> Path:
    """Ada and Zoe, before and after Eve in the roster, are honest."""
    folder = move_into(honest, tmp_path / "class")
    for path in (folder / "students").glob(f"*/{ANSWERS}"):
        assert "v1.0.0" in path.read_text()
    return folder


# ---- What is in Eve's repository ----------------------------------------------------------------------


def put(project: Path, kind: str, content: bytes) -> str:
    """An object as Eve likes it, which git itself would not write."""
    whole = f"{kind} {len(content)}\0".encode() + content
    name = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
    path = project / ".git" / "objects" / name[:2] / name[2:]
    if not path.exists():
        write(path.parent, {path.name: zlib.compress(whole)})
    return name


def entries(project: Path, revision: str = "HEAD") -> list[tuple[str, str, str]]:
    """Mode, name of the object, and file name."""
    lines = git(project, "ls-tree", "-z", revision).split("\0")
    return [(line.split()[0], line.split()[2], line.partition("\t")[2]) for line in lines if line]


def commit_tree(project: Path, *more: bytes, without: str = "") -> None:
    """Commit a tree with odd entries, put together by hand."""
    kept = [
        f"{mode.lstrip('0')} {name}\0".encode() + bytes.fromhex(one)
        for mode, one, name in entries(project)
        if name != without
    ]
    commit(project, put(project, "tree", b"".join([*kept, *more])))


def commit(project: Path, tree: str, header: bytes = b"") -> None:
    head = git(project, "rev-parse", "HEAD")
    who = b"Eve <eve@example.org> 1700000000 +0000"
    lines = [
        b"tree " + tree.encode(),
        b"parent " + head.encode(),
        b"author " + who,
        b"committer " + who,
    ]
    name = put(
        project, "commit", b"\n".join([*lines, *([header] if header else []), b"", b"Odd\n"])
    )
    write(project, {".git/refs/heads/main": f"{name}\n"})


def entry(project: Path, mode: bytes, name: bytes) -> bytes:
    return mode + b" " + name + b"\0" + bytes.fromhex(git(project, "rev-parse", "HEAD:README.md"))


def answer(project: Path, line: str) -> None:
    key = line.partition(":")[0]
    kept = [
        old for old in (project / ANSWERS).read_text().splitlines() if not old.startswith(f"{key}:")
    ]
    write(project, {ANSWERS: "\n".join([*kept, line, ""])})
    commit_all(project, "Answers")


def card(project: Path, value: str) -> None:
    """A model card whose score is odd, and a file that was renamed to an odd name."""
    metrics = f"[{{type: r2, name: R2, value: {value}}}]"
    write(
        project,
        {CARD: f"---\nmodel-index:\n- name: x\n  results:\n  - metrics: {metrics}\n---\n"},
    )
    commit_all(project, "Card")


def file(project: Path, path: str, content: str | bytes) -> None:
    write(project, {path: content})
    commit_all(project, "A file")


def latin_name(project: Path) -> None:
    """An honest student's file, renamed on an old machine; and a conflict of which it is a side."""
    text = (project / "engine.py").read_text().replace("line 5 ", "my line ")
    (project / "engine.py").unlink()
    (Path(os.fsdecode(os.fsencode(project) + b"/caf\xe9.py"))).write_text(text)
    commit_all(project, "Caf\u00e9")


def control_name(project: Path) -> None:
    (project / "engine.py").rename(project / "\x1b]0;owned\x07\n\u202e\u0085.py")
    commit_all(project, "A name")


def deep_tree(project: Path) -> None:
    """A folder in a folder, twenty thousand times; and a reason to look for renamed files."""
    name = git(project, "rev-parse", "HEAD:README.md")
    tree = put(project, "tree", b"100644 x\0" + bytes.fromhex(name))
    for _ in range(6_000):
        tree = put(project, "tree", b"40000 d\0" + bytes.fromhex(tree))
    commit_tree(project, b"40000 zz\0" + bytes.fromhex(tree), without="engine.py")


def loop(project: Path) -> None:
    write(project, {".git/refs/heads/main": "ref: refs/heads/main\n"})


def head_as_folder(project: Path) -> None:
    (project / ".git" / "HEAD").unlink()
    (project / ".git" / "HEAD").mkdir()


def long_head(project: Path) -> None:
    write(project, {".git/HEAD": f"ref: refs/heads/{'x' * 4000}\n"})


def pack_as_file(project: Path) -> None:
    (project / ".git" / "objects" / "pack").rmdir()
    write(project, {".git/objects/pack": "x"})


def pipe_among_packs(project: Path) -> None:
    git(project, "repack", "-a", "-d", "--quiet")
    os.mkfifo(project / ".git" / "objects" / "pack" / f"pack-{'1' * 40}.idx")


def pipe_in_info(project: Path) -> None:
    os.mkfifo(project / ".git" / "objects" / "info" / "commit-graph")


def object_as_folder(project: Path) -> None:
    head = git(project, "rev-parse", "HEAD")
    path = project / ".git" / "objects" / head[:2] / head[2:]
    path.unlink()
    path.mkdir()


def answers_as_folder(project: Path) -> None:
    (project / ANSWERS).unlink()
    write(project, {f"{ANSWERS}/file": "x"})
    commit_all(project, "Folder")


HARMLESS = "harmless"
# What is odd, and in which commands it must be an error or be refused; elsewhere it may be.
READERS = ("status", "plan", "update", "audit", "report", "verify")
FITTING = ("plan", "update", "report", "verify")  # what asks whether answers fit
NASTY: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "sexagesimal answer": (lambda p: answer(p, "colour: " + ":".join(["59"] * 200)), FITTING),
    "sexagesimal title": (lambda p: answer(p, "title: " + ":".join(["59"] * 200)), ()),
    "sexagesimal float": (lambda p: answer(p, "title: " + ":".join(["59"] * 200) + ".5"), ()),
    "sexagesimal commit": (lambda p: answer(p, "_commit: " + ":".join(["59"] * 200)), READERS),
    "long integer": (lambda p: answer(p, "colour: 0x" + "f" * 20_000), READERS),
    "long key": (lambda p: answer(p, "? 0x" + "f" * 20_000 + "\n: 1"), READERS),
    "infinite": (lambda p: answer(p, "colour: .inf"), FITTING),
    "a list": (lambda p: answer(p, "title: [[[a]]]"), ()),
    "no address": (lambda p: answer(p, "_src_path: 'http://['"), READERS),
    "no text": (lambda p: file(p, ANSWERS, b"\xff\xfe"), READERS),
    "NUL in a name": (lambda p: answer(p, 'package_name: "a\\0b"'), FITTING),
    "surrogate": (lambda p: answer(p, 'title: "\\uD800"'), READERS),
    "number in the card": (lambda p: card(p, ":".join(["59"] * 200)), ()),
    "float in the card": (lambda p: card(p, ":".join(["59"] * 200) + ".5"), ()),
    "long number in the card": (lambda p: card(p, "0x" + "f" * 20_000), ()),
    "infinity in the card": (lambda p: card(p, ".inf"), ()),
    "newlines in a document": (lambda p: file(p, "docs/data_ethics.md", "\n" * 250_000), ()),
    "latin name": (latin_name, ()),
    "control name": (control_name, ()),
    "odd mode": (lambda p: commit_tree(p, entry(p, b"1\xff0644", b"zzz")), READERS),
    "empty mode": (lambda p: commit_tree(p, entry(p, b"", b"zzz")), READERS),
    "empty name": (lambda p: commit_tree(p, entry(p, b"100644", b"")), READERS),
    "slash in a name": (lambda p: commit_tree(p, entry(p, b"100644", b"zz/../x")), READERS),
    "cut tree": (lambda p: commit_tree(p, b"100644 zzz\0abc"), READERS),
    "latin tree": (lambda p: commit_tree(p, entry(p, b"100644", b"zz\xe9\xff")), ()),
    "latin header": (
        lambda p: commit(p, git(p, "rev-parse", "HEAD^{tree}"), b"encoding \xe9\xff\xfe"),
        (),
    ),
    "no tree": (lambda p: commit(p, "\u00e9" * 20), READERS),
    "deep tree": (deep_tree, ("plan", "update", "verify", "report")),
    "loop": (loop, READERS[:5]),
    "head as folder": (head_as_folder, READERS[:5]),
    "long head": (long_head, READERS[:5]),
    "pack as file": (pack_as_file, READERS),
    "pipe among packs": (pipe_among_packs, READERS),
    "pipe in info": (pipe_in_info, READERS),
    "object as folder": (object_as_folder, READERS[:5]),
    "answers as folder": (answers_as_folder, READERS),
}
COMMANDS: dict[str, tuple[str, ...]] = {
    "status": ("status", "--dirty", "--json"),
    "plan": ("plan", "--json"),
    "update": ("update", "--json"),
    "verify": ("verify", "--json"),
    "audit": ("audit", "--json"),
    "report": ("report", "--json"),
    "rollback": ("rollback", "--json"),
    "create": ("create", "--to", "v1.0.0", "--json"),
}


def check(said: Said, command: str, must_fail: bool, others: set[str] = DONE) -> None:
    """The others are done; what is wrong with Eve is in her row, in words, and in the exit code."""
    assert "Traceback" not in said.out + said.err
    projects = said.projects
    assert list(projects) == NAMES
    for name in ("ada", "zoe"):
        assert projects[name]["state"] in others, (name, projects[name])
    eve = projects["eve"]
    assert not must_fail or eve["state"] in ("error", "refused"), eve
    wanted = {"error": 3, "refused": 4}.get(eve["state"], 0)
    assert said.code == wanted or (not wanted and said.code == 2), (said.code, eve)
    if wanted:
        assert eve["message"].isprintable() and 5 < len(eve["message"]) <= 1_000, eve["message"]
    said.out.encode("ascii")
    json.loads(said.out)


def forget(folder: Path) -> None:
    for path in folder.glob("class.html"):
        path.unlink()


@pytest.mark.parametrize("name", NASTY)
def test_an_odd_repository_stops_no_command(
    cohort: Cohort, classroom: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command over the class, as JSON and for people; then the pages."""
    monkeypatch.chdir(classroom)
    monkeypatch.setattr(status, "TOGETHER_SECONDS", 3.0)
    harm, where = NASTY[name]
    harm(classroom / EVE)
    # A branch of Eve's on top, as if it were an update's: so `verify` has something to read.
    head = (classroom / EVE / ".git/refs/heads/main").read_text().strip()
    if head.isalnum():
        tree = git(ROOT, "hash-object", "-t", "tree", "/dev/null")
        text = (
            f"tree {tree}\nparent {head}\nauthor a <a@b> 0 +0000\ncommitter a <a@b> 0 +0000\n\nx\n"
        )
        made = put(classroom / EVE, "commit", text.encode())
        write(classroom, {f"{EVE}/.git/refs/heads/{BRANCH}": f"{made}\n"})
    for command, words in COMMANDS.items():
        if command == "update":
            (classroom / EVE / ".git/refs/heads" / BRANCH).unlink(missing_ok=True)
        started = time.monotonic()
        check(cohort(classroom, *words), command, command in where)
        assert time.monotonic() - started < 40, command
        if command == "update" and head.isalnum():
            write(classroom, {f"{EVE}/.git/refs/heads/{BRANCH}": f"{made}\n"})
    pages = classroom / "plan.html", classroom / "class.html"
    plan, report = (("--html", str(page)) for page in pages)
    for words in (("status",), ("plan", *plan), ("report", *report), ("history", "eve")):
        said = cohort(classroom, *words)
        assert said.code in (0, 2, 3, 4) and "Traceback" not in said.out + said.err
        assert "ada" in said.out or words[0] in ("report", "history")
        said.out.encode()
        assert not any(letter in said.out for letter in "\x1b\x07\u202e")
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "zoe" in text and not any(letter in text for letter in "\x1b\x07\u202e")
    said = cohort(classroom, "adopt", "eve", "--json")
    assert said.code in (0, 3, 4) and said.projects["eve"]["state"]
    assert not (classroom / ".cohort" / "errors.log").exists(), "each of these is foreseen"


def test_a_name_in_latin_1_is_shown_everywhere(
    cohort: Cohort, classroom: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An honest student's file: its bytes stay, and people see which byte is meant."""
    monkeypatch.chdir(classroom)
    latin_name(classroom / EVE)
    shown = "caf\u27e8E9\u27e9.py"
    said = cohort(classroom, "update", "--json")
    assert any(shown in text for text in (*said.projects["eve"]["changes"], said.out)) or (
        shown in json.dumps(said.projects["eve"], ensure_ascii=False)
    )
    assert shown in cohort(classroom, "plan").out + git(classroom / EVE, "log", "--all")
    assert "\\udc" not in cohort(classroom, "report", "--json").out
    (raw,) = [one for one in os.listdir(os.fsencode(classroom / EVE)) if one.startswith(b"caf")]
    assert raw == b"caf\xe9.py"


# ---- What is raised inside ----------------------------------------------------------------------------


class OwnError(Exception):
    """Its words fail too."""

    def __str__(self) -> str:
        raise ValueError("no words")


def pydantic_error() -> Exception:
    try:
        TypeAdapter(int).validate_python("x\x1b[2J\udce9")
    except ValidationError as error:
        return error
    raise AssertionError


RAISED: dict[str, Callable[[], BaseException]] = {
    "MemoryError": MemoryError,
    "RecursionError": lambda: RecursionError("maximum recursion depth exceeded"),
    "AssertionError": AssertionError,
    "KeyError": lambda: KeyError("\x1b]0;x\x07\udce9"),
    "UnicodeEncodeError": lambda: UnicodeEncodeError("utf-8", "\udce9", 0, 1, "surrogates"),
    "ValidationError": pydantic_error,
    "UndefinedError": lambda: UndefinedError("no such thing"),
    "OwnError": OwnError,
    "SystemExit": lambda: SystemExit("leave"),
    "GeneratorExit": GeneratorExit,
    "PermissionError": lambda: PermissionError(13, "Permission denied", "/some/folder"),
    "OSError": lambda: OSError(),
    "BaseExceptionGroup": lambda: BaseExceptionGroup("many", [SystemExit(1), KeyError("x")]),
}
FORESEEN = {"MemoryError", "RecursionError", "PermissionError", "OSError"}


def raise_inside(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> None:
    """In the first step of every command, where it is Eve's turn."""
    inside, made = stores.Local.__init__, create_command.create

    def opened(store: stores.Local, project: Path) -> None:
        if project.name == "eve":
            act()
        inside(store, project)

    def create(bench: Any, student: Any, *more: Any) -> Any:
        if student.name == "eve":
            act()
        return made(bench, student, *more)

    monkeypatch.setattr(stores.Local, "__init__", opened)
    monkeypatch.setattr(create_command, "create", create)


def throw(make: Callable[[], BaseException]) -> Callable[[], None]:
    def act() -> None:
        raise make()

    return act


@pytest.mark.parametrize("name", RAISED)
def test_whatever_is_raised_inside_stays_there(
    cohort: Cohort, classroom: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    raise_inside(monkeypatch, throw(RAISED[name]))
    log = classroom / ".cohort" / "errors.log"
    for command, words in COMMANDS.items():
        said = cohort(classroom, *words)
        check(said, command, must_fail=True, others={*DONE, "no update"})
        message = said.projects["eve"]["message"]
        if name not in FORESEEN:
            assert name in message and str(log) in message
            assert f"{name}" in log.read_text() and "Traceback" in log.read_text()
            assert log.read_text().replace("\n", "").isprintable()
    assert cohort(classroom, "adopt", "eve").code in (3, 4)
    assert log.exists() == (name not in FORESEEN)


def test_an_update_goes_on_after_it(
    cohort: Cohort, classroom: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run with --resume does what is left; the others' branches stay as they are."""
    with monkeypatch.context() as patch:
        raise_inside(patch, throw(AssertionError))
        assert cohort(classroom, "update").code == 3
        wrote = {
            name: git(classroom / "students" / name, "rev-parse", BRANCH) for name in ("ada", "zoe")
        }
        assert cohort(classroom, "update", "--resume").code == 3
    said = cohort(classroom, "update", "--resume", "--json")
    assert said.code == 0 and said.projects["eve"]["wrote"]
    assert {name: said.projects[name]["commit"] for name in wrote} == wrote


def test_a_killed_run_resumes_past_a_broken_repository(
    cohort: Cohort, classroom: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done before the kill is looked at again; that of Eve's can no longer be."""
    from cohort.classroom.ledger import Ledger

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "end", lambda *_: None)  # as after a kill
        assert cohort(classroom, "update").code == 0
    (classroom / EVE / ".git" / "HEAD").unlink()
    said = cohort(classroom, "update", "--resume", "--json")
    assert said.code == 3 and said.projects["eve"]["state"] == "error"
    assert said.projects["ada"]["state"] == "clean"


# ---- What does not end, and what ends the process -----------------------------------------------------


def stuck() -> None:
    """Nothing in Python can end this: as in a library that is written in C."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(300)


def hopeful() -> None:
    """Work that takes every Exception for one that it can mend."""
    for _ in range(1000):
        try:
            time.sleep(300)
        except Exception:
            continue


def crash() -> None:
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)  # pytest would speak of it at length
    os.kill(os.getpid(), signal.SIGSEGV)


ENDINGS: dict[str, tuple[Callable[[], None], str]] = {
    "sleeps": (lambda: time.sleep(300), "more than 1 seconds"),
    "mends": (hopeful, "more than 1 seconds"),
    "stuck": (stuck, "more than 1 seconds"),
    "killed": (lambda: os.kill(os.getpid(), signal.SIGKILL), "out of memory?"),
    "crashed": (crash, "signal 11"),
    "left": (lambda: os._exit(7), "code 7"),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_what_does_not_end_costs_nobody_else(
    cohort: Cohort, classroom: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    act, says = ENDINGS[name]
    raise_inside(monkeypatch, act)
    monkeypatch.setattr(isolation, "SECONDS", 1.0)
    monkeypatch.setattr(status, "TOGETHER_SECONDS", 1.0)
    monkeypatch.setattr(pool, "GRACE", 1.0)
    monkeypatch.setattr(create_command, "ONLINE", 0.0)
    started = time.monotonic()
    for command, words in COMMANDS.items():
        said = cohort(classroom, *words)
        check(said, command, must_fail=True, others={*DONE, "no update"})
        assert says in said.projects["eve"]["message"]
    assert time.monotonic() - started < 150


def test_a_process_that_can_not_begin_is_one_sentence(
    cohort: Cohort, classroom: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device", "/cache")

    monkeypatch.setattr(work.Workbench, "__init__", fail)
    said = cohort(classroom, "plan")
    assert said.code == 3 and said.err == "cohort: No space left on device: /cache\n"


def test_the_time_is_up_for_whoever_catches_everything() -> None:
    with pytest.raises(OutOfTimeError, match=r"0\.2 seconds"), at_most(0.2):
        hopeful()


def test_what_a_killed_answer_leaves_is_not_taken_for_another(
    cohort: Cohort, classroom: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Eve's time ends while git answers; the same git is asked for Zoe."""
    from cohort.git.objects import Packed

    for name in NAMES:
        git(classroom / "students" / name, "gc", "--quiet")
    asked, take = Marks(tmp_path / "asked"), Packed.take

    def interrupted(packed: Packed, size: int) -> bytes:
        asked.add("once")
        if len(asked.all()) == 2:
            raise OSError("cut")
        return take(packed, size)

    monkeypatch.setattr(Packed, "take", interrupted)
    said = cohort(classroom, "status", "--json")
    assert said.code == 0 and {one["release"] for one in said.projects.values()} == {"v1.0.0"}


# ---- What takes too much, without being wrong ---------------------------------------------------------


def test_a_sparse_index_is_not_copied(cohort: Cohort, classroom: Path) -> None:
    index = classroom / EVE / ".git" / "index"
    with index.open("r+b") as file:
        file.truncate(2 << 30)
    said = cohort(classroom, "status", "--dirty", "--json")
    check(said, "status", must_fail=True)
    assert "allowed: 67,108,864" in said.projects["eve"]["message"]


def test_a_pipe_among_packs_keeps_nobody_waiting(
    cohort: Cohort, small: Path, tmp_path: Path
) -> None:
    """One git reads the packs of several: its time does not count for each of them."""
    names = [f"s{number}" for number in range(6)]
    folder = make_projects(tmp_path / "class", small, names)
    for name in names:
        git(folder / "students" / name, "gc", "--quiet")
    os.mkfifo(folder / "students/s0/.git/objects/pack" / f"pack-{'0' * 40}.idx")
    started = time.monotonic()
    said = cohort(folder, "status", "--json")
    assert time.monotonic() - started < 40
    assert {name: one["state"] for name, one in said.projects.items()} == {
        name: "refused" if name == "s0" else "known" for name in names
    }


def test_a_git_that_hangs_for_all_is_waited_for_once(
    cohort: Cohort, classroom: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from cohort.git.objects import Packed

    for name in NAMES:
        git(classroom / "students" / name, "gc", "--quiet")
    waited, ask = Marks(tmp_path / "waited"), Packed.ask

    def hang(packed: Packed, question: str) -> Any:
        if len(packed._stores) > 1:
            waited.add("once")
            time.sleep(30)
        return ask(packed, question)

    monkeypatch.setattr(Packed, "ask", hang)
    monkeypatch.setattr(status, "TOGETHER_SECONDS", 1.0)
    assert cohort(classroom, "status").code == 0
    assert waited.all() == ["once"]


WORDS = (
    *(
        "\n",
        " ",
        "\t",
        "- ",
        "- [",
        "- [ ] ",
        "-\n",
        "\n \n",
        "By ",
        "By a, the network is ",
        ". On 1",
    ),
    *(
        "By a, the network is . On 1,",
        "---\n",
        "---\r\n",
        "---",
        "a: ",
        "[More Information",
        "** By x",
    ),
)


@pytest.mark.parametrize("word", WORDS)
def test_no_document_is_costly_to_read(word: str) -> None:
    """A quarter of a megabyte of one word, alone and after what an expression begins with."""
    for begin in ("", "---\n", "By a, the network is ", "- [x"):
        text = (begin + word * report.LARGEST)[: report.LARGEST]
        started = time.process_time()
        for expression in (report.BOX, report.AGAINST, report.FRONT):
            list(expression.finditer(text))
        report._scores(text)
        assert time.process_time() - started < 5


@pytest.mark.parametrize("command", ["plan", "verify", "audit", "report", "status"])
def test_it_is_the_same_where_no_process_forks(
    cohort: Cohort, classroom: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """As on Windows and macOS: what is to be done is sent to a process that knows nothing yet."""
    (classroom / EVE / ".git" / "HEAD").unlink()
    monkeypatch.setattr(pool, "FORKS", False)
    monkeypatch.setattr(pool, "CONTEXT", multiprocessing.get_context("spawn"))
    check(cohort(classroom, *COMMANDS[command]), command, command != "verify", {*DONE, "no update"})


# ---- cohort itself ------------------------------------------------------------------------------------


def test_a_fault_of_cohorts_is_one_sentence_and_a_file(
    cohort: Cohort, classroom: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise KeyError("x\x1b")

    monkeypatch.setattr("cohort.commands.plan.session", fail)
    said = cohort(classroom, "plan")
    log = classroom / ".cohort" / "errors.log"
    assert said.code == 3 and len(said.err.splitlines()) == 1
    assert "KeyError" in said.err and str(log) in said.err and "\x1b" not in said.err
    assert "in fail" in log.read_text()


def test_a_fault_before_any_class_is_kept_too(tmp_path: Path) -> None:
    code = (
        "import sys, cohort.commands.status as status\n"
        "def fail(*_): raise KeyError('x')\n"
        "status.load = fail\nsys.argv = ['cohort', 'status']\n"
        "from cohort.cli import main\nmain()"
    )
    done = run(sys.executable, "-c", code, cwd=ROOT, TMPDIR=str(tmp_path))
    (log,) = tmp_path.glob("cohort-*.log")
    assert done.returncode == 3 and str(log) in done.stderr and "Traceback" in log.read_text()
    assert len(done.stderr.splitlines()) == 1


def test_the_log_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cohort import faults

    monkeypatch.setattr(faults, "_log", tmp_path / "errors.log")
    monkeypatch.setattr(faults, "LARGEST_LOG", 5_000)
    for number in range(200):
        faults.sentence(KeyError(number), "test")
    assert (tmp_path / "errors.log").stat().st_size < 7_000
    monkeypatch.setattr(faults, "_log", tmp_path / "errors.log" / "below")
    assert "could not be saved" in faults.sentence(KeyError("x"), "test")


def test_a_stopped_command_leaves_no_process(classroom: Path) -> None:
    """Ctrl-C: one sentence, and every process is gone."""
    code = (
        "import os, signal, sys, time\nfrom cohort.projects import workbench\n"
        # A shell that starts tests in the background lets them ignore Ctrl-C.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def slow(*_):\n    os.kill(os.getppid(), signal.SIGINT); time.sleep(60)\n"
        "workbench.Workbench.do = slow\n"
        f"sys.argv = ['cohort', 'plan', '--class', {str(classroom)!r}]\n"
        "from cohort.cli import main\nmain()"
    )
    started = time.monotonic()
    done = run(sys.executable, "-c", code, cwd=ROOT)
    assert done.returncode == 3 and time.monotonic() - started < 30
    assert done.stderr == "cohort: stopped. `cohort update --resume` continues an update.\n"
    assert must_run("ps", "-eo", "args", cwd=ROOT).count(str(classroom)) == 0


def test_the_class_is_shown_in_its_order(cohort: Cohort, small: Path, tmp_path: Path) -> None:
    """Processes end when they like; the rows stay where they are in the roster."""
    names = [f"s{number}" for number in (3, 1, 2, 0)]
    folder = make_class(tmp_path / "class", small, names)
    for words in COMMANDS.values():
        said = cohort(folder, *words, "--jobs", "3")
        assert list(said.projects) == names
