"""The report's part on why: SHAP values of the student's columns, and permutation importance."""

from __future__ import annotations

import pandas as pd

from capstone.data.kinds import find_date_format, to_dates
from capstone.reporting import charts
from capstone.reporting.pages import chart, section, text
from capstone.runs.results import Story

MOST_BARS, MOST_SWARMS, MOST_DEPENDENCE = 20, 10, 3


def why(story: Story) -> str:
    """Global importance, the swarm, the top columns one by one, and what shuffling says."""
    shap, values = story.shap, story.shap_values
    if shap is None or values is None:
        return section(
            "Why does it predict this?",
            "Not explained: [evaluation] explained_rows is 0, or there are too many columns.",
        )
    metrics, classes = story.metrics["explanation"], story.target.classes
    shown = classes[-1] if len(classes) == 2 else ""
    if len(classes) > 2:
        shown = _class_to_show(story)
        values = values[values["class"] == shown]
    what = f'the probability of "{shown}"' if shown else f'"{story.target.name}"'
    swarm_of = f"what the column adds to {what}"
    top = shap.head(MOST_BARS)
    first, last = top["column"].iloc[0], shap["column"].iloc[-1]
    moved = values.filter(regex="^shap of ").rename(columns=lambda c: c.removeprefix("shap of "))
    held = values.filter(regex="^value of ").rename(columns=lambda c: c.removeprefix("value of "))
    size = "averaged over the classes" if len(classes) > 2 else what
    parts = [
        section(
            "Why does it predict this?",
            f"Each prediction is the average prediction plus what each column adds to it or takes from it (its SHAP "
            f"value). {metrics['rows']:,} test rows were taken apart; the parts add up to the prediction, with an "
            f"error of {metrics['additivity_error']:.0e} of its spread ({metrics['method']}).",
        ),
        chart(
            f"{first} moves the predictions most, {last} least",
            charts.bars(
                top["column"].tolist(),
                top["mean_abs_shap"].tolist(),
                "shap",
                f"mean size of the SHAP value: {size}",
            ),
            shap,
        ),
        chart(
            f"How each column moves {what}, row by row",
            charts.swarm(top["column"].head(MOST_SWARMS).tolist(), moved, held, "swarm", swarm_of),
            moved[top["column"].head(MOST_SWARMS)]
            .describe()
            .rename_axis("of the SHAP values")
            .reset_index(),
            "A dot is a row: to the right, the column raised its prediction. Orange is a high value of the column, "
            "blue a low one, grey a word.",
        ),
    ]
    for number, column in enumerate(top["column"].head(MOST_DEPENDENCE)):
        parts.append(_dependence(column, held[column], moved[column], number, swarm_of))
    return "".join([*parts, _permutation(story, shap)])


def _class_to_show(story: Story) -> str:
    """Of several classes the one where a group was found to be treated differently, else the first."""
    findings = [its["finding"] for its in story.metrics["groups"].values() if "finding" in its]
    return findings[0]["class"] if findings else story.target.classes[0]


def _dependence(column: str, held: pd.Series, moved: pd.Series, number: int, axis: str) -> str:
    """How the SHAP value of a column depends on what the row holds; dates are shown by year."""
    words = not pd.api.types.is_numeric_dtype(held) and held.notna().any()
    if words and (shape := find_date_format(held)):
        held = to_dates(held, shape).dt.year.rename(held.name)
    table = _by_value(held, moved)
    low, high = (
        table.loc[table["mean SHAP value"].idxmin()],
        table.loc[table["mean SHAP value"].idxmax()],
    )
    title = f"{column}: lowest at {_plain(low.iloc[0])}, highest at {_plain(high.iloc[0])}"
    name = f"dependence-{number}"
    if pd.api.types.is_numeric_dtype(held) and not pd.api.types.is_bool_dtype(held):
        drawn = charts.cloud(held.to_numpy(float), moved.to_numpy(), name, (column, axis))
    else:
        drawn = charts.bars(
            table.iloc[:, 0].astype(str).tolist(), table["mean SHAP value"].tolist(), name, axis
        )
    return chart(title, drawn, table)


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _by_value(held: pd.Series, moved: pd.Series) -> pd.DataFrame:
    """The mean SHAP value for each category, or for each tenth of the numbers."""
    if pd.api.types.is_numeric_dtype(held) and held.nunique() > 12:
        cuts = pd.qcut(held.astype(float), 10, duplicates="drop")
        groups = cuts.map(lambda cut: f"{cut.left:.4g} to {cut.right:.4g}", na_action="ignore")
    else:
        groups = held
    groups = groups.astype(object).where(held.notna(), "(missing)")
    means = moved.groupby(groups.to_numpy(), sort=False).agg(["mean", "size"])
    order = held.groupby(groups.to_numpy(), sort=False).first()
    if pd.api.types.is_numeric_dtype(held):
        means = means.loc[order.sort_values().index]
    else:
        means = means.sort_values("size", ascending=False).head(12)
    means = means.rename(columns={"mean": "mean SHAP value", "size": "rows (of the test part)"})
    return means.reset_index(names=str(held.name))


def _permutation(story: Story, shap: pd.DataFrame) -> str:
    """The other importance: what is lost when a column is shuffled."""
    metric = story.metrics["primary_metric"]
    order = shap.sort_values("permutation_importance", ascending=False, kind="stable")
    top, first = order.head(MOST_BARS), order["column"].iloc[0]
    same = first == shap["column"].iloc[0]
    title = f"{'Also for' if same else 'But for'} the score, {first} matters most"
    drawn = charts.bars(
        top["column"].tolist(),
        top["permutation_importance"].tolist(),
        "permutation",
        f"how much {metric} gets worse when the column is shuffled",
    )
    note = (
        "SHAP asks what moves a prediction; shuffling asks what a good prediction needs. A column that moves "
        "predictions but is not missed when shuffled moves them in vain, or others say the same."
    )
    return chart(title, drawn, order[["column", "permutation_importance"]], note) + text()
