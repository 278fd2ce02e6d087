"""Parquet as a table of plain columns: numbers, booleans, moments and text, the same types in every part of a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from capstone.core.errors import CapstoneError, first_line

INDEX = "__index_level_"  # how pandas names the row numbers that it writes beside the columns


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns what pyarrow says of a damaged file into a CapstoneError."""
    try:
        yield
    except OSError as error:
        if error.errno:
            raise  # the disk's, not the file's
        raise CapstoneError(
            f"{path} is not a readable Parquet file: {first_line(error)}."
        ) from None
    except (pa.ArrowException, ValueError, NotImplementedError, MemoryError) as error:
        raise CapstoneError(
            f"{path} is not a readable Parquet file: {first_line(error)}."
        ) from None


def column_names(schema: pa.Schema) -> list[str]:
    """The columns of a table, without the row numbers that pandas may have written."""
    return [name for name in schema.names if not name.startswith(INDEX)]


def to_pandas(rows: pa.Table | pa.RecordBatch) -> pd.DataFrame:
    """Rows as pandas holds them.

    What pandas has noted in the file is not looked at: so an index with a name is a column like any other, and a
    column has one type wherever in the file its rows lie.
    """
    names = column_names(rows.schema)
    columns = [_plain(rows.column(rows.schema.get_field_index(name))) for name in names]
    table = pa.Table.from_arrays(columns, names=names)
    return table.to_pandas(date_as_object=False, ignore_metadata=True)


def odd_columns(schema: pa.Schema) -> list[str]:
    """Columns of lists, records or bytes, which are read as text."""
    return [name for name in column_names(schema) if _is_odd(schema.field(name).type)]


def _is_odd(kind: pa.DataType) -> bool:
    kinds = pa.types
    is_bytes = kinds.is_binary(kind) or kinds.is_large_binary(kind)
    is_bytes = is_bytes or kinds.is_binary_view(kind) or kinds.is_fixed_size_binary(kind)
    return is_bytes or kinds.is_nested(kind) or isinstance(kind, pa.BaseExtensionType)


def _plain(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """A column as numbers, booleans, moments or text."""
    kind, kinds = column.type, pa.types
    if kinds.is_dictionary(kind):
        return _plain(column.cast(kind.value_type))
    if kinds.is_decimal(kind):
        return column.cast(pa.float64())
    if kinds.is_float16(kind):
        return column.cast(pa.float32())
    if kinds.is_duration(kind):
        per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        return pc.divide(column.cast(pa.int64()).cast(pa.float64(), safe=False), per_second)
    if kinds.is_time(kind):
        return column.cast(pa.string())
    return pa.array(map(_text, column), pa.string()) if _is_odd(kind) else column


def _text(cell: pa.Scalar) -> str | None:
    """A list, a record or bytes as text: bytes that are text as they are, others in hexadecimal."""
    value = cell.as_py()
    if not isinstance(value, bytes):
        return None if value is None else str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()
