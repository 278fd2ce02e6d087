"""`--engine copier`: Copier itself, in a separate clone. Slow; it exists for comparison."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from copier._vcs import get_repo

from cohort.classroom.config import is_address
from cohort.classroom.outcome import CLEAN, CONFLICT
from cohort.classroom.stores import Store
from cohort.errors import CohortError, RefusedError
from cohort.git import process
from cohort.git.objects import EXECUTABLE, FILE, LARGEST_BLOB, Objects, reading
from cohort.git.writing import File
from cohort.projects import conflict_words as words
from cohort.projects.merge import Conflict, Marked
from cohort.projects.plan import Plan, Planner, compare
from cohort.projects.renames import Trio
from cohort.projects.workbench import COPIER_SECONDS
from cohort.template.releases import Releases


def plan_with_copier(planner: Planner, store: Store, objects: Objects, head: str, to: str) -> Plan:
    """Plan what `copier update --defaults` makes of a project. A conflict keeps the student's side here too."""
    target, home = planner.releases.get(to), planner.place.home
    tree = objects.commit_tree(head)
    before = objects.walk(tree)
    strange = [path for path, (mode, _) in before.items() if mode not in (FILE, EXECUTABLE)]
    if strange:
        raise RefusedError(f"{strange[0]} is a link or a repository; copier would follow it.")
    now = planner.check_answers(planner.read_answers(objects, tree), target)
    state = compare(planner.releases.get(now), target)
    if state:
        return Plan(state, head, now, to)
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "project"
        git_dir = _clone(home, clone, store, head)
        _update(planner.releases, clone, to)
        conflicted = _conflicted(home, clone, git_dir)
        after_tree = _tree(home, clone, git_dir)
        plan = Plan(CLEAN, head, now, to)
        with reading(home, git_dir, store.objects) as made:
            after = made.walk(after_tree)
            for path in sorted(before.keys() | after.keys()):
                if before.get(path) != after.get(path):
                    entry = after.get(path)
                    content = made.read(entry[1], "blob", LARGEST_BLOB) if entry else b""
                    plan.changes[path] = File(entry[0], content) if entry else None
    for path in conflicted:
        file, trio = plan.changes.pop(path, None), Trio(path, path, path)
        marked = Marked(file, words.both_changed(trio, words.MARKED)) if file else None
        plan.conflicts.append(Conflict(path, words.both_changed(trio, words.LINES), marked))
        plan.state = CONFLICT
    return plan


def _clone(home: Path, clone: Path, store: Store, head: str) -> Path:
    """A repository of ours with a work tree, which borrows the student's objects and nothing else."""
    git_dir = process.make_bare(clone / ".git")
    config = "[core]\n\trepositoryformatversion = 0\n\tbare = false\n"
    (git_dir / "config").write_text(config, encoding="ascii")
    (git_dir / "HEAD").write_text("ref: refs/heads/main\n", encoding="ascii")
    (git_dir / "refs" / "heads" / "main").write_text(f"{head}\n", encoding="ascii")
    (git_dir / "objects" / "info" / "alternates").write_text(f"{store.objects}\n", encoding="utf-8")
    process.run(home, "read-tree", "-u", "--reset", head, git_dir=git_dir, env=_tree_env(clone))
    return git_dir


def _tree_env(clone: Path) -> dict[str, str]:
    return {"GIT_WORK_TREE": str(clone)}


def _update(releases: Releases, clone: Path, to: str) -> None:
    env = process.environment(releases.class_.home) | {
        "COPIER_CACHE_DIR": str(clone.parent / "cache"),
        "COPIER_SETTINGS_PATH": str(clone.parent / "none.yml"),
        "PYTHONWARNINGS": "ignore",
        **_where_the_template_is(releases),
    }
    (clone.parent / "none.yml").write_text("{}\n", encoding="ascii")
    command = [sys.executable, "-m", "copier", "update", "--defaults", "--quiet", "--vcs-ref", to]
    try:
        done = subprocess.run(
            command,
            cwd=clone,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=COPIER_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise CohortError(f"copier took more than {COPIER_SECONDS:g} seconds.") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise CohortError(f"copier failed: {said[-1] if said else done.returncode}")


def _where_the_template_is(releases: Releases) -> dict[str, str]:
    """Let git find the template where cohort has fetched it to: copier talks to no server."""
    settings = [("protocol.file.allow", "always")]
    for url in dict.fromkeys(releases.class_.template_urls):
        if is_address(url):
            settings.append((f"url.{releases.store.as_uri()}.insteadOf", get_repo(url) or url))
    env = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings):
        env |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return env


def _conflicted(home: Path, clone: Path, git_dir: Path) -> list[str]:
    command = ("diff", "--name-only", "--diff-filter=U", "-z")
    said = process.run(home, *command, git_dir=git_dir, env=_tree_env(clone))
    return sorted({path for path in said.decode("utf-8", "surrogateescape").split("\0") if path})


def _tree(home: Path, clone: Path, git_dir: Path) -> str:
    process.run(home, "add", "--all", git_dir=git_dir, env=_tree_env(clone))
    said = process.run(home, "write-tree", git_dir=git_dir, env=_tree_env(clone))
    return said.decode().strip()
