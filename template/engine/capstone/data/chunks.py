"""A table of new rows in chunks, so that a file of any size can be predicted."""

from __future__ import annotations

import io
import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.settings import Data
from capstone.data.csv_files import detect_delimiter, fields_of, find_encoding, parse_csv
from capstone.data.packed_files import open_table
from capstone.data.reading import CSV, PARQUET, read_table, table_suffix

ROWS = 20_000  # of a chunk
START = 100_000  # characters that tell how a CSV file is separated


@dataclass(frozen=True)
class Chunk:
    """Some rows in a row. The index is called "row" and counts from 1 over all chunks.

    cells  the rows as they stand in a CSV file, to be written again as they were; None for other files
    """

    table: pd.DataFrame
    cells: list[list[str]] | None = None


def read_chunks(path: Path, data: Data, words: Collection[str]) -> Iterator[Chunk]:
    """The rows of a CSV or Parquet file in chunks; those of another file, or of a folder, all at once.

    words  columns that are text even where all values of a chunk look like numbers
    """
    suffix = table_suffix(path)
    if not path.is_file() or path.stat().st_size == 0 or suffix not in CSV + PARQUET:
        chunks: Iterator[Chunk] = iter([Chunk(read_table(path, data)[0])])
    elif suffix in CSV:
        chunks = _of_csv(path, data, words)
    else:
        chunks = _of_parquet(path)
    rows = 0
    try:
        for chunk in chunks:
            table = chunk.table
            table.index = pd.RangeIndex(rows + 1, rows + len(table) + 1, name="row")
            rows += len(table)
            yield chunk
    except OSError as error:
        raise CapstoneError(f"{path} can't be read: {error.strerror or error}.") from None
    if not rows:
        raise CapstoneError(f"{path} has column names but no rows: add the data below the header.")


def _of_csv(path: Path, data: Data, words: Collection[str]) -> Iterator[Chunk]:
    with open_table(path) as table_file:
        encoding = find_encoding(table_file, path, data.encoding)
        file = io.TextIOWrapper(table_file, encoding, newline="")
        delimiter = data.delimiter
        if delimiter == "auto":
            delimiter = detect_delimiter(file.read(START))
            file.seek(0)
        lines: list[str] = []  # those of the chunk that is being read
        fields = fields_of(_noting(file, lines), delimiter, path)
        next(fields)
        header = lines.copy()
        lines.clear()
        while cells := list(itertools.islice(fields, ROWS)):
            text = "".join(itertools.chain(header, lines))
            lines.clear()
            table, decimal = parse_csv(text, delimiter, data, path, words)
            # With a comma as decimal sign the cells would be read wrongly in a file separated by commas.
            as_they_were = decimal == "." and len(table) == len(cells)
            yield Chunk(table, cells if as_they_were else None)


def _noting(lines: Iterator[str], noted: list[str]) -> Iterator[str]:
    """The same lines; each is noted as it is taken."""
    for line in lines:
        noted.append(line)
        yield line


def _of_parquet(path: Path) -> Iterator[Chunk]:
    import pyarrow.parquet

    from capstone.data.parquet_files import readable, to_pandas

    with open_table(path) as file, readable(path), pyarrow.parquet.ParquetFile(file) as opened:
        for batch in opened.iter_batches(ROWS):
            yield Chunk(to_pandas(batch))
