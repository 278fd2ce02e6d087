"""`capstone predict FILE`: the model of a run on new rows, by the same graph that a service answers with."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from capstone.commands.options import NEWEST, RunOption
from capstone.core.errors import CapstoneError
from capstone.core.text import count, quoted, say

if TYPE_CHECKING:  # heavy libraries are imported where they are used
    from collections.abc import Iterator

    import pandas as pd

    from capstone.data.chunks import Chunk
    from capstone.runs.folder import Run
    from capstone.serving.inference.served_model import ServedModel

RAW = Path("data", "raw")
ACTION = "action"


def predict(
    file: Annotated[Path, typer.Argument(help="A table with the columns of the training data.")],
    run_id: RunOption = NEWEST,
) -> None:
    """Predict every row of another table, with the action for each."""
    from capstone.core.project import find_root
    from capstone.runs.folder import read_run

    root = find_root()
    run = read_run(root / "runs", run_id)
    target, actions, notes = predict_file(file, run, root)
    for note in notes:
        say(f"Note: {note}.")
    say(f"{count(actions.total(), 'row')} predicted with the model of run {run.id}.")
    chosen = [(name, rows) for name, rows in actions.most_common() if name]
    if done := ", ".join(f"{quoted(name)} for {count(rows, 'row')}" for name, rows in chosen):
        say(f"decisions.py recommends {done}.")
    say(f"Next: open {target}: your rows, the prediction, and the action that is recommended.")


def place_for_predictions(path: Path, root: Path) -> Path:
    """Where the predictions of a table go: beside it, but never into data/raw/, which stays as it came."""
    from capstone.data.reading import PREDICTIONS

    name = path.stem + PREDICTIONS
    if path.resolve().is_relative_to((root / RAW).resolve()):
        return root / "runs" / "predictions" / name
    return path.with_name(name)


def predict_file(path: Path, run: Run, root: Path) -> tuple[Path, Counter[str], list[str]]:
    """Predict every row of a table and write it, with predictions and recommended actions, as a CSV file.

    Returns where it was written, how many rows each action is recommended for ("" for rows without a prediction), and
    what the reader should know.
    """
    from capstone.core.files import open_text
    from capstone.data.chunks import Chunk, read_chunks
    from capstone.data.reading import read_table
    from capstone.runs.folder import read_settings
    from capstone.serving.inference.served_model import ServedModel

    if not path.exists():
        raise CapstoneError(f"{path} does not exist: name a file with the rows to predict.")
    model = ServedModel.load(run.folder, root)
    data = read_settings(run).data
    words = [name for name, kind in model.serving["raw"].items() if kind == "text"]
    chunks: Iterator[Chunk] = read_chunks(path, data, words)
    if model.serving["steps"]["refused"]:  # its steps look at other rows, so they get all of them
        chunks = iter([Chunk(read_table(path, data)[0])])
    target = place_for_predictions(path, root)
    notes = dict.fromkeys(model.notes())  # each once, in order
    actions: Counter[str] = Counter()
    with open_text(target) as file:
        for chunk in chunks:
            differences, predicted = _predict(model, chunk.table, data.leave_out, path)
            notes |= dict.fromkeys(differences)
            _write(file, chunk, predicted, first=not actions)
            actions.update(predicted[ACTION])
            actions[""] += len(chunk.table) - len(predicted)
    lines = list(notes)
    if lost := actions[""]:
        lines.append(
            f"clean() dropped {lost:,} of {actions.total():,} rows: their predictions are left empty"
        )
    if run.info["quick"]:
        lines.append("this model is from a quick run, which learned next to nothing")
    return target, actions, lines


def _predict(
    model: ServedModel, table: pd.DataFrame, leave_out: list[str], path: Path
) -> tuple[list[str], pd.DataFrame]:
    """What the reader should know, and the predictions of the rows that clean() keeps."""
    import pandas as pd

    from capstone.core.decisions import as_columns
    from capstone.data.schema import check_new_table
    from capstone.data.user_steps import apply_step
    from capstone.serving.inference.frames import frame_for_graph

    # New data has no target; where a file holds one all the same, no step may see it.
    inputs = table.drop(columns=[model.target, *leave_out], errors="ignore")
    notes = check_new_table(inputs, model.schema, str(path))
    ready = inputs
    for name in ("clean", "engineer"):
        ready, _ = apply_step(name, ready, model.root)
    prediction = model.predict(frame_for_graph(ready, model.serving["columns"]))
    actions = [row["recommendation"]["action"] for row in model.answers(prediction)]
    columns = {**as_columns(model, prediction), ACTION: actions}
    predicted = pd.DataFrame(columns, index=ready.index)
    repeated = [name for name in predicted if name in table]
    if repeated:
        raise CapstoneError(f'{path} has a column "{repeated[0]}" already: rename it first.')
    return notes, predicted


def _write(file: Any, chunk: Chunk, predicted: pd.DataFrame, first: bool) -> None:
    """Write the rows with their predictions: cells of a CSV file as they were."""
    table = chunk.table
    if chunk.cells is None:
        table.join(predicted).to_csv(file, index=False, header=first, lineterminator="\n")
        return
    import csv

    writer = csv.writer(file, lineterminator="\n")
    if first:
        writer.writerow([*table, *predicted])
    if len(predicted) < len(table):
        predicted = predicted.reindex(table.index).astype(object).fillna("")
    columns = [predicted[name].tolist() for name in predicted]
    predictions = zip(*columns, strict=True)
    writer.writerows([*cells, *row] for cells, row in zip(chunk.cells, predictions, strict=True))
