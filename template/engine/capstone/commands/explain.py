"""`capstone explain --row ID`: why the network predicts what it predicts for one row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from capstone.commands.options import NEWEST, RunOption
from capstone.core.errors import CapstoneError, did_you_mean
from capstone.core.text import cell_text, number

if TYPE_CHECKING:  # heavy libraries are imported where they are used
    import pandas as pd

    from capstone.runs.folder import Run
    from capstone.training.target import Target


def explain(
    row: Annotated[
        str, typer.Option("--row", metavar="ID", help="The row's id, or its number without an id.")
    ],
    run_id: RunOption = NEWEST,
) -> None:
    """Why the model predicts what it predicts for one row: what each column adds."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from capstone.core.files import write_text
    from capstone.core.project import find_root
    from capstone.reporting.charts import write_script
    from capstone.runs.folder import read_run

    root = find_root()
    run = read_run(root / "runs", run_id)
    explanation = explain_row(root, run, row)
    for line in explanation.sentences:
        print(line)
    shown = Table("column", "value", "moves the prediction by", box=SIMPLE, padding=(0, 1, 0, 0))
    for column, value, moved in explanation.columns.itertuples(index=False):
        shown.add_row(column, value, in_unit(moved, explanation.is_share, move=True))
    Console().print(shown)
    write_script(root / "runs")
    target = run.folder / f"explain_{''.join(c if c.isalnum() else '_' for c in row)[:60]}.html"
    write_text(target, as_page(explanation, run))
    print(f"The same as a page: {target.relative_to(root)}")


@dataclass(frozen=True)
class RowExplanation:
    """One row's prediction, taken apart.

    columns  column, value, and `moved`: its SHAP value, the largest first
    base     what is predicted on average; base and all of `moved` add up to `predicted`
    output   what is explained: "price", or "probability of yes"
    """

    row: str
    part: str
    output: str
    base: float
    predicted: float
    truth: str
    columns: pd.DataFrame
    method: str

    @property
    def is_share(self) -> bool:
        """Whether a probability is explained."""
        return self.output.startswith("probability of ")

    @property
    def sentences(self) -> list[str]:
        """The explanation in words, without the table."""
        predicted, base = in_unit(self.predicted, self.is_share), in_unit(self.base, self.is_share)
        first = self.columns.iloc[0]
        way = "raises" if first["moved"] > 0 else "lowers"
        by = in_unit(first["moved"], self.is_share, move=True)
        return [
            f"Row {self.row} ({self.part} part): {self.output} {predicted}; the truth is {self.truth}.",
            f"On average {base} is predicted. {first['column']} = {first['value']} {way} it most: {by}.",
        ]


def explain_row(root: Path, run: Run, wanted: str) -> RowExplanation:
    """Explain a row of the run's table, named by its id or, without an id column, by its row number."""
    import pandas as pd

    from capstone.core.settings_file import load_settings
    from capstone.evaluation.explanation import explain as shap_values
    from capstone.pipeline import RunOptions
    from capstone.streaming.pipeline import open_pipeline
    from capstone.training.model import TrainedModel

    settings = load_settings(run.folder, file_name="settings.toml")
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
    origins, size = preprocessor.origins, model.parameters()
    explanation = shap_values(model.predict_matrix, rows, background, origins, settings.seed, size)
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
        f"No row of the table, as clean() leaves it, has the {what}{did_you_mean(wanted, known)}"
    )


def in_unit(value: float, is_share: bool, move: bool = False) -> str:
    """A number of the target's unit, or a percentage; a move of it has its sign, or is in points."""
    sign = "+" if move and value > 0 else ""
    if is_share:
        return f"{sign}{value * 100:.1f} {'points' if move else '%'}"
    return sign + number(value, ".3g")


def as_page(explanation: RowExplanation, run: Run) -> str:
    """The explanation as a page that stands alone, with a waterfall from the average to this row."""
    from capstone.reporting import charts
    from capstone.reporting.pages import chart, page, text

    shown = explanation.columns.head(15)
    labels = [f"{line.column} = {str(line.value)[:30]}" for line in shown.itertuples()]
    rest = float(explanation.columns["moved"].iloc[15:].sum())
    moves = shown["moved"].tolist()
    if len(explanation.columns) > 15:
        labels, moves = [*labels, "all other columns"], [*moves, rest]
    first = explanation.columns.iloc[0]
    return page(
        f"Why this prediction? Row {explanation.row}",
        text(*explanation.sentences, lead=True),
        chart(
            f"{first['column']} counts most for this row",
            charts.waterfall(labels, moves, explanation.base, "waterfall", explanation.output),
            explanation.columns.rename(columns={"moved": "moves the prediction by"}),
            f"From what is predicted on average to this row's prediction; {explanation.method}.",
        ),
        text(f"Run {run.id}. What moves a prediction is not what causes the outcome."),
        report=True,
        head=charts.script(False),
    )
