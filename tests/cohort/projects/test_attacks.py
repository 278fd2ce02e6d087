"""Every student's repository is hostile: none of these runs a command of the student's or writes elsewhere."""

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cohort.classroom.outcome import Outcome
from cohort.projects import isolation
from cohort.projects import workbench as work
from cohort.template.answers import normalise
from tests.support.classes import (
    Cohort,
    commit_all,
    git,
    listing,
    make_class,
    make_projects,
    move_into,
    tree,
    write,
)
from tests.support.helpers import must_run

ADA, EVE = "students/ada", "students/eve"
BRANCH = "template/v2.0.0"
ANSWERS = ".copier-answers.yml"
REFUSED, KEPT, HARMLESS = 4, 2, 0


class Trap:
    """A command that leaves a trace when it is run, and a folder in which nothing may change."""

    def __init__(self, folder: Path) -> None:
        self.trace, self.outside = folder / "executed", folder / "outside"
        self.outside.mkdir()
        (self.outside / "precious.txt").write_text("precious\n")
        self.script = folder / "trap.sh"
        self.script.write_text(f'#!/bin/sh\ntouch "{self.trace}"\ncat\n')
        self.script.chmod(0o755)
        self.before = listing(self.outside)

    def check(self) -> None:
        assert not self.trace.exists(), "a command of the student's was run"
        assert listing(self.outside) == self.before, "something was written outside"


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    return Trap(tmp_path)


@pytest.fixture(scope="module")
def honest(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_projects(tmp_path_factory.mktemp("honest") / "class", small, ["ada", "eve"])


@pytest.fixture
def classroom(honest: Path, tmp_path: Path) -> Path:
    """Ada is honest; Eve is not."""
    return move_into(honest, tmp_path / "class")


def answers(project: Path, change: Callable[[str], str | bytes]) -> None:
    write(project, {ANSWERS: change((project / ANSWERS).read_text())})
    commit_all(project, "Answers")


def config(project: Path, trap: Trap) -> None:
    """Every setting that can name a command."""
    for key in (
        *("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "core.askPass"),
        *("core.alternateRefsCommand", "core.gitProxy", "diff.external", "gpg.program"),
        *("filter.evil.smudge", "filter.evil.clean", "filter.evil.process", "merge.evil.driver"),
        *("uploadpack.packObjectsHook", "credential.helper", "diff.evil.textconv"),
        *("alias.cat-file", "alias.fast-import", "alias.status", "gc.recentObjectsHook"),
    ):
        git(
            project,
            "config",
            key,
            f"!{trap.script}" if key.startswith("alias") else str(trap.script),
        )
    git(project, "config", "filter.evil.required", "true")
    git(project, "config", "core.hooksPath", str(trap.script.parent / "hooks"))


def hooks(project: Path, trap: Trap) -> None:
    names = (
        "post-commit",
        "pre-commit",
        "reference-transaction",
        "post-update",
        "pre-push",
        "update",
    )
    more = ("pre-receive", "post-receive", "post-checkout", "fsmonitor-watchman", "pre-auto-gc")
    for folder in (project / ".git" / "hooks", trap.script.parent / "hooks"):
        folder.mkdir(exist_ok=True)
        for name in (*names, *more):
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(trap.script)


def attributes(project: Path, trap: Trap) -> None:
    write(project, {".gitattributes": "* filter=evil merge=evil diff=evil text=auto\n"})
    text = (project / "engine.py").read_text()
    write(project, {"engine.py": "# both sides change this file\n" + text})
    commit_all(project, "Attributes")
    config(project, trap)
    write(project, {".git/info/attributes": "* filter=evil merge=evil diff=evil\n"})
    (project / "README.md").write_text("dirty\n")


def included_config(project: Path, trap: Trap) -> None:
    write(project, {"evil.inc": f"[core]\n\tfsmonitor = {trap.script}\n"})
    git(project, "config", "include.path", str(project / "evil.inc"))


def nested_links(project: Path, trap: Trap) -> None:
    """A link in the place of a folder of branches."""
    (project / ".git" / "refs" / "heads" / "template").symlink_to(trap.outside)


def linked_objects(project: Path, trap: Trap) -> None:
    objects = project / ".git" / "objects"
    objects.rename(trap.script.parent / "objects")
    objects.symlink_to(trap.script.parent / "objects")


def linked_pack(project: Path, trap: Trap) -> None:
    pack = project / ".git" / "objects" / "pack"
    pack.rmdir()
    pack.symlink_to(trap.outside)


def linked_branch(project: Path, trap: Trap) -> None:
    branch = project / ".git" / "refs" / "heads" / BRANCH
    branch.parent.mkdir()
    branch.symlink_to(trap.outside / "precious.txt")


def linked_lock(project: Path, trap: Trap) -> None:
    lock = project / ".git" / "refs" / "heads" / f"{BRANCH}.lock"
    lock.parent.mkdir()
    lock.symlink_to(trap.outside / "precious.txt")


def git_file(project: Path, trap: Trap) -> None:
    (project / ".git").rename(trap.script.parent / "elsewhere.git")
    write(project, {".git": f"gitdir: {trap.script.parent / 'elsewhere.git'}\n"})


def head_out(project: Path, trap: Trap) -> None:
    write(project, {".git/HEAD": "ref: refs/heads/../../../../../outside/precious.txt\n"})


def head_pipe(project: Path, trap: Trap) -> None:
    (project / ".git" / "HEAD").unlink()
    os.mkfifo(project / ".git" / "HEAD")


def alternates(project: Path, trap: Trap) -> None:
    write(project, {".git/objects/info/alternates": f"{trap.outside}\n"})


def linked_answers(project: Path, trap: Trap) -> None:
    (project / ANSWERS).unlink()
    (project / ANSWERS).symlink_to(trap.outside / "precious.txt")
    commit_all(project, "Link")


def linked_file(project: Path, trap: Trap) -> None:
    (project / "engine.py").unlink()
    (project / "engine.py").symlink_to(trap.outside / "precious.txt")
    commit_all(project, "Link")


def linked_folder(project: Path, trap: Trap) -> None:
    git(project, "rm", "-r", "--quiet", "src")
    (project / "src").symlink_to(trap.outside)
    commit_all(project, "Link")


def lying_object(project: Path, trap: Trap) -> None:
    """The file of the answers' blob holds another blob."""
    name = git(project, "rev-parse", f"HEAD:{ANSWERS}")
    other = git(project, "rev-parse", "HEAD:README.md")
    objects = project / ".git" / "objects"
    liar = objects / name[:2] / name[2:]
    liar.chmod(liar.stat().st_mode | stat.S_IWUSR)
    liar.write_bytes((objects / other[:2] / other[2:]).read_bytes())


def huge_file(project: Path, trap: Trap) -> None:
    """A file of ours that has to be merged, too large to be."""
    write(project, {"engine.py": "line\n" * 2_000_000})
    commit_all(project, "Large")


def huge_folder(project: Path, trap: Trap) -> None:
    """A hundred thousand names for one small file."""
    blob = git(project, "rev-parse", "HEAD:README.md")
    names = "".join(f"100644 blob {blob}\tzz{number:06}\n" for number in range(120_000))
    write(project, {".git/listing": git(project, "ls-tree", "HEAD") + "\n" + names})
    made = must_run("bash", "-c", "git mktree < .git/listing", cwd=project).strip()
    git(project, "update-ref", "HEAD", git(project, "commit-tree", "-p", "HEAD", "-m", "x", made))


def submodule(project: Path, trap: Trap) -> None:
    """Another repository in the place of a file of ours."""
    head = git(project, "rev-parse", "HEAD")
    git(project, "rm", "--quiet", "--cached", "engine.py")
    git(project, "update-index", "--add", "--cacheinfo", f"160000,{head},engine.py")
    write(
        project, {".gitmodules": f'[submodule "x"]\n\tpath = engine.py\n\turl = {trap.outside}\n'}
    )
    git(project, "add", ".gitmodules")
    git(project, "commit", "--quiet", "--message", "Module")


def replaced_object(project: Path, trap: Trap) -> None:
    """git's own way to show another object in the place of one."""
    name = git(project, "rev-parse", f"HEAD:{ANSWERS}")
    git(project, "replace", name, git(project, "rev-parse", "HEAD:README.md"))


def shallow_and_grafted(project: Path, trap: Trap) -> None:
    head = git(project, "rev-parse", "HEAD")
    write(project, {".git/shallow": f"{head}\n", ".git/info/grafts": f"{head}\n"})


def foreign_source(project: Path, trap: Trap) -> None:
    evil = trap.script.parent / "evil"
    write(evil, {"copier.yml": f"_tasks: ['{trap.script}']\n"})
    git(evil, "init", "--quiet")
    commit_all(evil, "Evil", "v1.0.0")
    answers(project, lambda text: _key(text, "_src_path", str(evil)))


def _key(text: str, key: str, value: str) -> str:
    lines = [line for line in text.splitlines() if not line.startswith(f"{key}:")]
    return "\n".join([*lines, f"{key}: {value}", ""])


def bomb(_: str) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join(lines)


# What Eve does to the answers file, and what is said of it.
FILES: dict[str, tuple[Callable[[str], str | bytes], str]] = {
    "pull request": (lambda t: _key(t, "_commit", "refs/pull/1/head"), "not among the releases"),
    "branch": (lambda t: _key(t, "_commit", "main"), "not among the releases"),
    "option": (lambda t: _key(t, "_commit", "--upload-pack=touch executed"), "not among"),
    "ext": (lambda t: _key(t, "_src_path", "ext::sh -c touch% executed"), "another template"),
    "out": (lambda t: _key(t, "_src_path", "../../../../outside"), "another template"),
    "aliases": (bomb, "anchor or alias"),
    "python": (lambda t: t + "colour: !!python/object/apply:os.system ['touch x']\n", "YAML tag"),
    "deep": (lambda t: t + "colour: " + "[" * 20_000 + "]" * 20_000 + "\n", "nested"),
    "large": (lambda t: t + f"title2: {'x' * 70_000}\n", "bytes"),
    "unknown": (lambda t: t + "_tasks: [touch executed]\n", "no release of the template asks"),
    "jinja": (lambda t: t + "_jinja_extensions: [os.system]\n", "no release"),
}
# What Eve does to her repository, and how it has to end.
REPOSITORIES: dict[Callable[[Path, Trap], None], int] = {
    config: HARMLESS,
    hooks: HARMLESS,
    attributes: HARMLESS,
    included_config: HARMLESS,
    nested_links: REFUSED,
    linked_objects: REFUSED,
    linked_pack: REFUSED,
    linked_branch: REFUSED,
    linked_lock: 3,
    git_file: REFUSED,
    head_out: 3,
    head_pipe: REFUSED,
    alternates: REFUSED,
    linked_answers: REFUSED,
    linked_file: REFUSED,
    linked_folder: KEPT,  # the student's own, where the template has a folder; nothing is checked out
    lying_object: REFUSED,
    huge_file: REFUSED,
    huge_folder: REFUSED,
    submodule: REFUSED,
    replaced_object: HARMLESS,
    shallow_and_grafted: HARMLESS,
    foreign_source: REFUSED,
}


def attack(cohort: Cohort, folder: Path, trap: Trap, code: int, says: str = "") -> dict[str, Any]:
    """Every command over the class: no trace, nothing outside, and Ada is served all the same."""
    before = git(folder / ADA, "rev-parse", "main")
    cohort(folder, "status", "--dirty")
    trap.check()
    said = cohort(folder, "update", "--json")
    trap.check()
    assert said.code == code, said.out
    assert BRANCH in git(folder / ADA, "branch", "--list", BRANCH)
    assert git(folder / ADA, "rev-parse", "main") == before
    eve = said.projects["eve"]
    assert says in eve["message"]
    return eve


@pytest.mark.skipif(os.name == "nt", reason="the traps are shell scripts and links")
@pytest.mark.parametrize("harm", REPOSITORIES, ids=lambda harm: harm.__name__)
def test_a_hostile_repository_runs_nothing(
    cohort: Cohort, classroom: Path, trap: Trap, harm: Callable[[Path, Trap], None]
) -> None:
    harm(classroom / EVE, trap)
    trap.trace.unlink(missing_ok=True)  # git itself may have sprung it, while the trap was laid
    attack(cohort, classroom, trap, REPOSITORIES[harm])


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_answers_file_is_refused(
    cohort: Cohort, classroom: Path, trap: Trap, name: str
) -> None:
    change, says = FILES[name]
    answers(classroom / EVE, change)
    attack(cohort, classroom, trap, REFUSED, says)


def test_the_traps_work(classroom: Path, trap: Trap) -> None:
    """Plain git in Eve's repository runs her command: so the tests above would notice."""
    config(classroom / EVE, trap)
    git(classroom / EVE, "status")
    with pytest.raises(AssertionError, match="was run"):
        trap.check()


def test_an_answer_can_not_leave_the_project(cohort: Cohort, classroom: Path, trap: Trap) -> None:
    answers(classroom / EVE, lambda text: _key(text, "package_name", "'../../outside'"))
    said = cohort(classroom, "update", "--json")
    trap.check()
    assert said.projects["eve"]["state"] in ("error", "refused")
    assert said.projects["ada"]["state"] == "clean"


def test_answers_are_never_rendered(cohort: Cohort, classroom: Path) -> None:
    evil = "{{ 7 * 7 }}{% for x in range(10**9) %}{% endfor %}"
    answers(classroom / EVE, lambda text: _key(text, "title", f"'{evil}'"))
    assert cohort(classroom, "update").code == HARMLESS
    assert evil in git(classroom / EVE, "show", f"{BRANCH}:docs/new.md")


def test_a_template_that_runs_code_is_refused(cohort: Cohort, small: Path, tmp_path: Path) -> None:
    template = tmp_path / "template"
    git(tmp_path, "clone", "--quiet", str(small), str(template))
    write(
        template, {"copier.yml": (small / "copier.yml").read_text() + "_tasks: [touch executed]\n"}
    )
    commit_all(template, "Tasks", "v3.0.0")
    folder = make_class(tmp_path / "class", template, ["ada"])
    said = cohort(folder, "create")
    assert said.code == REFUSED and "does not run a template's code" in said.err


def test_a_release_that_was_moved_is_noticed(cohort: Cohort, small: Path, tmp_path: Path) -> None:
    template = tmp_path / "template"
    git(tmp_path, "clone", "--quiet", str(small), str(template))
    folder = make_class(tmp_path / "class", template, ["ada"])
    assert cohort(folder, "create").code == 0
    commit_all(template, "Not the release")
    git(template, "tag", "--force", "v2.0.0")
    said = cohort(folder, "plan")
    assert said.code == 3 and "someone moved it" in said.err


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gh:you/template", "https://github.com/you/template.git"),
        ("git@github.com:you/template.git", "https://GitHub.com/you/template/"),
        ("git+https://example.org/a.git", "ssh://git@example.org/a"),
        ("file:///srv/template", "/srv/template"),
    ],
)
def test_two_spellings_of_one_address_are_equal(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    "other",
    [
        *("https://github.com/you/template2", "https://github.com.evil.org/you/template"),
        *("https://evil.org/github.com/you/template", "https://github.com@evil.org/you/template"),
        *("https://github.com:8443/you/template", "ext::sh -c x% github.com/you/template"),
    ],
)
def test_a_look_alike_address_is_another(other: str) -> None:
    assert normalise(other) != normalise("https://github.com/you/template")


def test_nothing_of_a_student_reaches_a_tree(cohort: Cohort, classroom: Path) -> None:
    """The update's commit differs from the student's only in files that the template writes."""
    cohort(classroom, "update")
    before, after = (tree(classroom / ADA, at) for at in ("main", BRANCH))
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert changed == {
        *(ANSWERS, "engine.py", "config.toml", "tools/old.py", "tools/new.py", ".editorconfig"),
        *("docs/gone.md", "docs/new.md", "src/work_of_ada/extra.py"),
    }


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_files_name_steers_no_terminal(cohort: Cohort, classroom: Path, trap: Trap) -> None:
    """Eve renames a file of ours, which the update follows and speaks of."""
    project = classroom / EVE
    (project / "engine.py").rename(project / "\x1b]0;owned\x07\u202e.py")
    commit_all(project, "A name")
    said = cohort(classroom, "plan", "--json")
    assert "owned" in said.out, "the name is spoken of"
    for command in ("plan", "update", "status", "audit"):
        out = cohort(classroom, command).out
        assert "\x1b" not in out and "\u202e" not in out
    trap.check()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no alarm")
def test_no_project_takes_the_others_time(
    cohort: Cohort, classroom: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever makes Eve's slow, it is ended, and Ada is served."""
    plan = work.Workbench._plan

    def slow(
        bench: work.Workbench, store: Any, objects: Any, outcome: Outcome, job: work.Job
    ) -> Any:
        if outcome.student == "eve":
            time.sleep(30)
        return plan(bench, store, objects, outcome, job)

    monkeypatch.setattr(isolation, "SECONDS", 1)
    monkeypatch.setattr(work.Workbench, "_plan", slow)
    said = cohort(classroom, "update", "--json")
    assert said.code == 3 and "more than 1 seconds" in said.projects["eve"]["message"]
    assert said.projects["ada"]["wrote"]
