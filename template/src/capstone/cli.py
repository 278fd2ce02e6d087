"""The `capstone` command. Heavy libraries are imported where they are used, so that help is quick."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from capstone import evidence_commands, serving_commands
from capstone.cli_documents import card, check
from capstone.errors import CapstoneError
from capstone.exporting.command import export

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From a table of data to a trained, evaluated and saved model.",
)
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="SECTION.KEY=VALUE", help="Change a setting for this run; repeatable."
    ),
]


@app.command()
def start() -> None:
    """Set up git and its hooks, and make the first commit. Safe to run twice."""
    from capstone.project import find_root
    from capstone.start import start as start_project

    start_project(find_root())


@app.command()
def data() -> None:
    """Look at the table before any training: kinds, gaps, copies, suspected leaks."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from capstone.artifacts import write_text
    from capstone.overview import as_page, look_at
    from capstone.project import find_root
    from capstone.reading import fingerprint
    from capstone.settings_file import load_settings
    from capstone.streaming.source import table_or_sample
    from capstone.table_checks import check_named_columns

    root = find_root()
    settings = load_settings(root).data
    path = root / settings.path
    table, how, sample = table_or_sample(path, settings)
    check_named_columns(table, {"[data] target": [settings.target]}, settings.path)
    overview = look_at(table, settings, fingerprint(path), sample)
    print(f"{overview.headline} Read as {how}.\n")
    shown = Table(*overview.columns.columns, title="Columns", box=SIMPLE, padding=(0, 1, 0, 0))
    for line in overview.columns.head(60).astype(str).itertuples(index=False):
        shown.add_row(*line)
    console = Console()
    console.print(shown)
    if len(overview.columns) > 60:
        print(f"... and {len(overview.columns) - 60:,} more columns: see the page.")
    balance = Table(*overview.target.columns, title=f"Target: {settings.target}", box=SIMPLE)
    for line in overview.target.astype(str).itertuples(index=False):
        balance.add_row(*line)
    console.print(balance)
    for note in overview.notes or ["Nothing odd was found."]:
        print(f"- {note}")
    target = root / "runs" / "data.html"
    target.parent.mkdir(exist_ok=True)
    write_text(target, as_page(overview, settings))
    print(f"\nThe same as a page: {target.relative_to(root)}")


@app.command()
def run(
    quick: Annotated[
        bool, typer.Option("--quick", help="A smoke run: three epochs, to see every step work.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with training that was stopped half way.")
    ] = False,
    json_lines: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, for programs.")
    ] = False,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="Run with so many seeds: how much is chance?")
    ] = 1,
    set_: Set = None,
) -> None:
    """Load, clean, engineer, split, train, evaluate and save: one run."""
    from capstone.project import find_root
    from capstone.settings_file import QUICK, load_settings

    root = find_root()
    settings = load_settings(root, [*(QUICK if quick else ()), *(set_ or ())])

    from capstone.running import run_seeds

    run_seeds(settings, root, quick, resume, json_lines, seeds)


@app.command()
def reproduce(
    run_id: Annotated[
        str, typer.Argument(metavar="[RUN]", help="Which run; the newest if none.")
    ] = "LATEST",
) -> None:
    """Run again with a run's settings and say whether every bit came out the same."""
    from capstone.artifacts import read_run
    from capstone.project import find_root
    from capstone.reproduction import reproduce as run_again

    root = find_root()
    found = read_run(root / "runs", run_id)
    result = run_again(root, found)
    for change in result.changed:
        print(f"Note: {change}.")
    if not result.identical:
        raise CapstoneError(f"{found.id} was not reproduced: {'; '.join(result.differences)}.")
    print(f"{found.id} is identical: the same weights, metrics and predictions, bit by bit.")


for command in (evidence_commands.compare, evidence_commands.explain, evidence_commands.report):
    app.command()(command)
app.command()(card)
app.command()(check)
app.command()(serving_commands.serve)
app.command()(export)


@app.command()
def tune(
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="How many settings to try in all.")
    ] = 30,
    set_: Set = None,
) -> None:
    """Search for better settings on the validation part; the test part is not looked at."""
    from capstone.project import find_root
    from capstone.settings_file import load_settings
    from capstone.tuning import tune as search

    root = find_root()
    for line in search(root, load_settings(root, set_ or ()), trials, print):
        print(line)


@app.command()
def predict(
    file: Annotated[Path, typer.Argument(help="A table with the columns of the training data.")],
    run_id: Annotated[
        str, typer.Option("--run", metavar="RUN", help="Which run's model.")
    ] = "LATEST",
) -> None:
    """Predict every row of FILE and write a table with the predictions beside."""
    from capstone.artifacts import read_run
    from capstone.prediction import predict_file
    from capstone.project import find_root

    root = find_root()
    found = read_run(root / "runs", run_id)
    written, rows, notes = predict_file(file, found, root)
    for note in notes:
        print(f"Note: {note}.")
    print(f"{rows:,} rows predicted with the model of {found.id}: {written}")


@app.command()
def doctor() -> None:
    """Look for what is wrong with this machine or project, and say how to mend it."""
    from capstone.doctor import examine
    from capstone.project import find_root

    wrong = 0
    for finding in examine(find_root()):
        print(f"{'ok   ' if finding.fine else 'WRONG'}  {finding.found}")
        if not finding.fine:
            print(f"       -> {finding.mend}")
            wrong += 1
    if wrong:
        raise CapstoneError(f"{wrong} thing(s) to mend; see the arrows above.")
    print("All is well.")


# Your own commands: add them below this line. A template update leaves them alone.


def main() -> None:
    """Run the command. What a user can mend is one sentence and exit code 2, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        # A Windows terminal may know fewer characters than a column name holds.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    traceback_wanted = "--traceback" in sys.argv
    if traceback_wanted:
        sys.argv.remove("--traceback")
    try:
        app()
    except CapstoneError as error:
        _end_undisturbed()
        if traceback_wanted:
            raise
        rank = os.environ.get("RANK", "0")  # of several processes that torchrun has started
        who = f" in process {rank}" if rank != "0" else ""
        print(f"Error{who}: {error}", file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, SystemExit) as ended:
        if isinstance(ended, SystemExit) and ended.code != 130:  # 130: Ctrl-C, as Typer hands it on
            raise
        _end_undisturbed()
        kept = (Path("runs") / "checkpoint.pt").exists()
        how = "; `capstone run --resume` goes on with the training that was begun" * kept
        print(f"Stopped. No run was saved{how}.", file=sys.stderr)
        sys.exit(130)


def _end_undisturbed() -> None:
    """From here on neither one more Ctrl-C nor torchrun's SIGTERM cuts off the sentence that is told last."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
