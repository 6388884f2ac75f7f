"""Statistics of the training chips' valid pixels, and of nothing else."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from landslide.chips.inputs import parse_inputs
from landslide.chips.split import TEST, TRAIN
from landslide.cube.labels import NO_DATA
from landslide.training.normalization import (
    Normalization,
    fit_normalization,
    normalize,
    select_channels,
)

MakeChips = Callable[..., xr.Dataset]
EVERYTHING = parse_inputs("vv+vh+dem")


def fit(chips: xr.Dataset, timesteps: int = 3) -> Normalization:
    return fit_normalization(chips, EVERYTHING, timesteps)


@pytest.mark.parametrize("timesteps", [1, 3])
def test_the_statistics_equal_a_plain_loop(make_chips: MakeChips, timesteps: int) -> None:
    chips = make_chips(train=3, validation=1, test=2)
    found = fit(chips, timesteps)
    assert found.channels == EVERYTHING.channels
    for channel, mean, std in zip(found.channels, found.mean, found.std, strict=True):
        values = []
        for n in range(chips.sizes["chip"]):
            if chips["part"].values[n] != TRAIN:
                continue
            if channel in EVERYTHING.sar_channels:
                plane = chips["sar"].isel(chip=n).sel(timesteps=timesteps, sar_channel=channel)
            else:
                plane = chips["static"].isel(chip=n).sel(static_channel=channel)
            label = chips["label"].values[n]
            values += [
                float(value)
                for value, mark in zip(plane.values.ravel(), label.ravel(), strict=True)
                if mark != NO_DATA and not np.isnan(value)
            ]
        assert mean == pytest.approx(np.mean(values), rel=1e-9)
        assert std == pytest.approx(np.std(values), rel=1e-9)


def test_other_parts_and_pixels_without_data_change_nothing(make_chips: MakeChips) -> None:
    chips = make_chips(train=3, validation=1, test=2)
    other = chips.copy(deep=True)
    ignored = (chips["part"].values != TRAIN)[:, None, None] | (chips["label"].values == NO_DATA)
    for name in ("sar", "static"):
        view = np.moveaxis(other[name].values, (-2, -1), (1, 2))
        view[ignored] = 1e6
    assert (other["sar"].values == 1e6).any()
    assert fit(other) == fit(chips)


def test_each_timestep_count_has_its_own_statistics(make_chips: MakeChips) -> None:
    one, three = fit(make_chips(), 1), fit(make_chips(), 3)
    sar = len(EVERYTHING.sar_channels)
    assert all(a > b for a, b in zip(one.std[:sar], three.std[:sar], strict=True))
    assert one.mean[sar:] == three.mean[sar:]
    assert one.std[sar:] == three.std[sar:]


def test_standardised_training_pixels_have_mean_zero_and_deviation_one(
    make_chips: MakeChips,
) -> None:
    chips = make_chips()
    planes = select_channels(chips, EVERYTHING, 3)
    normalize(planes, fit_normalization(chips, EVERYTHING, 3))
    counted = (chips["part"].values == TRAIN)[:, None, None] & (chips["label"].values != NO_DATA)
    for channel, name in enumerate(EVERYTHING.channels):
        values = planes[:, channel][counted].astype(np.float64)
        if name == "dem_aspect":
            values = values[values != 0]  # flat ground, which became the mean
        assert values.mean() == pytest.approx(0, abs=1e-5)
        assert values.std() == pytest.approx(1, abs=1e-5)


def test_an_elevation_of_any_height_keeps_its_digits(make_chips: MakeChips) -> None:
    chips = make_chips()
    lifted = chips.copy(deep=True)
    lifted["static"][:, 0] += 2048
    assert fit(lifted).std[4] == pytest.approx(fit(chips).std[4], rel=1e-5)


def test_what_has_no_data_becomes_the_mean(make_chips: MakeChips) -> None:
    chips = make_chips()
    chips["sar"][0, :, 1, 5, 6] = np.inf
    chips["sar"][0, :, 1, 5, 7] = -np.inf
    planes = select_channels(chips, EVERYTHING, 3)
    missing = ~np.isfinite(planes)
    assert missing[:, 6, :4].all()  # flat ground has no aspect
    assert missing[0, 1, 5, 6:8].all()
    normalization = fit_normalization(chips, EVERYTHING, 3)
    assert np.isfinite([normalization.mean, normalization.std]).all()
    normalize(planes, normalization)
    assert np.isfinite(planes).all()
    assert (planes[missing] == 0).all()


def test_a_constant_channel_becomes_zero(make_chips: MakeChips) -> None:
    chips = make_chips()
    chips["static"][:, 0] = np.float32(0.1)
    planes = select_channels(chips, EVERYTHING, 3)
    normalization = fit_normalization(chips, EVERYTHING, 3)
    assert normalization.std[4] == 1
    assert (normalize(planes, normalization)[:, 4] == 0).all()


def test_a_channel_without_any_value_becomes_zero(make_chips: MakeChips) -> None:
    chips = make_chips()
    chips["static"][:, 2] = np.nan  # a plain without any aspect
    planes = select_channels(chips, EVERYTHING, 3)
    normalization = fit_normalization(chips, EVERYTHING, 3)
    assert (normalization.mean[6], normalization.std[6]) == (0, 1)
    assert (normalize(planes, normalization)[:, 6] == 0).all()


def test_it_takes_the_mean_away_and_divides_by_the_deviation() -> None:
    values = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    normalization = Normalization(("a", "b", "c"), (1.0, -2.0, 0.0), (2.0, 0.5, 1.0))
    expected = np.stack([(values[:, 0] - 1) / 2, (values[:, 1] + 2) / 0.5, values[:, 2]], axis=1)
    np.testing.assert_allclose(normalize(values.copy(), normalization), expected)


def test_channels_come_in_the_inputs_order(make_chips: MakeChips) -> None:
    chips = make_chips()
    shuffled = chips.isel(sar_channel=[3, 0, 2, 1], static_channel=[2, 3, 1, 0])
    np.testing.assert_array_equal(
        select_channels(shuffled, EVERYTHING, 1), select_channels(chips, EVERYTHING, 1)
    )
    after = select_channels(chips, parse_inputs("vv"), 3)[:, 1]
    np.testing.assert_array_equal(after, chips["sar"].values[:, 1, 1])


def test_the_terrain_alone_needs_no_timesteps(make_chips: MakeChips) -> None:
    planes = select_channels(make_chips(), parse_inputs("dem"), 0)
    np.testing.assert_array_equal(planes, make_chips()["static"].values)


@pytest.mark.parametrize("name", ["vv+vh+dem", "vv", "dem"])
def test_shared_chips_stay_as_they_are(
    name: str, make_chips: MakeChips, read_only: Callable[[xr.Dataset], xr.Dataset]
) -> None:
    inputs, chips = parse_inputs(name), read_only(make_chips())
    planes = select_channels(chips, inputs, 3)
    normalize(planes, fit_normalization(chips, inputs, 3))
    xr.testing.assert_identical(chips, make_chips())


def test_a_channel_that_the_chips_lack_is_named(make_chips: MakeChips) -> None:
    chips = make_chips().isel(sar_channel=[0, 1])
    with pytest.raises(ValueError, match=r"lack vh_before, vh_after: stream them with 'vv\+vh'"):
        select_channels(chips, parse_inputs("vv+vh"), 1)


def test_a_timestep_count_that_the_chips_lack_is_named(make_chips: MakeChips) -> None:
    with pytest.raises(ValueError, match=r"hold \[1, 3\] timesteps, not 2"):
        select_channels(make_chips(), parse_inputs("vv"), 2)


def test_a_training_part_without_data_is_an_error(make_chips: MakeChips) -> None:
    chips = make_chips()
    chips["label"][chips["part"].values == TRAIN] = NO_DATA
    assert (chips["label"].values[chips["part"].values == TEST] != NO_DATA).any()
    for none in (chips, chips.isel(chip=chips["part"].values != TRAIN)):
        with pytest.raises(ValueError, match="training part has no pixel with data"):
            fit(none)
