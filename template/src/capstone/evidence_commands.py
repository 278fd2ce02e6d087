"""The commands on finished runs: `capstone explain`, `capstone report`, `capstone compare`."""

from __future__ import annotations

from typing import Annotated

import typer

RunId = Annotated[str, typer.Option("--run", metavar="RUN", help="Which run; the newest if none.")]


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

    from capstone.artifacts import read_run, write_text
    from capstone.charts import write_script
    from capstone.project import find_root
    from capstone.row_explanation import as_page, explain_row, in_unit

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


def report(
    run_id: Annotated[
        str, typer.Argument(metavar="[RUN]", help="Which run; the newest if none.")
    ] = "LATEST",
    standalone: Annotated[
        bool,
        typer.Option(
            "--standalone", help="One file of 5 MB that holds everything, to send by mail."
        ),
    ] = False,
) -> None:
    """Write a run's report.html again."""
    from capstone.artifacts import read_run
    from capstone.project import find_root
    from capstone.report import write_report

    root = find_root()
    found = read_run(root / "runs", run_id)
    written = write_report(found, standalone)
    print(f"The report of {found.id}: {written.relative_to(root)}")


def compare() -> None:
    """List the finished runs: scores, and what changed in the settings between them."""
    from capstone.artifacts import write_text
    from capstone.charts import write_script
    from capstone.compare import as_page, comparison
    from capstone.project import find_root

    root = find_root()
    print("\n".join(comparison(root / "runs")))
    write_script(root / "runs")
    target = root / "runs" / "compare.html"
    write_text(target, as_page(root / "runs"))
    print(f"\nThe same as a page: {target.relative_to(root)}")
