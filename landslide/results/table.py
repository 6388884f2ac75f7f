"""The shared AUPRC table: a folder on any filesystem, one Parquet file per row."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from landslide.errors import one_line
from landslide.results.order import ROW_ORDER, ordered
from landslide.results.row import SCHEMA, Row
from landslide.retries import patiently
from landslide.storage import Address, absolute, read_bytes, require_writable, write_whole

_SUFFIX = ".parquet"


def write_row(uri: str, row: Row) -> None:
    """Write `row` into the table at `uri`, in one piece and in place of its own earlier row.

    Any number of writers may do so at once: each row is a file of its own.

    Raises
    ------
    OSError
        Where the folder cannot be written.
    """
    uri = absolute(uri)
    table = pa.Table.from_pylist([vars(row)], schema=SCHEMA)
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    with _one_line(f"cannot write row {row.key} to the table {uri}"):
        write_whole(f"{uri}/{row.key}{_SUFFIX}", file.getvalue())


def check_writable(uri: str) -> None:
    """Raise an OSError, which names the way out, where the table's folder cannot be written."""
    uri = absolute(uri)
    require_writable(
        uri, f"to the table folder {uri}", "name a folder that you may write to (--table)"
    )


def results_table(uri: Address) -> pd.DataFrame:
    """Return all rows of the table at `uri`, ordered, failed trials included.

    One row a trial: `inputs`, `timesteps` and `seed`, `auprc` [0 to 1] beside `prevalence`, what a
    random score reaches, `error` where it failed, and all else that `landslide.results.row.Row`
    names. Whole numbers and truth values that may be missing have pandas' nullable dtypes; missing
    real numbers are NaN.

    Raises
    ------
    FileNotFoundError
        Where there are no rows.
    ValueError
        Where the folder holds anything else, naming the first such file.
    OSError
        Where the folder cannot be read.
    """
    rows = _read(uri)
    if not rows:
        raise FileNotFoundError(f"no rows at {uri}; a sweep with --table {uri} writes them")
    nullable: dict[pa.DataType, Any] = {
        pa.int32(): pd.Int32Dtype(),
        pa.int64(): pd.Int64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
    }
    frame = pa.concat_tables(rows).to_pandas(types_mapper=nullable.get)
    plain = {pa.int32(): "int32", pa.bool_(): "bool"}
    required = {
        each.name: plain[each.type] for each in SCHEMA if each.type in plain and not each.nullable
    }
    return ordered(frame.astype(required), [*ROW_ORDER, "key"])


def row_keys(uri: str) -> set[str]:
    """Return the keys of the trials that need not run again: those whose row has no error.

    No folder yet means no rows yet. One request a row, all at once: a row is so small that
    fetching it whole is quicker than finding one column in it.

    Raises
    ------
    ValueError
        Where the folder holds anything but rows.
    OSError
        Where the folder cannot be read.
    """
    rows = _read(uri, ["key", "error"])
    return {row["key"][0].as_py() for row in rows if row["error"][0].as_py() is None}


def is_scored(uri: str, key: str) -> bool:
    """Return whether the table holds a score under this key."""
    try:
        data = patiently(lambda: read_bytes(f"{absolute(uri)}/{key}{_SUFFIX}"))
    except FileNotFoundError:
        return False
    return bool(_parse(f"{key}{_SUFFIX}", data, ["key", "error"])["error"][0].as_py() is None)


def _read(uri: Address, columns: Sequence[str] | None = None) -> list[pa.Table]:
    """Return the rows at `uri`, each a table of one row with the named columns or all."""
    uri = absolute(uri)
    with _one_line(f"cannot read the table {uri}"):
        filesystem, folder = fsspec.core.url_to_fs(uri)
        filesystem.invalidate_cache(folder)  # others write to it while we look
        try:
            entries = filesystem.ls(folder, detail=True)
        except FileNotFoundError:
            return []
    paths = _row_paths(entries, folder.rstrip("/"))
    with _one_line(f"cannot read the table {uri}"):
        # Not `cat`, which would take a bracket in a folder's name for a pattern.
        nothing = [None] * len(paths)
        contents = filesystem.cat_ranges(paths, nothing, nothing, on_error="raise")
    return [_parse(path, data, columns) for path, data in zip(paths, contents, strict=True)]


def _row_paths(entries: Sequence[dict[str, Any]], folder: str) -> list[str]:
    """Return the paths of the rows among a folder's entries, dot-names left out."""
    paths = []
    for entry in entries:
        path = entry["name"].rstrip("/")
        name = path.rpartition("/")[2]
        if path == folder:
            if entry["type"] == "file" and entry["size"]:
                raise NotADirectoryError(f"{path} is a file; a table is a folder of rows")
            continue  # an object store's marker for the folder itself
        if name.startswith("."):
            continue
        if entry["type"] == "directory" or not name.endswith(_SUFFIX):
            raise ValueError(f"{path} is not a row of the table; move it out of the folder")
        paths.append(path)
    return sorted(paths)


def _parse(path: str, data: bytes, columns: Sequence[str] | None) -> pa.Table:
    """Return the one row in a file's bytes."""
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        row = file.read(columns=None if columns is None else list(columns))
        found = file.schema_arrow
    except (pa.ArrowInvalid, OSError) as problem:
        raise ValueError(
            f"{path} is truncated or not Parquet; delete it and run its sweep again"
        ) from problem
    key = path.rpartition("/")[2].removesuffix(_SUFFIX)
    if not found.equals(SCHEMA) or row["key"].to_pylist() != [key]:
        raise ValueError(f"{path} is not a row that this version wrote; move it out of the folder")
    return row


@contextmanager
def _one_line(what: str) -> Iterator[None]:
    """Turn whatever a store raises into one line: each has errors, and manners, of its own."""
    try:
        yield
    except Exception as problem:
        said = f"{what}: {one_line(problem)}; check the address and the credentials"
        raise OSError(said) from problem
