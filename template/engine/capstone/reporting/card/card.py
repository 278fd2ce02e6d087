"""`capstone card`: a run's numbers into the model card, the table's facts into the datasheet."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.files import write_text
from capstone.core.settings import Data
from capstone.data.kinds import column_kind
from capstone.data.reading import fingerprint
from capstone.data.splitting import duplicate_groups
from capstone.reporting.card.front_matter import check_front_matter
from capstone.reporting.card.markdown_blocks import (
    blocks,
    code,
    fill,
    open_points,
    read_document,
    table,
)
from capstone.reporting.card.numbers import MOST_COLUMNS, card_blocks
from capstone.runs.folder import Run
from capstone.runs.verify import check_whole
from capstone.streaming.source import table_or_sample

MODEL_CARD = Path("docs", "model_card.md")
DATASHEET = Path("data", "README.md")


def write_cards(root: Path, run: Run, data: Data) -> list[str]:
    """Fill both documents; returns what to say about each. Writes both or none.

    Raises CapstoneError when a marker is missing or doubled, or when the run is not whole.
    """
    columns, _, sample = table_or_sample(root / data.path, data)
    card = fill(read_document(root / MODEL_CARD), run_blocks(run), root / MODEL_CARD)
    check_front_matter(card, root / MODEL_CARD)
    facts = {"facts": table_facts(columns, data, fingerprint(root / data.path), sample)}
    datasheet = fill(read_document(root / DATASHEET), facts, root / DATASHEET)
    write_text(root / MODEL_CARD, card)
    write_text(root / DATASHEET, datasheet)
    return [
        f"{MODEL_CARD.as_posix()}: the numbers of {run.id}{_what_is_left(card)}",
        f"{DATASHEET.as_posix()}: the facts of {data.path}{_what_is_left(datasheet)}",
    ]


def run_blocks(run: Run) -> dict[str, str]:
    """The model card's blocks from a run, after a look at whether the run is whole."""
    check_whole(run)
    try:
        return card_blocks(run)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CapstoneError(
            f"The run in {run.folder} can't be put into a card ({type(error).__name__}: {error}): "
            "it was made by another version; make a new one with `capstone run`."
        ) from None


def run_of_card(text: str, path: Path) -> str:
    """The id of the run that the card's numbers are from; "" when it was never filled."""
    found = blocks(text, path).get("run", (0, 0))
    named = re.search(r"Run `(\w+-\w+)`", text[slice(*found)])
    return named[1] if named else ""


def table_facts(columns: pd.DataFrame, data: Data, sha256: str, sample: str = "") -> str:
    """What a program can say about the raw table: size, fingerprint, kinds and gaps.

    sample  of a table too large for memory: which of its rows these are
    """
    copies = len(columns) - len(np.unique(duplicate_groups(columns)))
    rows = [
        [
            code(name),
            column_kind(columns[name], data.date_format),
            f"{columns[name].isna().sum():,} ({columns[name].isna().mean():.1%})",
            f"{columns[name].nunique():,}",
        ]
        for name in columns.columns[:MOST_COLUMNS]
    ]
    more = len(columns.columns) - len(rows)
    return "\n".join(
        [
            f"- {code(data.path)}, SHA-256 {sha256}.",
            *([f"- Read in blocks; the figures are those of {sample}."] if sample else []),
            f"- {len(columns):,} rows, {len(columns.columns)} columns, "
            f"{columns.isna().sum().sum():,} missing values.",
            f"- {copies:,} rows are exact copies of others.",
            "",
            table(["Column", "Kind", "Missing", "Different values"], rows),
            *([f"\n... and {more:,} more columns: `capstone data` shows them."] if more else []),
        ]
    )


def _what_is_left(text: str) -> str:
    lines = open_points(text)
    if not lines:
        return "; nothing is left to answer"
    return f"; questions left to you: {len(lines)}, the first in line {lines[0]}"
