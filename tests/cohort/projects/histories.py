"""Random histories: what a template's second release and a student made of the same files, each on its own.

A seed gives the same history again. Every line that a side writes has a mark of its own, so that it can be found.
"""

import random
import subprocess
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cohort.git.process import make_bare
from cohort.git.writing import File, write_commit, write_files

PLAIN, EXECUTABLE = "100644", "100755"
OWNED = ("README.md", "mine/")  # the student's own, as `_skip_if_exists` says
ANSWERS = ".copier-answers.yml"
COPIER = """\
_subdirectory: template
title: {type: str, default: My work}
_skip_if_exists: ["/README.md", "/mine"]
"""
TEMPLATE_ANSWERS = "# Never by hand.\n{{ _copier_answers | to_nice_yaml -}}\n"
FOLDERS = ("", "tools", "docs", "engine", "engine/core", "na\u00efve", "Docs")
NAMES = ("new.py", "New.py", "caf\u00e9.txt", "cafe\u0301.txt", "read me.md", 'a"quote.py', "docs")
LATIN_1 = b"caf\xe9.py".decode("utf-8", "surrogateescape")
OWN = b"# A file of the student's own"
Files = dict[str, File]


def owned(path: str) -> bool:
    return path == "README.md" or path.startswith("mine/")


def is_binary(content: bytes) -> bool:
    return b"\0" in content


@dataclass
class Side:
    """One side at work on its files: each edit takes chance from the seed and says what it did."""

    name: str  # begins every mark
    chance: random.Random
    files: Files
    log: list[str] = field(default_factory=list)
    marks: int = 0

    def mark(self) -> bytes:
        self.marks += 1
        return f"{self.name}-{self.marks}.".encode()

    def choose(self) -> str:
        """A path; some are chosen more often, so that the sides meet."""
        paths = sorted(self.files)
        hot = [path for path in paths if path.startswith(("tools/", "engine/"))]
        return self.chance.choice(hot if hot and self.chance.random() < 0.6 else paths)

    def fits(self, path: str) -> bool:
        """Can this be a new file: no file of that name, above it or below it?"""
        parts = path.split("/")
        above = {"/".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
        below = any(other.startswith(f"{path}/") for other in self.files)
        return not below and not above & self.files.keys()

    def content(self, path: str, content: bytes) -> None:
        self.files[path] = File(self.files[path].mode, content)

    def lines(self, path: str) -> list[bytes]:
        return self.files[path].content.split(b"\n")


def edit_line(side: Side) -> str:
    path = side.choose()
    lines = side.lines(path)
    if is_binary(side.files[path].content) or len(lines) < 2:
        side.content(path, side.files[path].content + side.mark() + b"\n")
        return f"add to {path}"
    at = side.chance.choice([4, 5, side.chance.randrange(len(lines) - 1)]) % (len(lines) - 1)
    end = b"\r" * lines[at].endswith(b"\r")
    lines[at] = b"line %d, %s" % (at, side.mark()) + end
    side.content(path, b"\n".join(lines))
    return f"edit line {at} of {path}"


def insert_line(side: Side) -> str:
    path = side.choose()
    lines = side.lines(path)
    at = side.chance.randrange(len(lines))
    end = b"\r" * lines[at].endswith(b"\r")
    lines.insert(at, b"inserted, " + side.mark() + end)
    side.content(path, b"\n".join(lines))
    return f"insert line {at} of {path}"


def append_lines(side: Side) -> str:
    path = side.choose()
    end = side.chance.choice([b"\n", b"\n", b"\r\n", b""])
    many = b"".join(b"appended, " + side.mark() + b"\n" for _ in range(side.chance.randrange(3)))
    side.content(path, side.files[path].content + many + b"last, " + side.mark() + end)
    return f"append to {path}, ending {end!r}"


def delete_lines(side: Side) -> str:
    path = side.choose()
    lines = side.lines(path)
    at = side.chance.randrange(len(lines))
    del lines[at : at + side.chance.randrange(1, 6)]
    side.content(path, b"\n".join(lines))
    return f"delete lines from {at} of {path}"


def delete_file(side: Side) -> str:
    path = side.choose()
    del side.files[path]
    return f"delete {path}"


def new_path(side: Side) -> str:
    folder = side.chance.choice(FOLDERS)
    name = side.chance.choice((*NAMES, *([LATIN_1] if side.name.startswith("student") else [])))
    return f"{folder}/{name}" if folder else name


def add_file(side: Side) -> str:
    path = new_path(side)
    if not side.fits(path):
        return ""
    begin = OWN if side.name.startswith("student") else b"# A new file"
    count = side.chance.randrange(0, 8)
    text = b"".join(
        b"x = %d, " % side.chance.random().as_integer_ratio()[0] + side.mark() + b"\n"
        for _ in range(count)
    )
    side.files[path] = File(PLAIN, begin + b", " + side.mark() + b"\n" + text)
    return f"add {path}"


def rename(side: Side) -> str:
    path = side.choose()
    folder, _, name = path.rpartition("/")
    at = f"{folder}/" if folder else ""
    target = side.chance.choice(
        [
            *(new_path(side), new_path(side), f"{at}moved_{name}", f"{at}{name.swapcase()}"),
            *(f"{at}{unicodedata.normalize('NFD', name)}", f"{path}/core.py", f"mine/{name}"),
            f"{at}{side.chance.choice(NAMES)}",
        ]
    )
    file = side.files.pop(path)
    if not side.fits(target):
        side.files[path] = file
        return ""
    side.files[target] = file
    return f"rename {path} to {target}"


def move_folder(side: Side) -> str:
    folder = side.chance.choice(["tools", "engine", "docs"])
    target = side.chance.choice(["kit", "machine", "docs/kit", "Tools"])
    inside = [path for path in side.files if path.startswith(f"{folder}/")]
    if not inside or not side.fits(target):
        return ""
    for path in inside:
        side.files[target + path.removeprefix(folder)] = side.files.pop(path)
    return f"move the folder {folder} to {target}"


def folder_to_file(side: Side) -> str:
    folder = side.chance.choice(["tools", "docs", "engine/core"])
    inside = [path for path in side.files if path.startswith(f"{folder}/")]
    for path in inside:
        del side.files[path]
    if not side.fits(folder):
        return f"delete all of {folder}"
    begin = OWN if side.name.startswith("student") else b"# A new file"
    side.files[folder] = File(PLAIN, begin + b", " + side.mark() + b"\n")
    return f"make the folder {folder} a file"


def file_to_folder(side: Side) -> str:
    path = side.choose()
    del side.files[path]
    begin = OWN if side.name.startswith("student") else b"# A new file"
    side.files[f"{path}/inner.py"] = File(PLAIN, begin + b", " + side.mark() + b"\n")
    return f"make {path} a folder"


def to_windows(side: Side) -> str:
    path = side.choose()
    plain = side.files[path].content.replace(b"\r\n", b"\n")
    if is_binary(plain):
        return ""
    side.content(path, plain.replace(b"\n", b"\r\n"))
    return f"CRLF in {path}"


def mix_line_ends(side: Side) -> str:
    path = side.choose()
    lines = side.lines(path)
    if is_binary(side.files[path].content):
        return ""
    lines[:-1] = [
        line + b"\r" if not line.endswith(b"\r") and side.chance.random() < 0.3 else line
        for line in lines[:-1]
    ]
    side.content(path, b"\n".join(lines))
    return f"some CRLF in {path}"


def change_mode(side: Side) -> str:
    path = side.choose()
    file = side.files[path]
    side.files[path] = File(EXECUTABLE if file.mode == PLAIN else PLAIN, file.content)
    return f"mode of {path}"


def cut_last_line_end(side: Side) -> str:
    path = side.choose()
    side.content(path, side.files[path].content.removesuffix(b"\n"))
    return f"no line end at the end of {path}"


def empty(side: Side) -> str:
    path = side.choose()
    side.content(path, b"")
    return f"empty {path}"


def change_binary(side: Side) -> str:
    path = side.chance.choice([path for path in side.files if path.endswith(".bin")] or ["x"])
    if path not in side.files:
        return ""
    side.content(
        path, side.files[path].content + bytes([0, side.chance.randrange(256)]) + side.mark()
    )
    return f"bytes of {path}"


EDITS: dict[Callable[[Side], str], int] = {
    edit_line: 8,
    insert_line: 4,
    append_lines: 4,
    delete_lines: 2,
    delete_file: 3,
    add_file: 4,
    rename: 8,
    move_folder: 3,
    folder_to_file: 1,
    file_to_folder: 1,
    to_windows: 3,
    mix_line_ends: 1,
    change_mode: 2,
    cut_last_line_end: 1,
    empty: 1,
    change_binary: 1,
}


def work(name: str, seed: str, files: Files, most: int = 9) -> Side:
    """A side's history: some edits of these files."""
    side = Side(name, random.Random(f"{name} {seed}"), dict(files))
    for edit in side.chance.choices(
        list(EDITS), list(EDITS.values()), k=side.chance.randint(1, most)
    ):
        if side.files:
            side.log.append(edit(side))
    return side


def first_release(seed: str) -> Files:
    """The files before both sides."""
    chance = random.Random(f"base {seed}")
    paths = [
        "README.md",
        "mine/own.py",
        "setup.py",
        "tools/a.py",
        "tools/b.py",
        "tools/caf\u00e9.py",
    ]
    paths += [
        "engine/a.py",
        "engine/core/c.py",
        "engine/core/d.py",
        "docs/guide.md",
        "docs/na\u00efve.md",
    ]
    files = {
        path: File(
            chance.choice([PLAIN, PLAIN, EXECUTABLE]),
            b"".join(
                b"line %d of %s, %06x\n" % (line, path.encode(), chance.getrandbits(24))
                for line in range(chance.choice([3, 12, 30]))
            ),
        )
        for path in paths
    }
    files["engine/__init__.py"] = files["tools/__init__.py"] = File(PLAIN, b"")
    files["tools/same.py"] = files["engine/same.py"] = File(PLAIN, b"the same\nin two\nplaces\n")
    files["engine/table.bin"] = File(PLAIN, bytes(range(256)) * 4)
    if chance.random() < 0.3:
        path = chance.choice(["tools/a.py", "engine/core/c.py"])
        files[path] = File(PLAIN, files[path].content.replace(b"\n", b"\r\n"))
    return files


def write_repository(folder: Path, commits: dict[str, Files]) -> None:
    """A bare repository of such commits, each with a reference and on top of the one before."""
    make_bare(folder)
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    parents: tuple[str, ...] = ()
    for reference, files in commits.items():
        commit = write_commit(folder, write_files(folder, files.items()), *parents)
        path = folder / reference
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{commit}\n")
        parents = (commit,)


def write_template(folder: Path, first: Files, second: Files) -> None:
    """A template that renders exactly these files, in two releases."""
    shared = {
        "copier.yml": File(PLAIN, COPIER.encode()),
        f"template/{ANSWERS}.jinja": File(PLAIN, TEMPLATE_ANSWERS.encode()),
    }
    releases = {"v1.0.0": first, "v2.0.0": second}
    commits = {
        f"refs/tags/{name}": {f"template/{path}": file for path, file in files.items()} | shared
        for name, files in releases.items()
    }
    write_repository(folder, commits)


def write_project(folder: Path, template: Path, files: Files) -> None:
    """A student's repository, made from the first release."""
    answers = f"_commit: v1.0.0\n_src_path: {template}\ntitle: Mine\n"
    write_repository(folder, {"refs/heads/main": files | {ANSWERS: File(PLAIN, answers.encode())}})


def read_files(repository: Path, revision: str) -> Files:
    """The files of a commit, but for the answers file, as git itself tells them."""

    def run(*words: str, stdin: bytes = b"") -> bytes:
        return subprocess.run(
            ["git", *words], cwd=repository, input=stdin, capture_output=True, check=True
        ).stdout

    entries = []
    for entry in (
        run("ls-tree", "-r", "-z", revision).decode("utf-8", "surrogateescape").split("\0")
    ):
        about, _, path = entry.partition("\t")
        if path and path != ANSWERS:
            mode, _, name = about.split()
            entries.append((path, mode, name))
    told = run("cat-file", "--batch", stdin="".join(f"{name}\n" for _, _, name in entries).encode())
    files: Files = {}
    at = 0
    for path, mode, _ in entries:
        begin = told.index(b"\n", at) + 1
        size = int(told[at:begin].split()[2])
        files[path] = File(mode, told[begin : begin + size])
        at = begin + size + 1
    return files
