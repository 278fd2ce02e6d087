"""The `cohort` command. What it needs of copier is imported where it is used, so that help is quick."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Annotated

import typer

from cohort import faults
from cohort.commands.options import (
    CreateOptions,
    Options,
    PlanOptions,
    ReportOptions,
    UpdateOptions,
)
from cohort.errors import CohortError
from cohort.text import visible_text

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Create, update and look after the repositories of a class. "
    "Exit codes: 0, all done; 2, some projects need attention; 3, some errors; 4, something was refused for safety.",
)
Folder = Annotated[
    Path, typer.Option("--class", metavar="FOLDER", help="The folder with class.toml.")
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="STUDENT", help="Only this student; repeatable."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
To = Annotated[
    str, typer.Option("--to", metavar="RELEASE", help="Default: the newest allowed release.")
]
Part = Annotated[
    str, typer.Option("--part", metavar="I/N", help="Only the I-th of N parts of the roster.")
]
Jobs = Annotated[int, typer.Option(min=0, help="Parallel processes; 0: one per core.")]
Engine = Annotated[
    str, typer.Option(help="git, or copier: Copier itself in a clone, for comparison.")
]
HERE = Path(".")
INTERRUPTED = 130  # what typer makes of Ctrl-C


def show_version(wanted: bool) -> None:
    """Print the version of the installed package, and end."""
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"cohort {version('capstone-template')}")
        except PackageNotFoundError:
            print("cohort, running from source")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Options that go before a command."""


@app.command()
def init(
    template: Annotated[
        str, typer.Argument(help="The template's address, or the path of a clone.")
    ],
    release: Annotated[
        list[str] | None, typer.Option(help="An allowed release; repeatable.")
    ] = None,
    forge: Annotated[str, typer.Option(help="github, gitlab or none.")] = "none",
    folder: Folder = HERE,
) -> None:
    """Write class.toml and a sample class.csv into a folder."""
    from cohort.commands.init import start_class

    start_class(folder, template, release or [], forge)


@app.command()
def create(
    roster: Annotated[
        Path | None, typer.Argument(help="The roster, if not the one in class.toml.")
    ] = None,
    to: To = "",
    bare: Annotated[
        bool, typer.Option(help="Create bare repositories, without a work tree.")
    ] = False,
    only: Only = None,
    jobs: Jobs = 0,
    json: Json = False,
    folder: Folder = HERE,
) -> None:
    """Create one repository per row of the roster. Existing ones are left alone."""
    from cohort.commands.create import create_class

    sys.exit(create_class(CreateOptions(folder, tuple(only or ()), to, json, jobs, roster, bare)))


@app.command()
def status(
    dirty: Annotated[bool, typer.Option(help="Also look for uncommitted work.")] = False,
    only: Only = None,
    jobs: Jobs = 0,
    json: Json = False,
    folder: Folder = HERE,
) -> None:
    """Show each project's release, and any update that is waiting for the student."""
    from cohort.commands.status import show_status

    sys.exit(show_status(Options(folder, tuple(only or ()), json=json, jobs=jobs), dirty))


@app.command()
def plan(
    to: To = "",
    only: Only = None,
    part: Part = "",
    html: Annotated[Path | None, typer.Option(help="Write a page with every change.")] = None,
    jobs: Jobs = 0,
    engine: Engine = "git",
    json: Json = False,
    folder: Folder = HERE,
) -> None:
    """Show what an update would change and what needs attention. Writes nothing to any project."""
    from cohort.commands.plan import plan_class

    options = PlanOptions(
        folder, tuple(only or ()), to, json, part=part, jobs=jobs, engine=engine, html=html
    )
    sys.exit(plan_class(options))


@app.command()
def update(
    to: To = "",
    only: Only = None,
    part: Part = "",
    canary: Annotated[int, typer.Option(min=0, help="Only this many students, from the top.")] = 0,
    jobs: Jobs = 0,
    push: Annotated[bool, typer.Option(help="Push to servers, and open pull requests.")] = False,
    resume: Annotated[bool, typer.Option(help="Continue a run that was killed.")] = False,
    markers: Annotated[
        bool, typer.Option(help="Write conflicts into the files, with markers.")
    ] = False,
    engine: Engine = "git",
    json: Json = False,
    folder: Folder = HERE,
) -> None:
    """Write a branch with the update to each project. Never touches a student's branch or files."""
    from cohort.commands.update import update_class

    options = UpdateOptions(
        folder,
        tuple(only or ()),
        to,
        json,
        part=part,
        jobs=jobs,
        engine=engine,
        canary=canary,
        push=push,
        resume=resume,
        markers=markers,
    )
    sys.exit(update_class(options))


@app.command()
def rollback(
    to: To = "",
    only: Only = None,
    push: Annotated[bool, typer.Option(help="Delete the branches on servers too.")] = False,
    jobs: Jobs = 0,
    json: Json = False,
    folder: Folder = HERE,
) -> None:
    """Delete the branches that update made, unless someone has worked on them."""
    from cohort.commands.rollback import rollback_class

    sys.exit(rollback_class(Options(folder, tuple(only or ()), to, json, jobs), push))


@app.command()
def verify(
    to: To = "", only: Only = None, jobs: Jobs = 0, json: Json = False, folder: Folder = HERE
) -> None:
    """Check that each update branch is, bit for bit, what cohort makes from the student's commit."""
    from cohort.commands.verify import verify_class

    sys.exit(verify_class(Options(folder, tuple(only or ()), to, json, jobs)))


@app.command()
def audit(only: Only = None, jobs: Jobs = 0, json: Json = False, folder: Folder = HERE) -> None:
    """List the template's files that a student changed. Protected ones (CI, checks, tests) need attention."""
    from cohort.commands.audit import audit_class

    sys.exit(audit_class(Options(folder, tuple(only or ()), json=json, jobs=jobs)))


@app.command()
def adopt(
    student: Annotated[
        str, typer.Argument(help="The student whose project lost its answers file.")
    ],
    answer: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="An answer; repeatable.")
    ] = None,
    push: Annotated[bool, typer.Option(help="Write the branch on a server too.")] = False,
    json: Json = False,
    folder: Folder = HERE,
) -> None:
    """Restore a project's answers file, on the branch template/adopt."""
    from cohort.commands.adopt import adopt_class

    sys.exit(adopt_class(Options(folder, (student,), json=json), answer or [], push))


@app.command()
def history(
    student: Annotated[str, typer.Argument(help="The student.")],
    json: Json = False,
    folder: Folder = HERE,
) -> None:
    """Show what cohort did to one project, and when, newest first."""
    from cohort.commands.history import show_history

    sys.exit(show_history(Options(folder, json=json), student))


@app.command()
def report(
    html: Annotated[Path, typer.Option(help="The page to write.")] = Path("class.html"),
    checks: Annotated[
        Path | None, typer.Option(help="A folder with STUDENT.json from `capstone check --json`.")
    ] = None,
    to: To = "",
    only: Only = None,
    jobs: Jobs = 0,
    json: Json = False,
    folder: Folder = HERE,
) -> None:
    """Write a page about the class: releases, updates, scores, checklists, and who may need help."""
    from cohort.commands.report import report_class

    sys.exit(report_class(ReportOptions(folder, tuple(only or ()), to, json, jobs, html, checks)))


def main() -> None:
    """Run the command; a mistake is one sentence and a code, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
    except CohortError as error:
        code = _complain(str(error), error.exit_code)
    except (OSError, sqlite3.Error) as error:
        code = _complain(f"{error}. Is the disk full, or the cache folder damaged?")
    except (KeyboardInterrupt, typer.Abort):
        code = _complain("stopped. `cohort update --resume` continues an update.")
    except Exception as error:
        if hasattr(error, "format_message"):  # a mistake on the command line
            code = _complain(f"{error.format_message()} See `cohort --help`.")
        else:
            code = _complain(faults.sentence(error, "a command"))
    sys.exit(code or 0)


def _complain(sentence: str, code: int = 3) -> int:
    print(visible_text(f"cohort: {sentence}"), file=sys.stderr)
    return code
