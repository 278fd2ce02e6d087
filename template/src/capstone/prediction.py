"""`capstone predict FILE`: the model of a run on new rows."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from capstone.artifacts import PARTIAL, Run, write_csv
from capstone.errors import CapstoneError
from capstone.model import TrainedModel
from capstone.project import apply_step
from capstone.reading import PREDICTIONS, read_table
from capstone.schema import check_new_table
from capstone.settings_file import load_settings


def predict_file(path: Path, run: Run, root: Path) -> tuple[Path, pd.DataFrame, list[str]]:
    """Predict every row of a table and write it, predictions beside, to <name>_predictions.csv.

    Returns where it was written, the table, and what the reader should know.
    """
    settings = load_settings(run.folder, file_name="settings.toml")
    schema = json.loads((run.folder / "schema.json").read_text(encoding="utf-8"))
    table, _ = read_table(path, settings.data)
    model = TrainedModel.load(run.folder, root)
    # New data has no target; where a file holds one all the same, no step may see it.
    inputs = table.drop(columns=[model.target.name, *settings.data.leave_out], errors="ignore")
    notes = check_new_table(inputs, schema, str(path))
    cleaned, _ = apply_step("clean", inputs, root)
    ready, _ = apply_step("engineer", cleaned, root)
    columns = model.target.columns(model.predict(ready))
    predicted = pd.DataFrame(columns, index=ready.index)
    repeated = [name for name in predicted if name in table]
    if repeated:
        raise CapstoneError(f'{path} has a column "{repeated[0]}" already: rename it first.')
    lost = len(table) - len(ready)
    if lost:
        notes.append(
            f"clean() dropped {lost} of {len(table)} rows: their predictions are left empty"
        )
    if run.info["quick"]:
        notes.append("this model is from a quick run, which learned next to nothing")
    result = table.join(predicted)
    target = path.with_name(path.stem + PREDICTIONS)
    partial = target.with_name(f"{PARTIAL}{target.name}")
    try:
        write_csv(partial, result)
        partial.replace(target)
    except OSError as error:
        raise CapstoneError(f"{target} can't be written: {error.strerror or error}.") from None
    finally:
        partial.unlink(missing_ok=True)
    return target, result, notes
