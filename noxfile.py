"""The template's own jobs: `nox -s demo` shows what it does, `nox -s tests` proves it.

Nothing to prepare: each session makes its environment with pip, so pip's own settings apply.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import nox

HERE = Path(__file__).parent.resolve()
CPU_TORCH = "https://download.pytorch.org/whl/cpu"

nox.needs_version = ">=2025.2.9"
# Not uv, even where `uvx nox` starts us: pip's settings (mirrors, folders of wheels) are to apply.
nox.options.default_venv_backend = "virtualenv"
nox.options.sessions = ["tests"]


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, two files at a time; arguments after -- go to pytest."""
    # A file stays with one process, whose tests share what its fixtures make; tests/conftest.py has put the slow ones
    # first. For xdist's own starts the files with few tests last.
    run_tests(session, "not long", "--dist", "loadfile", "--no-loadscope-reorder")


@nox.session
def lint(session: nox.Session) -> None:
    """Lint, format and types of everything that is written here."""
    install_for_tests(session)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": str(HERE / "template" / "engine")})
    session.run("yamllint", "--strict", ".")


@nox.session
def demo(session: nox.Session) -> None:
    """Render a project, install it and run it on the bundled example."""
    session.install(*group("render"))
    # Not below this repository, for the project becomes a repository itself.
    project = render(session, Path(tempfile.mkdtemp(prefix="capstone-demo-")) / "my-capstone")
    install_cpu_torch(session, project)
    session.install("--editable", f"{project}[dev]")
    session.chdir(project)
    # git wants to know who commits; a machine that has never used it can't say.
    who = {f"GIT_{role}_NAME": "Capstone demo" for role in ("AUTHOR", "COMMITTER")}
    who |= {f"GIT_{role}_EMAIL": "demo@example.org" for role in ("AUTHOR", "COMMITTER")}
    session.run("capstone", "start", env=who)
    session.run("capstone", "run")

    run = project / "runs" / (project / "runs" / "LATEST").read_text(encoding="utf-8").strip()
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    name = metrics["primary_metric"]
    session.log(f"{name} on the test part, with its 95 % interval:")
    for who, scores in {"network": metrics["model"], **metrics["baselines"]}.items():
        score = scores[name]
        value, low, high = score["value"], score["low"], score["high"]
        session.log(f"  {who:<18} {value:.3f}  ({low:.3f} to {high:.3f})")
    session.log(f"The project is in {project}")
    session.log(f"The run is in     {run}")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure: `nox -s bench -- training first_run`; what is no benchmark's name goes to each of them."""
    files = sorted((HERE / "benchmarks").glob("bench_*.py"))
    names = [path.stem.removeprefix("bench_") for path in files]
    chosen = [argument for argument in session.posargs if argument in names]
    if not chosen:
        session.error(f"Say which, after --: {', '.join(names)}")
    install_for_tests(session)
    session.install(*group("bench"))
    options = [argument for argument in session.posargs if argument not in names]
    env = {"PYTHONPATH": os.pathsep.join([str(HERE / "template" / "engine"), str(HERE)])}
    for name in chosen:
        session.run("python", f"benchmarks/bench_{name}.py", *options, env=env)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site, check its links and test it; a folder after -- keeps it: `nox -s docs -- site`."""
    install_for_tests(session)
    # Material's word on another project's second version is no warning about our pages.
    env = {"NO_MKDOCS_2_WARNING": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryDirectory() as folder:
        site = str(
            (Path(session.posargs[0]) if session.posargs else Path(folder, "site")).resolve()
        )
        session.run("mkdocs", "build", "--strict", "--quiet", "--site-dir", site, env=env)
        session.run("python", "-m", "site_tools.links", site, env=env)
        # The tests build their own; here they get this one.
        env["CAPSTONE_SITE"] = site
        session.run("python", "-m", "pytest", "tests/site", env=env)


@nox.session
def pictures(session: nox.Session) -> None:
    """Make the site's pictures again, from real runs; `nox -s pictures -- class` makes one stage's. Needs Chromium."""
    install_for_tests(session)
    env = {"PYTHONPATH": os.pathsep.join([str(HERE), str(HERE / "template" / "engine")])}
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    session.run("python", "-m", "site_tools.make_pictures", *session.posargs, env=env)


@nox.session
def record(session: nox.Session) -> None:
    """Keep a release for the tests of later ones: `nox -s record -- v0.1.0`, with that tag checked out."""
    if len(session.posargs) != 1:
        session.error("Say which, after --: a tag such as v0.1.0")
    (name,) = session.posargs
    parts = ("copier.yml", "includes", "template")  # what Copier reads
    with tempfile.TemporaryDirectory() as folder:
        clone, bundle = Path(folder) / "clone", HERE / "tests" / "releases" / f"{name}.bundle"
        session.run("git", "clone", "--quiet", str(HERE), str(clone), external=True)
        session.chdir(clone)
        session.run("git", "checkout", "--quiet", "--orphan", "alone", name, external=True)
        session.run("git", "rm", "-r", "--quiet", "--cached", ".", external=True)
        session.run("git", "add", "--force", *parts, external=True)
        who = ["-c", "user.name=capstone-template", "-c", "user.email=nobody@example.org"]
        session.run("git", *who, "commit", "--quiet", "--message", name, external=True)
        session.run("git", "tag", "--force", name, "alone", external=True)
        bundle.parent.mkdir(exist_ok=True)
        session.run("git", "bundle", "create", str(bundle), f"refs/tags/{name}", external=True)


@nox.session
def long(session: nox.Session) -> None:
    """Run the tests that take minutes each, two at a time: kills, histories, a thousand times the fuzz."""
    run_tests(session, "long", "--dist", "worksteal")


def run_tests(session: nox.Session, marked: str, *distribution: str) -> None:
    """Run the tests with these marks in two processes."""
    install_for_tests(session)
    env = {
        "PYTHONDONTWRITEBYTECODE": "1",  # template/ would fill with .pyc files
        # Two processes with a thread for each core would wait for each other: twice the seconds of a run.
        "OMP_NUM_THREADS": "1",
    }
    two = ("--numprocesses", "2", *distribution)
    session.run("python", "-m", "pytest", *two, "-m", marked, *session.posargs, env=env)


def group(name: str) -> tuple[str, ...]:
    """A dependency group of pyproject.toml."""
    return nox.project.dependency_groups(nox.project.load_toml(HERE / "pyproject.toml"), name)


def render(session: nox.Session, folder: Path) -> Path:
    """A fresh project with the default answers, of the template as it lies here."""
    # HEAD: as it is now, not as of the newest tag. The path is absolute, so that updates find it.
    copy = ["copier", "copy", "--quiet", "--defaults", "--vcs-ref", "HEAD"]
    session.run(*copy, str(HERE), str(folder))
    return folder


def install_for_tests(session: nox.Session) -> None:
    """What a project needs, with the versions that a project gets, and the tools of the tests."""
    session.install(
        *group("tests"), *nox.project.load_toml(HERE / "pyproject.toml")["project"]["dependencies"]
    )
    # Not session.create_tmp(): it would move the tests' own temporary folders into this repository.
    with tempfile.TemporaryDirectory() as folder:
        project = render(session, Path(folder) / "my-capstone")
        install_cpu_torch(session, project)
        metadata = nox.project.load_toml(project / "pyproject.toml")["project"]
    extras = metadata["optional-dependencies"]
    session.install(*metadata["dependencies"], *extras["dev"], *extras["tracking"])


def install_cpu_torch(session: nox.Session, project: Path) -> None:
    """On Linux without an NVIDIA card: torch without CUDA, which saves gigabytes."""
    if sys.platform == "linux" and shutil.which("nvidia-smi") is None:
        metadata = nox.project.load_toml(project / "pyproject.toml")["project"]
        torch = next(line for line in metadata["dependencies"] if line.startswith("torch"))
        session.install("--no-deps", "--extra-index-url", CPU_TORCH, torch)
