"""The `capstone` command. Each command has a file of its own, which imports heavy libraries only when it runs:
so help is quick, and `capstone doctor` works where a library is missing.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import typer

from capstone.commands.card import card
from capstone.commands.check import check
from capstone.commands.compare import compare
from capstone.commands.data import data
from capstone.commands.doctor import doctor
from capstone.commands.explain import explain
from capstone.commands.predict import predict
from capstone.commands.report import report
from capstone.commands.reproduce import reproduce
from capstone.commands.run import run
from capstone.commands.start import start
from capstone.commands.tune import tune
from capstone.core.errors import CapstoneError, Stopped
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
COMMANDS: tuple[Callable[..., None], ...] = (
    *(start, data, run, reproduce, compare, explain, report, card, check),
    *(serve, export, tune, predict, doctor),
)
for command in COMMANDS:
    app.command()(command)


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
    except (CapstoneError, ModuleNotFoundError) as error:
        _end_undisturbed()
        sentence = str(error) if isinstance(error, CapstoneError) else _missing_library(error)
        if traceback_wanted or not sentence:
            raise
        rank = os.environ.get("RANK", "0")  # of several processes that torchrun has started
        who = f" in process {rank}" if rank != "0" else ""
        print(f"Error{who}: {sentence}", file=sys.stderr)
        sys.exit(2)
    except (Stopped, KeyboardInterrupt, SystemExit) as ended:
        if isinstance(ended, SystemExit) and ended.code != 130:  # 130: Ctrl-C, as Typer hands it on
            raise
        _end_undisturbed()
        sentence = str(ended) if isinstance(ended, Stopped) else "Stopped. No run was saved."
        print(sentence, file=sys.stderr)
        sys.exit(130)


def _missing_library(error: ModuleNotFoundError) -> str:
    """The sentence on a library that is not installed; "" when a file of the engine itself is missing."""
    library = (error.name or "").partition(".")[0]
    if library in ("", "capstone"):
        return ""
    return (
        f'{library} is not installed: run `uv sync` (or `pip install -e ".[dev]"`); '
        "`capstone doctor` looks for all that is missing."
    )


def _end_undisturbed() -> None:
    """From here on neither one more Ctrl-C nor torchrun's SIGTERM cuts off the sentence that is printed last."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
