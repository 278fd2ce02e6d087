"""Reading students' repositories without a git for each: none can lie, for itself or for another."""

import hashlib
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cohort.classroom.config import load
from cohort.errors import CohortError, RefusedError
from cohort.git.objects import LARGEST_LOOSE, Objects, Packed, open_loose, reading
from cohort.git.process import make_bare, prepare
from cohort.git.references import read_branch
from cohort.projects import status
from tests.support.classes import (
    Cohort,
    Marks,
    commit_all,
    git,
    make_class,
    make_projects,
    move_into,
    write,
)
from tests.support.helpers import must_run, run

ADA, EVE = "students/ada", "students/eve"
ANSWERS = ".copier-answers.yml"
LINKS = pytest.mark.skipif(os.name == "nt", reason="needs links and pipes")


@pytest.fixture(scope="module")
def honest(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_projects(tmp_path_factory.mktemp("reading") / "class", small, ["ada", "eve"])


@pytest.fixture
def classroom(honest: Path, tmp_path: Path) -> Path:
    """Ada is honest; Eve is not."""
    return move_into(honest, tmp_path / "class")


def objects(project: Path) -> Path:
    return project / ".git" / "objects"


def loose(project: Path, name: str) -> Path:
    return objects(project) / name[:2] / name[2:]


def put(project: Path, name: str, packed: bytes) -> None:
    path = loose(project, name)
    path.unlink(missing_ok=True)
    write(path.parent, {path.name: packed})


def whole(kind: str, content: bytes) -> bytes:
    return f"{kind} {len(content)}\0".encode() + content


def pack_everything(project: Path) -> None:
    git(project, "gc", "--quiet")
    assert not list(objects(project).glob("??/*"))


def plant_pack(project: Path, name: str, content: bytes) -> None:
    """A pack that holds this content, with an index that calls it by another's name."""
    made = make_bare(project.parent.parent / "made.git")
    (made / "content").write_bytes(content)
    real = git(made, "hash-object", "-w", "content")
    stem = must_run("bash", "-c", f"echo {real} | git pack-objects --quiet pack", cwd=made).strip()
    index = bytearray((made / f"pack-{stem}.idx").read_bytes())
    counts = [int(value >= int(name[:2], 16)) for value in range(256)]
    index[8:1032] = struct.pack(">256I", *counts)
    index[1032:1052] = bytes.fromhex(name)
    packs = objects(project) / "pack"
    write(packs, {f"pack-{stem}.pack": (made / f"pack-{stem}.pack").read_bytes()})
    write(packs, {f"pack-{stem}.idx": bytes(index)})


# ---- One student against another --------------------------------------------------------------------


def forged(classroom: Path) -> bytes:
    text = (classroom / ADA / ANSWERS).read_text()
    return text.replace("v1.0.0", "v2.0.0").encode()


def test_a_pack_of_eves_can_not_speak_for_ada(cohort: Cohort, classroom: Path) -> None:
    name = git(classroom / ADA, "rev-parse", f"HEAD:{ANSWERS}")
    for project in (ADA, EVE):
        pack_everything(classroom / project)
    plant_pack(classroom / EVE, name, forged(classroom))
    # The attack works on a git that reads both: it takes the newest pack first.
    class_ = load(classroom)
    prepare(class_.home)
    stores = [objects(classroom / project) for project in (ADA, EVE)]
    packed = Packed(class_.home, make_bare(class_.cache / "reading"), stores, 10)
    try:
        with pytest.raises(RefusedError, match="not match its hash"):
            Objects(stores[:1], packed).read(name, "blob", 1 << 16)
    finally:
        packed.close()
    said = cohort(classroom, "status", "--json")
    assert said.code == 0
    assert [one["release"] for one in said.projects.values()] == ["v1.0.0", "v1.0.0"]


def test_eve_can_not_lend_ada_a_wrong_object(cohort: Cohort, classroom: Path) -> None:
    name = git(classroom / ADA, "rev-parse", f"HEAD:{ANSWERS}")
    loose(classroom / ADA, name).unlink()
    put(classroom / EVE, name, zlib.compress(whole("blob", forged(classroom))))
    said = cohort(classroom, "status", "--json").projects
    assert said["ada"]["state"] == "error" and "lacks the blob" in said["ada"]["message"]
    assert said["eve"]["state"] == "known"


def test_a_git_that_one_student_ends_serves_the_others(
    cohort: Cohort, classroom: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever Eve's packs do to the git that reads several: each is then read alone."""
    for project in (ADA, EVE):
        pack_everything(classroom / project)
    asked = Marks(tmp_path / "asked")
    ask = Packed.ask

    def die(packed: Packed, question: str) -> Any:
        asked.add(str(len(packed._stores)))
        if len(packed._stores) > 1:
            assert ask(packed, question)
            assert packed._process is not None
            packed._process.kill()
            packed._process.wait()
        return ask(packed, question)

    monkeypatch.setattr(Packed, "ask", die)
    said = cohort(classroom, "status", "--json")
    assert said.code == 0 and {"1", "2"} == set(asked.all())
    assert {one["release"] for one in said.projects.values()} == {"v1.0.0"}


def test_many_packed_projects_take_one_git(
    cohort: Cohort, classroom: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started = Marks(tmp_path / "started")
    start = Packed._start

    def count(packed: Packed) -> Any:
        started.add("once")
        return start(packed)

    monkeypatch.setattr(Packed, "_start", count)
    assert cohort(classroom, "status").code == 0
    assert started.all() == [], "what is not packed needs no git at all"
    for project in (ADA, EVE):
        pack_everything(classroom / project)
    assert cohort(classroom, "status").code == 0
    assert started.all() == ["once"]


# ---- One student's own repository -------------------------------------------------------------------


def head_object(project: Path) -> str:
    return git(project, "rev-parse", "HEAD")


def pipe(project: Path) -> None:
    path = loose(project, head_object(project))
    path.unlink()
    os.mkfifo(path)


def link(project: Path) -> None:
    path = loose(project, head_object(project))
    path.rename(project / "moved")
    path.symlink_to(project / "moved")


def linked_folder(project: Path) -> None:
    folder = loose(project, head_object(project)).parent
    folder.rename(project / "moved")
    folder.symlink_to(project / "moved")


def bomb(project: Path) -> None:
    """The head says ten bytes; a quarter of a gigabyte follows."""
    packing = zlib.compressobj(9)
    parts = [packing.compress(b"commit 10\0")]
    parts += [packing.compress(bytes(1 << 20)) for _ in range(256)]
    put(project, head_object(project), b"".join([*parts, packing.flush()]))


def large_head(project: Path) -> None:
    """The head says a terabyte."""
    put(project, head_object(project), zlib.compress(b"commit 999999999999\0tree "))


def cut(project: Path) -> None:
    path = loose(project, head_object(project))
    put(project, head_object(project), path.read_bytes()[:-20])


def path_as_tree(project: Path) -> None:
    """A commit whose tree is the path of another object."""
    tree = git(project, "rev-parse", "HEAD^{tree}")
    there = os.path.relpath(loose(project, tree), objects(project) / "..")
    content = f"tree ../{there}\nauthor a <a> 0 +0000\ncommitter a <a> 0 +0000\n\nx\n".encode()
    name = hashlib.sha1(whole("commit", content), usedforsecurity=False).hexdigest()
    put(project, name, zlib.compress(whole("commit", content)))
    write(project, {".git/refs/heads/main": f"{name}\n"})


def reftable(project: Path) -> None:
    made = run("git", "init", "--quiet", "--ref-format=reftable", "t", cwd=project.parent)
    if made.returncode:  # a git before 2.45
        (project / ".git" / "reftable").mkdir()
    else:
        (project / ".git").rename(project / "old")
        (project.parent / "t" / ".git").rename(project / ".git")


def sha256(project: Path) -> None:
    (project / ".git").rename(project.parent / "old")
    git(project, "init", "--quiet", "--object-format=sha256", "--initial-branch=main")
    commit_all(project, "Start")


def linked_refs(project: Path) -> None:
    (project / ".git" / "refs").rename(project / "refs")
    (project / ".git" / "refs").symlink_to(project / "refs")


def linked_objects(project: Path) -> None:
    objects(project).rename(project / "objects")
    objects(project).symlink_to(project / "objects")


def git_file(project: Path) -> None:
    (project / ".git").rename(project.parent / "elsewhere.git")
    write(project, {".git": f"gitdir: {project.parent / 'elsewhere.git'}\n"})


def alternates(project: Path) -> None:
    write(project, {".git/objects/info/alternates": f"{project}\n"})


def dangling_alternates(project: Path) -> None:
    (objects(project) / "info" / "alternates").symlink_to(project / "to-be-made-later")


def too_many_references(project: Path) -> None:
    commit = head_object(project)
    line = f"{commit} refs/tags/%07d\n"
    write(project, {".git/packed-refs": "".join(line % at for at in range(300_000))})


HOSTILE: dict[Callable[[Path], None], tuple[str, str]] = {
    pipe: ("refused", "not a plain file"),
    link: ("refused", "not a plain file"),
    linked_folder: ("refused", "symbolic link"),
    bomb: ("refused", "not match its hash"),
    large_head: ("refused", "bytes; allowed"),
    cut: ("refused", "not match its hash"),
    path_as_tree: ("error", "is damaged"),
    reftable: ("error", "reftable"),
    sha256: ("error", "SHA-1"),
    linked_refs: ("refused", "symbolic link"),
    linked_objects: ("refused", "symbolic link"),
    git_file: ("refused", "points to another folder"),
    alternates: ("refused", "borrows objects"),
    dangling_alternates: ("refused", "borrows objects"),
    too_many_references: ("refused", "bytes; allowed"),
}


@LINKS
@pytest.mark.parametrize("harm", HOSTILE, ids=lambda harm: harm.__name__)
def test_status_says_what_is_wrong_with_one_and_reads_the_other(
    cohort: Cohort, classroom: Path, harm: Callable[[Path], None]
) -> None:
    harm(classroom / EVE)
    said = cohort(classroom, "status", "--json").projects
    state, message = HOSTILE[harm]
    assert (said["eve"]["state"], said["ada"]["state"]) == (state, "known")
    assert message in said["eve"]["message"]


# ---- What is honest, and unusual --------------------------------------------------------------------


def test_a_branch_is_found_in_a_large_file_of_references(classroom: Path) -> None:
    project = classroom / ADA
    git(project, "pack-refs", "--all")
    packed = project / ".git" / "packed-refs"
    commit = head_object(project)
    # Names that begin or end as the one that is looked for, and a tag with the line of its commit.
    more = [f"{commit} refs/heads/main2", f"{commit} refs/heads/mai", f"{commit} refs/tags/v1"]
    more += [f"^{'1' * 40}", *(f"{'2' * 40} refs/tags/{at}" for at in range(100_000))]
    write(packed.parent, {packed.name: "\n".join([f"{commit} refs/heads/main", *more, ""])})
    git_folder = project / ".git"
    assert read_branch(git_folder, "main") == commit
    assert read_branch(git_folder, "main2") == commit
    assert read_branch(git_folder, "ain") is None and read_branch(git_folder, "none") is None
    assert git(project, "rev-parse", "main2") == commit, "git reads the file so too"


def test_what_is_loose_reads_as_git_does(classroom: Path, tmp_path: Path) -> None:
    """Small and large, empty, not compressible; packed as well: each byte by byte."""
    project = classroom / ADA
    contents = [b"", b"x", bytes(5000), b"line\n" * 300_000, os.urandom(LARGEST_LOOSE + 9)]
    names = []
    for content in contents:
        write(project, {"file": content})
        names.append(git(project, "hash-object", "-w", "file"))
    assert open_loose(str(objects(project)), names[-1]) is None, "git reads the largest"
    class_ = load(classroom)
    prepare(class_.home)
    scratch = make_bare(tmp_path / "scratch")
    with reading(class_.home, scratch, objects(project)) as found:
        for name, content in zip(names, contents, strict=True):
            assert found.read(name, "blob", 8 << 20) == content
            assert found.size(name) == len(content)
        with pytest.raises(RefusedError, match="allowed: 4,999"):
            found.read(names[2], "blob", 4999)
        with pytest.raises(CohortError, match="lacks the tree"):
            found.read(names[2], "tree", 8 << 20)
        with pytest.raises(CohortError, match="lacks the blob"):
            found.read("1" * 40, "blob", 8 << 20)


def test_damage_to_a_loose_object_is_healed_by_its_pack(cohort: Cohort, classroom: Path) -> None:
    project = classroom / ADA
    name = head_object(project)
    kept = loose(project, name).read_bytes()
    pack_everything(project)
    put(project, name, kept[:-8] + bytes(8))
    assert cohort(classroom, "status", "--json").projects["ada"]["state"] == "known"


def test_a_class_is_read_in_its_order(cohort: Cohort, small: Path, tmp_path: Path) -> None:
    """In parts, at once: more students than one part has."""
    names = [f"s{number}" for number in range(2 * status.TOGETHER + 3)]
    folder = make_class(tmp_path / "class", small, names)
    assert cohort(folder, "create", "--to", "v1.0.0", "--bare").code == 0
    said = cohort(folder, "status", "--json")
    assert list(said.projects) == names
    assert {one["release"] for one in said.projects.values()} == {"v1.0.0"}
