"""Starts the service of the folder that this file lies in: python serve.py --help"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Start it. What can be mended is one sentence and exit code 2, without a traceback."""
    os.chdir(HERE)  # the model is looked for from here
    sys.path[:0] = [str(HERE / "engine"), str(HERE / "src")]

    import typer

    from capstone.core.errors import CapstoneError
    from capstone.core.text import one_line
    from capstone.serving.command import serve

    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(serve)
    try:
        app()
    except CapstoneError as error:
        print(f"Error: {one_line(str(error))}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":  # several workers import this file, too
    main()
