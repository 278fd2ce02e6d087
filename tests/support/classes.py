"""What the tests of cohort share: a small template with releases, classes of it, and students' edits."""

import json
import os
import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.helpers import ROOT, must_run

ENGINE = "".join(f"line {number} of the engine\n" for number in range(1, 31))
OLD = "".join(f"tool {number}\n" for number in range(1, 21))
GONE = "".join(f"gone {number}\n" for number in range(1, 11))
CONFIG = """\
[project]
name = "{{ package_name }}"
dependencies = [
    "torch~=2.0",
    "rich~=15.0",

    # Yours below.
]
[tool]
title = "{{ title }}"
"""
COPIER = """\
_subdirectory: template
title: {type: str, default: My work}
package_name:
  type: str
  default: "{{ title | lower | replace(' ', '_') }}"
  validator: "{% if package_name in ('..', '.git') or '/' in package_name %}no{% endif %}"
colour: {type: str, default: red, choices: [red, green]}
_skip_if_exists: ["/README.md", "/src/{{ package_name }}"]
_exclude: ["{% if _copier_operation == 'update' %}/data{% endif %}"]
"""
FILES = {
    "copier.yml": COPIER,
    "template/.copier-answers.yml.jinja": "# Never by hand.\n{{ _copier_answers | to_nice_yaml -}}\n",
    "template/README.md.jinja": "# {{ title }}\n",
    "template/engine.py": ENGINE,
    "template/config.toml.jinja": CONFIG,
    "template/tools/old.py": OLD,
    "template/docs/gone.md": GONE,
    "template/data/table.csv": "a,b\n1,2\n",
    "template/src/{{ package_name }}/features.py.jinja": "# {{ title }} in {{ colour }}\n",
    "template/ci.yml": "jobs:\n  test: pytest\n",
}
SECOND: dict[str, str | None] = {
    "template/engine.py": ENGINE.replace("line 5 ", "line five ").replace("line 25 ", "line 25b "),
    "template/config.toml.jinja": CONFIG.replace("rich~=15.0", "rich~=16.0"),
    "template/tools/old.py": None,
    "template/tools/new.py": OLD.replace("tool 20", "tool twenty"),
    "template/docs/gone.md": None,
    "template/docs/new.md.jinja": "New for {{ title }}\n",
    "template/README.md.jinja": "# {{ title }}\n\nNews.\n",
    "template/data/table.csv": "a,b\n1,2\n3,4\n",
    "template/src/{{ package_name }}/extra.py": "# New for the student.\n",
    "template/.editorconfig": "root = true\n",
}


def git(folder: Path, *arguments: str, **env: str) -> str:
    return must_run("git", *arguments, cwd=folder, **env).strip()


def write(folder: Path, files: dict[str, Any]) -> None:
    for name, text in files.items():
        path = folder / name
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())


def commit_all(folder: Path, message: str, tag: str = "") -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    if tag:
        git(folder, "tag", tag)


def small_template(folder: Path) -> Path:
    """A template with the releases v1.0.0 and v2.0.0."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet")
    write(folder, FILES)
    commit_all(folder, "First", "v1.0.0")
    write(folder, SECOND)
    commit_all(folder, "Second", "v2.0.0")
    return folder


def make_class(folder: Path, template: Path, students: list[str], **more: str) -> Path:
    """A class.toml and a roster."""
    releases = git(template, "tag").split()
    settings = [
        f"[template]\nurl = {json.dumps(str(template))}\nreleases = {json.dumps(releases)}\n"
    ]
    settings += [f"[{section}]\n{text}\n" for section, text in more.items()]
    write(folder, {"class.toml": "".join(settings)})
    titles = [f"{name},Work of {name}\n" for name in students]
    write(folder, {"class.csv": "student,title\n" + "".join(titles)})
    return folder


def make_projects(folder: Path, template: Path, students: list[str]) -> Path:
    """A class whose projects are there, of the first release."""
    make_class(folder, template, students)
    create = ("create", "--to", "v1.0.0", "--class", folder)
    must_run(sys.executable, "-m", "cohort", *create, cwd=ROOT)
    return folder


def made_once(kept: Path, folders: list[Path], make: Callable[[], None]) -> None:
    """Fill folders, each time the same: copied from where they are kept, if they have been made before."""
    if kept.exists():
        for number, folder in enumerate(folders):
            shutil.copytree(kept / str(number), folder, symlinks=True, dirs_exist_ok=True)
        return
    make()
    for number, folder in enumerate(folders):
        shutil.copytree(folder, kept / str(number), symlinks=True)


def create_on_servers(cohort: "Cohort", folder: Path, names: list[str], kept: Path) -> Path:
    """Create a class whose repositories lie on a server, which is a folder beside it here; or copy it from `kept`."""
    server = folder.parent / "server"

    def create() -> None:
        for name in names:
            bare = ("init", "--quiet", "--bare", "--initial-branch=main")
            git(folder.parent, *bare, str(server / f"{name}.git"))
        said = cohort(folder, "create", "--to", "v1.0.0")
        assert said.code == 0, said.out

    made_once(kept, [server, folder / ".cohort"], create)
    return folder


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def projects(self) -> dict[str, dict[str, Any]]:
        return {one["student"]: one for one in json.loads(self.out)["projects"]}


Cohort = Callable[..., Said]


@dataclass(frozen=True)
class Marks:
    """What several processes left, in the order in which they did: a line each."""

    path: Path

    def add(self, line: str) -> None:
        with self.path.open("a") as file:
            file.write(f"{line}\n")

    def all(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []


def snapshot(project: Path) -> dict[str, bytes]:
    """Every file of a project, .git included: only the update branch and its objects may be new."""
    return {
        path.relative_to(project).as_posix(): path.read_bytes()
        for path in sorted(project.rglob("*"))
        if path.is_file() and "/objects/" not in path.as_posix()
    }


def tree(project: Path, revision: str) -> dict[str, str]:
    """The files of a commit: path to mode and name."""
    lines = git(project, "ls-tree", "-r", "-z", revision).split("\0")
    return {line.partition("\t")[2]: line.partition("\t")[0] for line in lines if line}


# ---- What students do. Each takes a project and a source of chance. ---------------------------------


def _insert(path: Path, chance: random.Random, line: str, avoid: tuple[int, ...] = ()) -> None:
    if not path.exists():
        return
    lines = path.read_text().splitlines(keepends=True)
    places = [at for at in range(len(lines) + 1) if at not in avoid]
    lines.insert(chance.choice(places), line)
    path.write_text("".join(lines))


def package(project: Path) -> Path:
    return next((project / "src").iterdir())


def edit_features(project: Path, chance: random.Random) -> None:
    _insert(package(project) / "features.py", chance, f"idea = {chance.random()}\n")


def edit_readme(project: Path, chance: random.Random) -> None:
    _insert(project / "README.md", chance, f"My words {chance.random()}\n")


def add_module(project: Path, chance: random.Random) -> None:
    write(project, {f"src/mine_{chance.randrange(99)}.py": f"x = {chance.random()}\n"})


def add_dependency(project: Path, chance: random.Random) -> None:
    path = project / "config.toml"
    text = path.read_text()
    path.write_text(
        text.replace("    # Yours below.\n", '    # Yours below.\n    "seaborn~=0.13",\n')
    )


def add_job(project: Path, chance: random.Random) -> None:
    path = project / "ci.yml"
    path.write_text(path.read_text() + f"  job{chance.randrange(99)}: echo\n")


def edit_engine(project: Path, chance: random.Random) -> None:
    """Away from what the second release changes: lines 5 and 25."""
    _insert(project / "engine.py", chance, "my line\n", tuple(range(1, 9)) + tuple(range(21, 29)))


def delete_table(project: Path, chance: random.Random) -> None:
    (project / "data" / "table.csv").unlink(missing_ok=True)


def delete_ci(project: Path, chance: random.Random) -> None:
    (project / "ci.yml").unlink(missing_ok=True)


EDITS = (
    *(edit_features, edit_readme, add_module, add_dependency, edit_engine),
    *(delete_table, add_job, delete_ci),
)


def student_at_work(project: Path, chance: random.Random, edits: int = 3) -> None:
    """Some edits, then a commit."""
    for edit in chance.sample(EDITS, edits):
        if edit is add_job and not (project / "ci.yml").exists():
            continue
        edit(project, chance)
    commit_all(project, "My work")


def move_into(project: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(project, target, symlinks=True))


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and change time of every file below a folder."""
    found = {}
    for at, _, names in os.walk(folder):
        for name in names:
            about = os.lstat(os.path.join(at, name))
            found[os.path.join(at, name)] = (about.st_size, about.st_mtime_ns)
    return found
