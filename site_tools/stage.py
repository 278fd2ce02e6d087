"""Sets the stage for the pictures: a project, a project with a messy table, and a class, all with real runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from site_tools.project import ROOT, copy_template, render

COLUMNS = 92  # of the terminal
GIT = {
    **{f"GIT_{role}_NAME": "Ada Lovelace" for role in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{role}_EMAIL": "ada@example.org" for role in ("AUTHOR", "COMMITTER")},
    "GIT_CONFIG_GLOBAL": os.devnull,
}
OPEN = "[More Information Needed]"
ROSTER = """student,project_name,author_name,problem
ada,House prices,Ada Lovelace,regression
ben,Who leaves?,Ben Okafor,binary
chloe,Who finishes?,Chloe Martin,multiclass
dev,Flats in the centre,Dev Patel,regression
ella,Staying customers,Ella Novak,binary
femi,Prices by district,Femi Ade,regression
grace,Grades in maths,Grace Kim,multiclass
hari,A fair price,Hari Rao,regression
"""


@dataclass(frozen=True)
class Project:
    """A folder in which commands are run."""

    folder: Path

    def run(self, *words: str, fails: bool = False) -> str:
        """What a command of capstone prints; `fails` where it may end with another exit code than 0."""
        command = [sys.executable, "-m", "capstone", *words]
        done = subprocess.run(
            command, cwd=self.folder, env=self._env(), capture_output=True, text=True, check=False
        )
        if done.returncode and not fails:
            raise RuntimeError(f"capstone {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    @contextmanager
    def serve(self) -> Iterator[str]:
        """The address of its service."""
        command = [sys.executable, "-m", "capstone", "serve", "--port", "0"]
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._env(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as service:
            try:
                for line in service.stdout or ():
                    if found := re.search(r"http://127\.0\.0\.1:\d+/", line):
                        yield found[0]
                        break
            finally:
                service.terminate()

    def newest(self) -> Path:
        """The folder of its newest run."""
        runs = self.folder / "runs"
        return runs / (runs / "LATEST").read_text(encoding="utf-8").strip()

    def replace(self, name: str, before: str, after: str, times: int = -1) -> None:
        """Change the text of a file."""
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        if before not in text:
            raise RuntimeError(f"{name} has no {before!r}")
        path.write_text(text.replace(before, after, times), encoding="utf-8")

    def commit(self, message: str, days_ago: int = 0) -> None:
        """All that lies there, into git."""
        when = f"{int(time.time()) - days_ago * 86_400} +0000"
        dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        for words in (["add", "--all"], ["commit", "--quiet", "--message", message]):
            subprocess.run(
                ["git", *words], cwd=self.folder, env={**os.environ, **GIT, **dates}, check=True
            )

    def _env(self) -> dict[str, str]:
        parts = [str(self.folder / "engine"), str(self.folder / "src")]
        own = {"PYTHONPATH": os.pathsep.join(parts), "COLUMNS": str(COLUMNS)}
        return {**os.environ, **GIT, **own}


def houses(folder: Path) -> Project:
    """The project of the tutorial, as `capstone start` leaves it."""
    project = Project(render(folder))
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    project.commit("Start from the template")
    return project


def a_class(folder: Path) -> Path:
    """The page of a class in the middle of a term: `cohort report` wrote it."""
    template = Project(copy_template(folder / "template"))
    subprocess.run(["git", "init", "--quiet"], cwd=template.folder, check=True)
    template.commit("First release")
    _git_tag(template, "v0.1.0")
    _cohort(folder, "init", str(template.folder))
    (folder / "class.csv").write_text(ROSTER, encoding="utf-8")
    _cohort(folder, "create")
    _work(folder)
    news = "template/engine/README.md"
    template.replace(news, "# ", "# New: ", 1)
    template.commit("Second release")
    _git_tag(template, "v0.2.0")
    Project(folder).replace("class.toml", '["v0.1.0"]', '["v0.1.0", "v0.2.0"]')
    _cohort(folder, "report", "--checks", "checks")
    return folder / "class.html"


def _work(folder: Path) -> None:
    """What the students did: three have a model, one of them is nearly done, one changed the engine, one is quiet."""
    students = {path.name: Project(path) for path in (folder / "students").iterdir()}
    (folder / "checks").mkdir()
    for name, answered, days_ago in (("ada", 15, 0), ("ben", 4, 2), ("chloe", 0, 6)):
        project = students[name]
        project.run("run", "--set", "network.members=1")
        project.run("card")
        if answered:
            project.replace("docs/model_card.md", OPEN, "Answered in our own words.", answered)
            project.replace("docs/data_ethics.md", "- [ ]", "- [x]", answered)
        project.commit("Write the model card", days_ago)
        checked = project.run("check", "--json", fails=True)
        (folder / "checks" / f"{name}.json").write_text(checked, encoding="utf-8")
    students["dev"].replace("engine/README.md", "# ", "# My ", 1)
    students["dev"].commit("Try something in the engine", days_ago=1)
    (students["hari"].folder / "notes.md").write_text("An idea.\n", encoding="utf-8")
    students["hari"].commit("Write down an idea", days_ago=20)


def _cohort(folder: Path, *words: str) -> None:
    env = {**os.environ, **GIT, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "cohort", *words]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 2):
        raise RuntimeError(f"cohort {' '.join(words)}: {done.stdout}{done.stderr}")


def _git_tag(template: Project, name: str) -> None:
    subprocess.run(["git", "tag", name], cwd=template.folder, check=True)
