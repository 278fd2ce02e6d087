"""Parquet files, read a block of rows at a time, so that memory does not depend on how many there are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from capstone.core.errors import CapstoneError
from capstone.core.settings import Data
from capstone.data.packed_files import GROWS
from capstone.data.parquet_files import column_names, readable, to_pandas
from capstone.data.reading import (
    CSV,
    PARQUET,
    fingerprint,
    read_table,
    skipped_files,
    table_files,
)
from capstone.streaming.dealing import as_shares

# A Parquet table larger than this share of the memory is read in blocks: its copies need several times that.
SHARE = 0.1
CARD_SHARE = 0.25  # of a graphics card's memory: fewer copies lie there
CELLS = 2_000_000  # in a block: 16 MB of numbers
GLANCES = 8  # places of the table that `look` reads
LOOKED_AT = 20_000  # rows of them together
SAMPLE = 100_000  # rows that stand for a table in `capstone data` and in the datasheet
SAMPLE_SEED = 0
# Else pyarrow keeps all of a file that it has read until the file is closed.
PIECEMEAL = {"pre_buffer": False, "buffer_size": 1 << 20}
CONVERT = (
    "python -c \"import pyarrow.csv as c, pyarrow.parquet as p; r = c.open_csv('{csv}'); "
    "w = p.ParquetWriter('{parquet}', r.schema); [w.write_batch(b) for b in r]; w.close()\""
)


@dataclass(frozen=True)
class Source:
    """A Parquet file, or a folder of them with the same columns.

    as_float, as_object  columns of whole numbers and of booleans with gaps somewhere: pandas holds these in
                         another type, and it must be the same in every block
    """

    path: Path
    files: list[Path]
    rows: int
    names: list[str]
    as_float: list[str]
    as_object: list[str]

    @property
    def block_rows(self) -> int:
        """Rows in a block."""
        return max(CELLS // max(len(self.names), 1), 100)

    def blocks(self) -> Iterator[pd.DataFrame]:
        """All rows in order, block by block. The index is called "row" and counts from 1 over all files."""
        first = 1
        for file in self.files:
            with readable(file), pq.ParquetFile(file, **PIECEMEAL) as opened:
                for batch in opened.iter_batches(self.block_rows):
                    if batch.num_rows:
                        yield self._as_table(batch, first)
                    first += batch.num_rows

    def look(self) -> pd.DataFrame:
        """Some rows from several places of the table."""
        groups, first = [], 1
        for file in self.files:
            described = pq.read_metadata(file)
            for number in range(described.num_row_groups):
                groups.append((file, number, first))
                first += described.row_group(number).num_rows
        chosen = np.unique(np.linspace(0, len(groups) - 1, GLANCES).astype(int))
        some = min(LOOKED_AT // len(chosen), self.block_rows)
        tables = []
        for file, number, first in (groups[place] for place in chosen):
            with readable(file), pq.ParquetFile(file, **PIECEMEAL) as opened:
                batch = next(opened.iter_batches(some, row_groups=[number]))
                tables.append(self._as_table(batch, first))
        return pd.concat(tables)

    def _as_table(self, batch: pa.RecordBatch, first: int) -> pd.DataFrame:
        table = to_pandas(batch)
        table = table.astype(dict.fromkeys(self.as_float, "float64"))
        table = table.astype(dict.fromkeys(self.as_object, object))
        table.index = pd.RangeIndex(first, first + len(table), name="row")
        return table


def memory() -> int:
    """Bytes of memory that this program may use: the machine's, or fewer in a container on Linux."""
    total = psutil.virtual_memory().total
    with suppress(OSError, ValueError):  # ValueError: "max", without a limit
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return total


def is_streamed(path: Path, data: Data, card: float = math.inf) -> bool:
    """Whether the table is to be read in blocks: it is large, or `[data] streaming` says so.

    card  bytes of memory of the graphics card that trains, if one does
    Raises CapstoneError when it would have to be, and its kind of file can't be.
    """
    if data.streaming == "never" or not path.exists():
        return False
    files = table_files(path)
    odd = [file for file in files if file.suffix.lower() not in PARQUET]
    if files and not odd:
        return data.streaming == "always" or _size(files) > min(SHARE * memory(), CARD_SHARE * card)
    size, most = sum(file.stat().st_size for file in odd), memory()
    if odd and (data.streaming == "always" or size * GROWS > most):
        why = '[data] streaming is "always"'
        if size * GROWS > most:
            why = f"it has {size / 1e9:,.1f} GB, and this machine's memory {most / 1e9:,.1f} GB"
        how = "save it as Parquet"
        if odd[0].suffix.lower() in CSV:
            written = odd[0].with_suffix(".parquet").as_posix()
            line = CONVERT.format(csv=odd[0].as_posix(), parquet=written)
            how = f"make it Parquet and set [data] path to that file, e.g. {line}"
        raise CapstoneError(
            f"{odd[0]} can't be read in blocks as it is ({why}), only Parquet can: {how}."
        )
    return False


def _described(file: Path) -> pq.ParquetFile:
    with readable(file):
        return pq.ParquetFile(file)


def open_source(path: Path) -> Source:
    """The files at `path`, after a look at whether they fit together."""
    files = table_files(path)
    described = [_described(file) for file in files]
    schema = described[0].schema_arrow
    names = column_names(schema)
    if repeated := {name for name in names if names.count(name) > 1}:
        raise CapstoneError(
            f'{files[0]} has several columns called "{min(repeated)}": give every column a name of its own.'
        )
    for file, its in zip(files, described, strict=True):
        _refuse_other_columns(schema, its.schema_arrow, files[0], file)
    rows = sum(its.metadata.num_rows for its in described)
    if not rows:
        raise CapstoneError(f"{path} has column names but no rows.")
    gaps = [
        name
        for name in names
        if any(_may_have_gaps(its.metadata, schema.names.index(name)) for its in described)
    ]
    as_float = [name for name in gaps if pa.types.is_integer(schema.field(name).type)]
    as_object = [name for name in gaps if pa.types.is_boolean(schema.field(name).type)]
    for its in described:
        its.close()
    return Source(path, files, rows, names, as_float, as_object)


def table_or_sample(path: Path, data: Data) -> tuple[pd.DataFrame, str, str]:
    """The table, how it was read, and "".

    Of a table that is read in blocks a sample, and which words to tell it by.
    """
    if not is_streamed(path, data):
        return *read_table(path, data), ""
    source = open_source(path)
    chosen = [
        block[as_shares(block.index.to_numpy(), SAMPLE_SEED) < SAMPLE / source.rows]
        for block in source.blocks()
    ]
    table = pd.concat(chosen)
    said = f"a sample of {len(table):,} of the {source.rows:,} rows, drawn at random"
    return (
        table,
        f"Parquet, in blocks{skipped_files(path)}",
        said if len(table) < source.rows else "",
    )


def fingerprint_of(path: Path) -> str:
    """As `fingerprint`; a file that can't be read gets a sentence."""
    try:
        return fingerprint(path)
    except OSError as error:
        raise CapstoneError(f"{path} can't be read: {error.strerror or error}.") from None


def _size(files: list[Path]) -> float:
    """Bytes that the table takes in memory, about: 8 for each cell, or what Parquet says if it is more."""
    size = 0.0
    for file in files:
        try:
            described = pq.read_metadata(file)
        except (pa.ArrowException, OSError):  # reading it will say what is wrong
            return 0.0
        groups = range(described.num_row_groups)
        stored = sum(described.row_group(number).total_byte_size for number in groups)
        size += max(8 * described.num_rows * described.num_columns, stored)
    return size


def _may_have_gaps(described: pq.FileMetaData, column: int) -> bool:
    """Whether a column has missing values, or doesn't say that it has none."""
    for number in range(described.num_row_groups):
        statistics = described.row_group(number).column(column).statistics
        if statistics is None or not statistics.has_null_count or statistics.null_count:
            return True
    return False


def _refuse_other_columns(expected: pa.Schema, its: pa.Schema, first: Path, file: Path) -> None:
    """All files of a folder must have the same columns, in name, order and type."""
    if its.names != expected.names:
        odd = sorted(set(its.names) ^ set(expected.names)) or ["the order"]
        raise CapstoneError(
            f"{file} has other columns than {first.name} ({', '.join(odd[:5])}): "
            "all files of a folder must have the same columns."
        )
    for name, one, other in zip(its.names, expected.types, its.types, strict=True):
        if one != other:
            raise CapstoneError(
                f'Column "{name}" is {other} in {file}, but {one} in {first.name}: write all files of the '
                "folder with the same types."
            )
