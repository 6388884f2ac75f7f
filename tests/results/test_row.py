from dataclasses import fields, replace

import pyarrow as pa
import pytest

from landslide.results.row import SCHEMA, Row


def test_the_schema_has_the_rows_fields_in_their_order_each_described():
    assert SCHEMA.names == [each.name for each in fields(Row)]
    assert all(each.metadata[b"description"] for each in SCHEMA)
    assert all(name == name.lower() for name in SCHEMA.names)


def test_what_identifies_a_trial_is_never_null_and_everything_else_may_be():
    required = [each.name for each in SCHEMA if not each.nullable]
    assert required == [*SCHEMA.names[:10], "written_at"]


def test_column_types_are_those_that_readers_rely_on():
    assert SCHEMA.field("timesteps").type == pa.int32()
    assert SCHEMA.field("auprc").type == pa.float64()
    assert SCHEMA.field("written_at").type == pa.timestamp("us", tz="UTC")
    assert SCHEMA.field("histogram_positive").type.value_type == pa.int32()


def test_a_row_is_built_from_keywords_only():
    with pytest.raises(TypeError):
        Row("abc")  # type: ignore[call-arg, misc]


def test_an_error_of_several_lines_becomes_one(make_row):
    assert make_row(error="CUDA out\n  of memory\n").error == "CUDA out of memory"
    assert make_row(error="\n").error == "no message"


@pytest.mark.parametrize("key", ["", "../up", "ABC", "vv-1"])
def test_a_key_that_is_no_hexadecimal_digest_is_refused(make_row, key):
    with pytest.raises(ValueError, match="hexadecimal"):
        make_row(key=key)


def test_a_row_needs_a_score_or_an_error_and_not_both(make_row):
    with pytest.raises(ValueError, match="either an auprc or an error"):
        make_row(auprc=None)
    with pytest.raises(ValueError, match="either an auprc or an error"):
        replace(make_row(), error="lost")
    with pytest.raises(ValueError, match="give an error instead"):
        make_row(auprc=float("nan"))
