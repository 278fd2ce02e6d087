"""The `capstone` command. Each command has a file of its own, which imports heavy libraries only when it runs:
so help is quick, and `capstone doctor` works where a library is missing.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

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
from capstone.commands.streams import lasting_streams
from capstone.commands.tune import tune
from capstone.commands.use import use
from capstone.core.errors import CapstoneError, Stopped, is_out_of_memory, too_little_memory
from capstone.core.text import LONGEST_WORD, cut, one_line, printable
from capstone.export.command import export
from capstone.serving.command import serve

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter

TRACEBACK = "--traceback"  # behind any command
INTERRUPTED = 130  # Ctrl-C, as Typer hands it on

# What one wants to do, and the commands for it, in the order in which they are needed.
GROUPS: dict[str, tuple[Callable[..., None], ...]] = {
    "Begin": (start, use, data, doctor),
    "Train": (run, tune, reproduce),
    "Understand the result": (report, explain, compare),
    "Use the model": (predict, serve, export),
    "Hand in": (card, check),
}


class GroupedCommands(TyperGroup):
    """Lists the commands by what one wants to do."""

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Each with the first line of its help."""
        for purpose, commands in GROUPS.items():
            with formatter.section(purpose):
                formatter.write_dl([(it.__name__, _first_line(it)) for it in commands])


def _first_line(command: Callable[..., None]) -> str:
    return (command.__doc__ or "").partition("\n")[0]


app = typer.Typer(
    cls=GroupedCommands,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From a table of data to a trained, evaluated and saved model.",
    epilog="Each command has a --help of its own, for example: capstone run --help",
)
for each in GROUPS.values():
    for command in each:
        app.command()(command)


def main() -> None:
    """Run the command and end with its exit code; what goes wrong is one sentence.

    0 when all is well, 2 for what a user can mend, 130 after Ctrl-C, 1 for a fault of the engine itself.
    """
    # Read when PyTorch is imported. Else a thread that waits for another keeps its core busy: where the machine has
    # other work too, for longer than all the computing takes.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    arguments = [word for word in sys.argv[1:] if word != TRACEBACK]
    with lasting_streams() as output:
        stopped = "Stopped. No run was saved."
        try:
            code = app(arguments or ["--help"], standalone_mode=False)
        except Stopped as ended:
            code, stopped = INTERRUPTED, str(ended)
        except typer.Abort:  # Ctrl-C or Ctrl-D at a question
            code, stopped = INTERRUPTED, "Stopped. Nothing was written."
        except Exception as error:  # the last net: each kind is told, none is hidden
            _end_undisturbed()
            code, sentence = end_of(error)
            if TRACEBACK in sys.argv:
                for line in "".join(traceback.format_exception(error)).splitlines():
                    print(printable(line), file=sys.stderr)
            _print_error(sentence)
        if code == INTERRUPTED:
            _end_undisturbed()
            print(one_line(stopped), file=sys.stderr)
        output.flush()
        if output.lost and not code:
            code = 2
            _print_error(f"What is printed can't be written ({output.lost}); all else was done.")
    sys.exit(code or 0)


def _print_error(sentence: str) -> None:
    rank = os.environ.get("RANK", "0")  # of several processes that torchrun has started
    who = f" in process {rank}" if rank != "0" else ""
    print(f"Error{who}: {one_line(sentence)}", file=sys.stderr)


def end_of(error: Exception) -> tuple[int, str]:
    """How a command ends that an error has stopped.

    Parameters
    ----------
    error : Exception
        Anything at all.

    Returns
    -------
    tuple of int and str
        The exit code, and one sentence: what is wrong, where, and what to do.
    """
    if isinstance(error, CapstoneError):
        return 2, str(error)
    if isinstance(error, TyperException):
        # An option that there is not, or a value that does not suit.
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "capstone"
        return 2, f"{error.format_message().rstrip('.')}; see `{command} --help`."
    if isinstance(error, ModuleNotFoundError) and (library := _missing_library(error)):
        return 2, library
    if is_out_of_memory(error):
        remedy = "close other programs, or take fewer rows or columns"
        return 2, str(too_little_memory("this command", remedy))
    if isinstance(error, OSError) and error.filename is not None:
        name, reason = os.fspath(error.filename), error.strerror or type(error).__name__
        return 2, f"{name!s} can't be used ({reason}): mend that file or folder and try again."
    return 1, _fault(error)


def _fault(error: Exception) -> str:
    """The sentence on what nobody foresaw: a fault of the engine, which the student can't mend and didn't make."""
    engine = Path(__file__).resolve().parents[2]
    places = [
        f"{Path(frame.filename).resolve().relative_to(engine).as_posix()}, line {frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve().is_relative_to(engine)
    ]
    what = ": ".join(filter(None, (type(error).__name__, cut(str(error).strip(), LONGEST_WORD))))
    where = f" in engine/{places[-1]}" if places else ""
    return (
        f"This is a fault of the template's engine, not of your work: {what}{where}. Show your instructor "
        f"what the same command prints with {TRACEBACK}."
    )


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
