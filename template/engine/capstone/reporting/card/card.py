"""Fill the model card from a run, and the datasheet from the table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from capstone.core.files import write_text
from capstone.core.settings import Data
from capstone.core.text import count
from capstone.data.reading import fingerprint
from capstone.reporting.card.datasheet import DATASHEET, table_facts
from capstone.reporting.card.front_matter import check_front_matter
from capstone.reporting.card.markdown_blocks import fill, open_points, read_document
from capstone.reporting.card.model_card import MODEL_CARD, model_card_blocks
from capstone.runs.folder import Run


def write_cards(
    root: Path, run: Run, data: Data, table: pd.DataFrame, sample: str = ""
) -> list[str]:
    """Fill both documents, or none where one of them can't be filled.

    Parameters
    ----------
    root : Path
        The project's folder.
    run : Run
        The run whose numbers the model card shows.
    data : Data
        The settings of section [data].
    table : DataFrame
        The raw table, as `data` names it.
    sample : str
        Of a table too large for memory: which of its rows these are.

    Returns
    -------
    list of str
        A sentence on each document, to be printed.

    Raises
    ------
    CapstoneError
        When a marker is missing or doubled, when the front matter doesn't fit, or when the run is not whole.
    """
    card = fill(read_document(root / MODEL_CARD), model_card_blocks(run), root / MODEL_CARD)
    check_front_matter(card, root / MODEL_CARD)
    facts = {"facts": table_facts(table, data, fingerprint(root / data.path), sample)}
    datasheet = fill(read_document(root / DATASHEET), facts, root / DATASHEET)
    write_text(root / MODEL_CARD, card)
    write_text(root / DATASHEET, datasheet)
    return [
        f"{MODEL_CARD.as_posix()}: the numbers of {run.id}{_what_is_left(card)}",
        f"{DATASHEET.as_posix()}: the facts of {data.path}{_what_is_left(datasheet)}",
    ]


def _what_is_left(text: str) -> str:
    lines = open_points(text)
    if not lines:
        return "; nothing is left to answer"
    return f"; {count(len(lines), 'question')} still to answer (first: line {lines[0]})"
