"""The `capstone` command. Heavy libraries are imported where they are used, so that help is quick."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from capstone.commands.card import card
from capstone.commands.check import check
from capstone.commands.data import data
from capstone.commands.report import report
from capstone.core.errors import CapstoneError
from capstone.export.command import export
from capstone.serving.command import serve

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From a table of data to a trained, evaluated and saved model.",
)
RunId = Annotated[str, typer.Option("--run", metavar="RUN", help="Which run; the newest if none.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="SECTION.KEY=VALUE", help="Change a setting for this run; repeatable."
    ),
]


@app.command()
def start() -> None:
    """Set up git and its hooks, and make the first commit. Safe to run twice."""
    from capstone.commands.start import start as start_project
    from capstone.core.project import find_root

    start_project(find_root())


app.command()(data)


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
    from capstone.core.project import find_root
    from capstone.core.settings_file import QUICK, load_settings

    root = find_root()
    settings = load_settings(root, [*(QUICK if quick else ()), *(set_ or ())])

    if "TORCHELASTIC_RUN_ID" in os.environ:  # started by torchrun
        # Read when PyTorch is imported: else every process warns that the network uses all its weights.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from capstone.commands.run import run as run_command
    from capstone.pipeline import RunOptions

    run_command(settings, root, RunOptions(quick, resume), seeds, json_lines)


@app.command()
def reproduce(
    run_id: Annotated[
        str, typer.Argument(metavar="[RUN]", help="Which run; the newest if none.")
    ] = "LATEST",
) -> None:
    """Run again with a run's settings and say whether every bit came out the same."""
    from capstone.commands.reproduce import reproduce as run_again
    from capstone.core.project import find_root
    from capstone.runs.folder import read_run

    root = find_root()
    found = read_run(root / "runs", run_id)
    result = run_again(root, found)
    for change in result.changed:
        print(f"Note: {change}.")
    if not result.identical:
        raise CapstoneError(f"{found.id} was not reproduced: {'; '.join(result.differences)}.")
    print(f"{found.id} is identical: the same weights, metrics and predictions, bit by bit.")


@app.command()
def compare() -> None:
    """List the finished runs: scores, and what changed in the settings between them."""
    from capstone.commands.compare import as_page, comparison
    from capstone.core.files import write_text
    from capstone.core.project import find_root
    from capstone.reporting.charts import write_script

    root = find_root()
    print("\n".join(comparison(root / "runs")))
    write_script(root / "runs")
    target = root / "runs" / "compare.html"
    write_text(target, as_page(root / "runs"))
    print(f"\nThe same as a page: {target.relative_to(root)}")


@app.command()
def explain(
    row: Annotated[
        str, typer.Option("--row", metavar="ID", help="The row's id, or its number without an id.")
    ],
    run_id: RunId = "LATEST",
) -> None:
    """Why the model predicts what it predicts for one row: what each column adds."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from capstone.commands.explain import as_page, explain_row, in_unit
    from capstone.core.files import write_text
    from capstone.core.project import find_root
    from capstone.reporting.charts import write_script
    from capstone.runs.folder import read_run

    root = find_root()
    run = read_run(root / "runs", run_id)
    found = explain_row(root, run, row)
    for line in found.sentences:
        print(line)
    shown = Table("column", "value", "moves the prediction by", box=SIMPLE, padding=(0, 1, 0, 0))
    for column, value, moved in found.columns.itertuples(index=False):
        shown.add_row(column, value, in_unit(moved, found.is_share, move=True))
    Console().print(shown)
    write_script(root / "runs")
    target = run.folder / f"explain_{''.join(c if c.isalnum() else '_' for c in row)[:60]}.html"
    write_text(target, as_page(found, run))
    print(f"The same as a page: {target.relative_to(root)}")


for command in (report, card, check, serve, export):
    app.command()(command)


@app.command()
def tune(
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="How many settings to try in all.")
    ] = 30,
    set_: Set = None,
) -> None:
    """Search for better settings on the validation part; the test part is not looked at."""
    from capstone.commands.tune import tune as search
    from capstone.core.project import find_root
    from capstone.core.settings_file import load_settings

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
    from capstone.commands.predict import predict_file
    from capstone.core.project import find_root
    from capstone.runs.folder import read_run

    root = find_root()
    found = read_run(root / "runs", run_id)
    written, rows, notes = predict_file(file, found, root)
    for note in notes:
        print(f"Note: {note}.")
    print(f"{rows:,} rows predicted with the model of {found.id}: {written}")


@app.command()
def doctor() -> None:
    """Look for what is wrong with this machine or project, and say how to mend it."""
    from capstone.commands.doctor import examine
    from capstone.core.project import find_root

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
