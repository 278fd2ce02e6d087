"""`capstone explain --row ID`: why the network predicts what it predicts for one row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from capstone.commands.options import NEWEST, RunOption
from capstone.core.errors import CapstoneError, did_you_mean
from capstone.core.text import cell_text, say, say_each

if TYPE_CHECKING:  # heavy libraries are imported where they are used
    import pandas as pd

    from capstone.reporting.explanation_page import RowExplanation
    from capstone.runs.folder import Run
    from capstone.training.target import Target


def explain(
    row: Annotated[
        str, typer.Option("--row", metavar="ID", help="The row's id, or its number without an id.")
    ],
    run_id: RunOption = NEWEST,
) -> None:
    """Show how each column moved the prediction of one row."""
    from capstone.commands.console import show_table
    from capstone.core.files import write_text
    from capstone.core.project import find_root
    from capstone.reporting.charts import write_script
    from capstone.reporting.explanation_page import explanation_page, in_unit
    from capstone.runs.folder import read_run

    root = find_root()
    run = read_run(root / "runs", run_id)
    explanation = explain_row(root, run, row)
    say_each(explanation.sentences)
    rows = [
        [str(column), value, in_unit(moved, explanation.is_share, move=True)]
        for column, value, moved in explanation.columns.itertuples(index=False)
    ]
    show_table("", ["column", "value", "moves the prediction by"], rows)
    write_script(root / "runs")
    name = "".join(letter if letter.isalnum() else "_" for letter in row)[:40]
    target = run.folder / f"explain_{name}.html"
    write_text(target, explanation_page(explanation, run.name))
    say(f"The same as a page: {target.relative_to(root)}")
    say("Next: `capstone serve` lets you change the row's values and watch.")


def explain_row(root: Path, run: Run, wanted: str) -> RowExplanation:
    """Explain a row of the run's table, named by its id or, without an id column, by its row number."""
    import pandas as pd

    from capstone.evaluation.explanation import Plan
    from capstone.evaluation.explanation import explain as shap_values
    from capstone.pipeline import RunOptions
    from capstone.reporting.explanation_page import RowExplanation
    from capstone.runs.folder import read_settings
    from capstone.streaming.pipeline import open_pipeline
    from capstone.training.model import TrainedModel

    settings = read_settings(run)
    model = TrainedModel.load(run.folder, root)
    options = RunOptions(keep_row=wanted, streamed=run.info.get("streamed", False))
    pipeline = open_pipeline(settings, root, options, say=lambda line: None)
    pipeline.load().clean().engineer().split()
    if pipeline.sha256 != run.info["data"]["sha256"]:
        raise CapstoneError(
            f"{settings.data.path} has changed since {run.id}: explain a newer run, or run again."
        )
    row, target = _find(pipeline.table, settings.data.id, wanted), model.target
    features, preprocessor = pipeline.table[pipeline.features], model.preprocessor
    rows = preprocessor.transform(features.loc[[row]])
    background = preprocessor.transform(features.loc[pipeline.parts["train"]])
    origins, seed = preprocessor.origins, settings.seed
    # The run's own plan: a row of the report gets the numbers that it has there.
    plan = Plan.of_run(run.metrics, list(dict.fromkeys(origins)), model.parameters())
    explanation = shap_values(model.predict_matrix, rows, background, origins, seed, plan)
    output, name, predicted = _explained_output(target, model.predict_matrix(rows)[0])
    columns = pd.DataFrame(
        {
            "column": explanation.columns,
            "value": [cell_text(features.loc[row, name]) for name in explanation.columns],
            "moved": explanation.values[0, :, output],
        }
    )
    order = columns["moved"].abs().sort_values(ascending=False, kind="stable").index
    parts = [part for part, members in pipeline.parts.items() if row in members]
    return RowExplanation(
        row=wanted,
        part=parts[0] if parts else "none",
        output=name,
        base=float(explanation.base[output]),
        predicted=predicted,
        truth=cell_text(pipeline.target[row]),
        columns=columns.loc[order].reset_index(drop=True),
        method=explanation.method,
        is_share=target.problem != "regression",
    )


def _explained_output(target: Target, prediction: Any) -> tuple[int, str, float]:
    """Which of the model's outputs is explained, by its number and its name, and what is predicted.

    Of two classes it is the second one's probability, of more the likeliest one's.
    """
    if target.problem == "regression":
        return 0, target.name, float(prediction)
    number = 1 if target.problem == "binary" else int(prediction.argmax())
    return number, f"probability of {target.classes[number]}", float(prediction[number])


def _find(table: pd.DataFrame, id_column: str, wanted: str) -> int:
    """The row number of an id, or the number itself."""
    if id_column in table:
        ids = table[id_column].astype(str)
        matches = table.index[ids == wanted]
        if len(matches):
            return int(matches[0])
        known, what = ids.head(5000).tolist(), f'{id_column} "{wanted}"'
    else:
        if wanted.isdigit() and int(wanted) in table.index:
            return int(wanted)
        known, what = [str(number) for number in table.index[:3]], f"row number {wanted}"
    raise CapstoneError(
        f"No row with a target, as clean() leaves the table, has the {what}{did_you_mean(wanted, known)}"
    )
