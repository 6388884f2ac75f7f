"""What the images on each side of the event are averaged to."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from landslide.chips.composite import coherence_layers, cumulative_log_means
from landslide.chips.images import coherence_pairs
from landslide.cube.events import Event


def instants(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[ns]")


QUAKE = Event("quake", *instants("2018-09-06", "2018-09-06"))


def plain_means(power: np.ndarray) -> np.ndarray:
    """Compute pixel by pixel, in the order in which the images are given."""
    means = np.full(power.shape, np.nan, np.float32)
    for pixel in np.ndindex(power.shape[1:]):
        total, count = np.float32(0), 0
        for n in range(len(power)):
            value = power[(n, *pixel)]
            if np.isfinite(value) and value > 0:
                total, count = np.float32(total + np.log(value)), count + 1
            if count:
                means[(n, *pixel)] = total / np.float32(count)
    return means


def test_the_mean_of_two_images_is_the_log_of_their_geometric_mean() -> None:
    power = np.array([[[0.1]], [[0.4]], [[0.2]]], dtype=np.float32)
    means, rejected = cumulative_log_means(power)
    np.testing.assert_allclose(np.exp(means.ravel()), [0.1, 0.2, 0.2], rtol=1e-6)
    assert means.dtype == np.float32
    assert rejected == 0


def test_each_pixel_is_averaged_over_its_valid_dates() -> None:
    power = np.array([np.nan, np.e, np.nan, np.e**3], dtype=np.float32)[:, None, None]
    means, _ = cumulative_log_means(power)
    np.testing.assert_allclose(means.ravel(), [np.nan, 1, 1, 2], rtol=1e-6)


def test_what_no_backscatter_is_counts_as_missing_and_is_counted() -> None:
    power = np.array([[np.inf, -np.inf, 0, -0.0, -1, np.nan, 1e-40]], dtype=np.float32)
    means, rejected = cumulative_log_means(power)
    assert np.isnan(means[0, :-1]).all()
    assert np.isfinite(means[0, -1])
    assert rejected == 5


POWER = st.one_of(
    st.floats(2.0**-20, 2.0**12, width=32),
    st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -1.0]),
)


@settings(max_examples=60)
@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 7)),
        elements=POWER,
    )
)
def test_means_equal_a_plain_loop_to_the_bit(power: np.ndarray) -> None:
    means, rejected = cumulative_log_means(power)
    np.testing.assert_array_equal(means, plain_means(power), strict=True)
    assert rejected == sum(
        not np.isnan(value) and not (np.isfinite(value) and value > 0) for value in power.flat
    )


def test_a_mean_does_not_depend_on_the_pixels_around_it() -> None:
    power = np.random.default_rng(0).gamma(2, 0.05, (4, 37, 53)).astype(np.float32)
    power[:, ::7, ::5] = np.nan
    whole, _ = cumulative_log_means(power)
    for rows, columns in [(slice(3, 4), slice(1, 2)), (slice(5, 30), slice(7, 40))]:
        part, _ = cumulative_log_means(power[:, rows, columns])
        np.testing.assert_array_equal(part, whole[:, rows, columns], strict=True)


def test_coherence_is_averaged_before_and_across_and_their_difference_taken() -> None:
    coherence = np.array([0.6, 0.8, np.nan, 0.2, 0.9], dtype=np.float32)[:, None, None]
    before = np.array([True, True, True, False, False])
    across = np.array([False, False, False, True, False])
    layers = coherence_layers(np.broadcast_to(coherence, (5, 3, 4)), before, across)
    assert layers.shape == (3, 3, 4)
    assert layers.dtype == np.float32
    np.testing.assert_allclose(layers[:, 2, 3], [0.7, 0.2, -0.5], rtol=1e-6)


def test_a_pixel_without_coherence_on_a_side_has_no_change() -> None:
    coherence = np.array([[[0.5, np.nan]], [[np.nan, 0.5]]], dtype=np.float32)
    layers = coherence_layers(coherence, np.array([True, False]), np.array([False, True]))
    assert np.isnan(layers).tolist() == [[[False, True]], [[True, False]], [[True, True]]]


def pairs_of(*pairs: tuple[str, str]) -> xr.Dataset:
    first, second = zip(*pairs, strict=True)
    return xr.Dataset(
        coords={
            "reference_time": ("timepair", instants(*first)),
            "secondary_time": ("timepair", instants(*second)),
        }
    )


def test_pairs_lie_before_the_event_or_span_it() -> None:
    cube = pairs_of(
        ("2018-09-01T06", "2018-09-03T06"),
        ("2018-09-05T06", "2018-09-07T06"),
        ("2018-09-07T06", "2018-09-09T06"),
        ("2018-09-09T06", "2018-09-03T06"),  # the later image may be the reference
        ("2018-09-03T06", "2018-09-01T06"),
    )
    before, across = coherence_pairs(cube, QUAKE)
    assert before.tolist() == [True, False, False, False, True]
    assert across.tolist() == [False, True, False, True, False]


def test_a_pair_with_dates_alone_is_sorted_by_its_days_beside_pairs_with_instants() -> None:
    (noon,) = instants("2018-09-06T12")
    cube = pairs_of(
        ("2018-09-01T06", "2018-09-03T06"),
        ("2018-09-01", "2018-09-06"),  # of the event's own day, perhaps after it
        ("2018-09-01", "2018-09-08"),
        ("2018-09-05T06", "2018-09-07T06"),
    )
    before, across = coherence_pairs(cube, Event("quake", noon, noon))
    assert before.tolist() == [True, False, False, False]
    assert across.tolist() == [False, False, True, True]


def test_pairs_of_days_on_which_only_another_orbit_looks_are_left_out() -> None:
    cube = pairs_of(
        ("2018-09-01", "2018-09-03"),
        ("2018-09-02", "2018-09-04"),
        ("2018-09-03", "2018-09-09"),
        ("2018-09-04", "2018-09-08"),
        ("2018-08-01", "2018-09-09"),  # no image of that day is in the cube
        ("2018-09-03", "2018-09-08"),  # a pair of two geometries says nothing
    ).assign_coords(
        {
            "timestep": instants(
                *(f"2018-09-0{day}T06" for day in (1, 2, 3, 4, 8, 9)), "2018-09-09T18"
            ),
            "sat:relative_orbit": ("timestep", [46, 68, 46, 68, 68, 46, 68]),
        }
    )
    before, across = coherence_pairs(cube, QUAKE, "46")
    assert before.tolist() == [True, False, False, False, False, False]
    assert across.tolist() == [False, False, True, False, True, False]
    before, across = coherence_pairs(cube, QUAKE, "any")
    assert before.sum() + across.sum() == 6
    only_others = cube.isel(timepair=[1, 3])
    with pytest.raises(
        ValueError,
        match=r"there are 0 and 0 of orbit 46, and 2 of others: choose their orbit \(--orbit\)",
    ):
        coherence_pairs(only_others, QUAKE, "46")


def test_pairs_without_dates_or_without_one_of_each_kind_are_an_error() -> None:
    with pytest.raises(ValueError, match="coherence needs the coordinates reference_time and sec"):
        coherence_pairs(xr.Dataset(), QUAKE)
    only_before = pairs_of(("2018-09-01T06", "2018-09-03T06"))
    with pytest.raises(ValueError, match="one across it, there are 1 and 0: choose inputs without"):
        coherence_pairs(only_before, QUAKE)
