"""What an error says, and how two records differ."""

import pytest

from landslide.errors import differing, one_line


@pytest.mark.parametrize(
    ("one", "other", "names"),
    [
        ({"a": 1, "b": [2]}, {"b": [2], "a": 1}, []),
        ({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 3, "c": 4}, ["b", "c"]),
        ({"a": 1}, {"b": 1}, ["a", "b"]),
        ({"a": None}, {}, ["a"]),
        ({"a": {"b": 1, "c": {"d": 2}}}, {"a": {"b": 1, "c": {"d": 3}, "e": 4}}, ["a.c.d", "a.e"]),
        ({"a": {"b": 1}}, {"a": None}, ["a"]),
    ],
)
def test_records_differ_where_either_says_something_else(
    one: dict[str, object], other: dict[str, object], names: list[str]
) -> None:
    assert differing(one, other) == names


@pytest.mark.parametrize(
    ("error", "most", "said"),
    [
        (ValueError("two\n  lines"), None, "two lines"),
        (ValueError("two\n  lines"), 5, "two l"),
        (ValueError(), None, "ValueError"),
    ],
)
def test_an_error_is_one_line(error: BaseException, most: int | None, said: str) -> None:
    assert one_line(error, most) == said
