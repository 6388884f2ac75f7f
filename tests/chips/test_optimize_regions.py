"""The regions of an optimised cube, each read, written and verified as one."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from landslide.chips.optimize.regions import divide

lengths = st.integers(1, 18)


@given(
    st.tuples(lengths, lengths, lengths),
    st.tuples(st.integers(2, 9), st.integers(2, 9), st.integers(3, 9)),
    st.tuples(st.integers(1, 9), st.integers(1, 20), st.integers(1, 20)),
    st.integers(1, 20_000),
)
def test_regions_cover_a_variable_once_in_whole_shards(
    shape: tuple[int, ...], shards: tuple[int, ...], chunks: tuple[int, ...], limit: int
) -> None:
    source = [np.arange(n) // c for n, c in zip(shape, chunks, strict=True)]
    regions = divide("vv", shape, shards, source, 4, limit)
    seen = np.zeros(shape, int)
    reads = 0
    for box in regions.boxes:
        seen[box.slices] += 1
        assert all(start % shard == 0 for start, shard in zip(box.start, shards, strict=True))
        reads += math.prod(
            np.unique(numbers[along]).size
            for numbers, along in zip(source, box.slices, strict=True)
        )
    assert (seen == 1).all()
    assert regions.reads == reads >= regions.chunks == math.prod(n[-1] + 1 for n in source)
    smallest = math.prod(min(a, b) for a, b in zip(shape, shards, strict=True)) * 4
    assert regions.bytes <= max(limit, smallest)
    if math.prod(shape) * 4 <= limit:
        assert regions.reads == regions.chunks
