"""The datasheet's facts: what a program can say about the raw table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from capstone.core.settings import Data
from capstone.data.kinds import column_kind
from capstone.data.splitting import duplicate_groups
from capstone.reporting.card.markdown_blocks import code, markdown_table

DATASHEET = Path("data", "README.md")
MOST_COLUMNS = 60  # in the table of columns


def table_facts(table: pd.DataFrame, data: Data, sha256: str, sample: str = "") -> str:
    """What a program can say about the raw table: size, fingerprint, kinds and gaps.

    sample  of a table too large for memory: which of its rows these are
    """
    copies = len(table) - len(np.unique(duplicate_groups(table)))
    rows = [
        [
            code(name),
            column_kind(table[name], data.date_format),
            f"{table[name].isna().sum():,} ({table[name].isna().mean():.1%})",
            f"{table[name].nunique():,}",
        ]
        for name in table.columns[:MOST_COLUMNS]
    ]
    more = len(table.columns) - len(rows)
    return "\n".join(
        [
            f"- {code(data.path)}, SHA-256 {sha256}.",
            *([f"- Read in blocks; the figures are those of {sample}."] if sample else []),
            f"- {len(table):,} rows, {len(table.columns)} columns, "
            f"{table.isna().sum().sum():,} missing values.",
            f"- {copies:,} rows are exact copies of others.",
            "",
            markdown_table(["Column", "Kind", "Missing", "Different values"], rows),
            *([f"\n... and {more:,} more columns: `capstone data` shows them."] if more else []),
        ]
    )
