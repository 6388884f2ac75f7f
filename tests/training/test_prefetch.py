"""Reading ahead and shuffling hold what they say, and lose nothing."""

import threading
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from landslide.training.prefetch import read_ahead, shuffle_in_window


def shuffled(n: int, window: int, seed: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return [row for row, _ in shuffle_in_window(((i, i) for i in range(n)), window, generator)]


@given(st.integers(0, 40), st.integers(1, 45), st.integers(0, 9))
def test_a_shuffle_gives_each_once_and_the_same_for_the_same_seed(
    n: int, window: int, seed: int
) -> None:
    order = shuffled(n, window, seed)
    assert sorted(order) == list(range(n))
    assert order == shuffled(n, window, seed)


@given(st.permutations(range(12)), st.integers(12, 30), st.integers(0, 9))
def test_a_window_that_holds_all_gives_the_permutation_of_all(
    arriving: list[int], window: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    order = [row for row, _ in shuffle_in_window(((i, i) for i in arriving), window, generator)]
    assert order == torch.randperm(12, generator=torch.Generator().manual_seed(seed)).tolist()


@given(st.integers(1, 40), st.integers(1, 45))
def test_no_more_than_the_window_is_held(n: int, window: int) -> None:
    arrived = 0

    def arriving() -> Iterator[tuple[int, None]]:
        nonlocal arrived
        for row in range(n):
            arrived += 1
            yield row, None

    shuffle = shuffle_in_window(arriving(), window, torch.Generator())
    for left, _ in enumerate(shuffle, start=1):
        assert arrived - left <= window


def test_a_smaller_window_moves_chips_from_their_block() -> None:
    order = shuffled(1000, 50, 0)
    moved = [abs(place - row) for place, row in enumerate(order)]
    assert sum(moved) / len(moved) > 20


def readers() -> set[threading.Thread]:
    return {t for t in threading.enumerate() if t.name.startswith("read-ahead")}


@pytest.mark.parametrize("ahead", [1, 3, 9])
def test_reading_ahead_keeps_the_order_and_its_bound(ahead: int) -> None:
    lock, begun, taken, most = threading.Lock(), 0, 0, 0

    def read(key: int) -> int:
        nonlocal begun, most
        with lock:
            begun += 1
            most = max(most, begun - taken)
        return key * 10

    for expected, value in enumerate(read_ahead(read, range(20), ahead)):
        assert value == expected * 10
        with lock:
            taken += 1
    assert begun == 20
    assert most <= ahead + 1  # what waits or is being read, and what the caller works on


def test_what_fails_as_it_is_read_fails_where_it_is_wanted() -> None:
    def read(key: int) -> int:
        if key == 2:
            raise OSError("gone")
        return key

    before = readers()  # of another test, whose generator is not collected yet
    values, reading = [], read_ahead(read, range(9), 4)
    with pytest.raises(OSError, match="gone"):
        values.extend(reading)
    assert values == [0, 1]
    assert readers() <= before


def test_a_caller_that_stops_leaves_no_thread() -> None:
    before = readers()
    reading = read_ahead(lambda key: key, range(99), 3)
    assert next(reading) == 0
    assert readers() - before
    reading.close()
    assert readers() <= before
