import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import fsspec
import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from landslide.results.row import SCHEMA
from landslide.results.table import check_writable, results_table, row_keys, write_row


@pytest.fixture(params=["local", "memory"])
def uri(request, tmp_path):
    return str(tmp_path / "a [table]") if request.param == "local" else f"memory://{uuid4().hex}/t"


def names(uri):
    filesystem, path = fsspec.core.url_to_fs(uri)
    return sorted(each.rpartition("/")[2] for each in filesystem.ls(path, detail=False))


def test_a_row_comes_back_as_it_was_written(uri, make_row):
    edges = np.array([0, 0.25, 1], dtype=np.float32)
    counts = np.arange(4, dtype=np.int32)
    row = make_row(
        parameters=48_982_754,
        versions=json.dumps({"torch": "2.10.0"}),
        histogram_edges=edges,
        histogram_negative=counts,
        histogram_positive=counts + 1,
    )
    write_row(uri, row)
    [found] = results_table(uri).to_dict("records")
    assert found["parameters"] == 48_982_754
    assert found["written_at"] == row.written_at
    np.testing.assert_array_equal(found["histogram_edges"], edges)
    np.testing.assert_array_equal(found["histogram_positive"], [1, 2, 3, 4])
    assert pd.isna(found["smoothed_difference_auprc"])


def test_the_folder_holds_one_file_for_each_key_and_nothing_else(uri, make_row):
    rows = [make_row(seed=seed) for seed in range(3)]
    for row in rows:
        write_row(uri, row)
    assert names(uri) == sorted(f"{row.key}.parquet" for row in rows)


def test_the_same_key_replaces_its_own_row(uri, make_row):
    write_row(uri, make_row(auprc=0.4))
    write_row(uri, make_row(auprc=0.5))
    assert results_table(uri)["auprc"].tolist() == [0.5]


def test_every_file_has_the_schema_whatever_its_row_leaves_out(tmp_path, make_row, paper_rows):
    for row in [*paper_rows(1), make_row(seed=9, error="lost", test_chips=None, preset=None)]:
        write_row(str(tmp_path), row)
    for file in tmp_path.iterdir():
        assert pq.read_schema(file).equals(SCHEMA)
        assert pq.read_schema(file).field("auprc").metadata[b"description"]


def test_dtypes_do_not_depend_on_what_is_missing(tmp_path, make_row):
    write_row(f"{tmp_path}/whole", make_row(best_epoch=3))
    write_row(f"{tmp_path}/lost", make_row(error="lost", test_chips=None, epochs=None))
    whole, lost = results_table(f"{tmp_path}/whole"), results_table(f"{tmp_path}/lost")
    assert whole.dtypes.drop("error").equals(lost.dtypes.drop("error"))
    assert list(whole.columns) == SCHEMA.names
    assert whole["timesteps"].dtype == "int32"
    assert whole["best_epoch"].dtype == "Int32"
    assert (whole["simulated"].dtype, whole["compiled"].dtype) == ("bool", "boolean")


def test_many_writers_at_once_leave_a_folder_that_every_reader_reads(tmp_path, make_row):
    folder = str(tmp_path / "table")
    rows = [make_row(seed=n % 20, auprc=n / 100) for n in range(80)]  # each key four times
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda row: write_row(folder, row), rows))
    assert len(results_table(folder)) == 20
    assert len(pd.read_parquet(folder)) == 20
    assert ds.dataset(folder).to_table().schema.equals(SCHEMA)
    assert len(list(Path(folder).iterdir())) == 20


def test_rows_are_ordered_by_inputs_as_the_paper_has_them_then_timesteps_and_seed(
    table_of, make_row
):
    wanted = [
        ("vv", 1, 0),
        ("vv", 1, 1),
        ("vv", 2, 0),
        ("vh", 1, 0),
        ("vv+vh", 1, 0),
        ("dem", 0, 0),
    ]
    rows = [make_row(inputs=i, timesteps=n, seed=s) for i, n, s in reversed(wanted)]
    found = table_of(rows)[["inputs", "timesteps", "seed"]]
    assert list(found.itertuples(index=False, name=None)) == wanted


def test_row_keys_leave_out_failed_trials_and_an_absent_folder_has_none(uri, make_row):
    assert row_keys(uri) == set()
    good, failed = make_row(), make_row(seed=1, error="lost")
    write_row(uri, good)
    write_row(uri, failed)
    assert row_keys(uri) == {good.key}
    write_row(uri, replace(failed, error=None, auprc=0.5))
    assert row_keys(uri) == {good.key, failed.key}


def test_no_rows_is_one_line_that_names_the_table(uri):
    with pytest.raises(FileNotFoundError, match=r"^no rows at ") as caught:
        results_table(uri)
    assert uri in str(caught.value)


def test_unfinished_files_and_probes_are_not_rows(tmp_path, make_row):
    write_row(str(tmp_path), make_row())
    (tmp_path / ".abc.parquet.123").write_bytes(b"half")
    assert len(results_table(str(tmp_path))) == 1
    assert len(row_keys(str(tmp_path))) == 1


@pytest.mark.parametrize("read", [results_table, row_keys])
def test_a_truncated_row_is_named_with_the_way_out(uri, make_row, read):
    row = make_row()
    write_row(uri, row)
    filesystem, path = fsspec.core.url_to_fs(f"{uri}/{row.key}.parquet")
    filesystem.pipe_file(path, filesystem.cat_file(path)[:-20])
    with pytest.raises(
        ValueError, match=rf"{row.key}\.parquet is truncated or not Parquet; delete it"
    ) as caught:
        read(uri)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [results_table, row_keys])
def test_foreign_files_are_named(tmp_path, make_row, read):
    folder = tmp_path / "table"
    write_row(str(folder), make_row())
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"notes\.txt is not a row of the table; move it"):
        read(str(folder))
    (folder / "notes.txt").unlink()
    pd.DataFrame({"key": ["ab"], "error": [None]}).to_parquet(folder / "ab.parquet")
    with pytest.raises(ValueError, match=r"ab\.parquet is not a row that this version wrote"):
        read(str(folder))


def test_a_copy_of_a_row_under_another_name_is_foreign(tmp_path, make_row):
    row = make_row()
    write_row(str(tmp_path), row)
    shutil.copy(tmp_path / f"{row.key}.parquet", tmp_path / "copy.parquet")
    with pytest.raises(ValueError, match=r"copy\.parquet is not a row"):
        results_table(str(tmp_path))


def test_a_table_that_is_a_file_is_an_error_of_one_line(tmp_path, make_row):
    file = tmp_path / "table.parquet"
    file.write_bytes(b"mine")
    with pytest.raises(NotADirectoryError, match="a table is a folder"):
        results_table(str(file))
    for act in (lambda: write_row(str(file), make_row()), lambda: check_writable(str(file))):
        with pytest.raises(OSError, match=r"table\.parquet") as caught:
            act()
        assert "\n" not in str(caught.value)


def test_a_writable_folder_is_left_as_it_was(uri, make_row):
    write_row(uri, make_row())
    before = names(uri)
    check_writable(uri)
    assert names(uri) == before


@pytest.mark.parametrize("kind", ["no such filesystem", "beneath a file"])
def test_a_folder_that_cannot_be_written_is_named_with_the_way_out(tmp_path, make_row, kind):
    (tmp_path / "file").write_bytes(b"")
    address = "nosuch://bucket/t" if kind == "no such filesystem" else f"{tmp_path}/file/t"
    with pytest.raises(OSError, match=r"cannot write to the table folder .*; name a fol") as caught:
        check_writable(address)
    assert address in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(OSError, match="cannot write row"):
        write_row(address, make_row())
    if kind == "no such filesystem":
        with pytest.raises(OSError, match="cannot read the table"):
            results_table(address)


def test_an_object_store_holds_a_table_as_a_disk_does(s3_bucket, make_row):
    uri = f"{s3_bucket}/{uuid4().hex}/auprc"
    assert row_keys(uri) == set()
    check_writable(uri)
    rows = [make_row(seed=seed) for seed in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda row: write_row(uri, row), [*rows, make_row(seed=12, error="lost")]))
    assert row_keys(uri) == {row.key for row in rows}
    assert results_table(f"{uri}/")["seed"].tolist() == list(range(13))
    assert names(uri)[-1].endswith(".parquet")
    with pytest.raises(OSError, match="cannot write to the table folder s3://absent/t"):
        check_writable("s3://absent/t")
