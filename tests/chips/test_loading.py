"""Loaded chips carry one mask for every score, and say what they leave out."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from landslide.chips.loading import load_chips
from landslide.chips.split import TRAIN, UNUSED, Chipping
from landslide.chips.stream import plan_stream, stream_chips
from landslide.cube.events import Event

MakeCube = Callable[..., xr.Dataset]


def stream(cube: xr.Dataset, event: Event, **options: object) -> xr.Dataset:
    """Stream chips of 8 pixels with up to 2 timesteps."""
    how: dict[str, object] = {"timesteps": (1, 2), "chipping": Chipping(chip_size=8)} | options
    return stream_chips(cube, event, **how)  # type: ignore[arg-type]


def test_a_label_stays_where_every_channel_and_timestep_count_has_data(
    event: Event, make_cube: MakeCube
) -> None:
    chips = stream(make_cube(missing=0.05), event, inputs=["vv+vh+dem", "coherence"]).compute()
    loaded = load_chips(chips)
    expected = chips["label"].to_numpy().copy()
    for i, y, x in np.ndindex(expected.shape):
        channels = [*chips["sar"].to_numpy()[i, :, :, y, x].ravel()]
        for name, value in zip(
            chips["static_channel"].values, chips["static"].to_numpy()[i, :, y, x], strict=True
        ):
            if name != "dem_aspect":
                channels.append(value)
        if not np.isfinite(channels).all():
            expected[i, y, x] = 255
    assert np.array_equal(loaded["label"], expected)
    assert (expected == 255).sum() > (chips["label"] == 255).sum()
    assert (expected != 255).any()
    xr.testing.assert_identical(loaded["sar"].drop_vars("part"), chips["sar"].drop_vars("part"))


@pytest.mark.parametrize("variable", ["vv", "vh"])
def test_a_pixel_missing_from_the_nearest_image_scores_no_row(
    variable: str, event: Event, make_cube: MakeCube
) -> None:
    cube = make_cube(missing=0)
    cube[variable][3, 1, 2] = np.nan  # the last before the event: only one timestep lacks it
    label = load_chips(stream(cube, event))["label"]
    assert label[0, 1, 2] == 255
    assert (label == 255).sum() == 1


def test_a_pixel_missing_from_a_farther_image_still_scores(
    event: Event, make_cube: MakeCube
) -> None:
    cube = make_cube(missing=0)
    cube["vv"][1, 1, 2] = np.nan
    assert not (load_chips(stream(cube, event))["label"] == 255).any()


@pytest.mark.parametrize("inputs", ["vv+vh+dem", "aspect", "vv+aspect"])
def test_flat_ground_without_an_aspect_excludes_nothing(
    inputs: str, event: Event, make_cube: MakeCube
) -> None:
    cube = make_cube(missing=0)
    cube["dem_aspect"][:] = np.nan
    assert not (load_chips(stream(cube, event, inputs=inputs))["label"] == 255).any()


@pytest.mark.parametrize("variable", ["dem", "dem_slope_radians", "dem_curvature"])
def test_other_terrain_without_a_value_excludes_its_pixel(
    variable: str, event: Event, make_cube: MakeCube
) -> None:
    cube = make_cube(missing=0)
    cube[variable][9, 2] = np.nan
    label = load_chips(stream(cube, event, inputs=["vv", "dem"]))["label"]
    assert np.argwhere(label.values == 255).tolist() == [[1, 1, 2]]


def test_inputs_without_terrain_do_not_mind_its_gaps(event: Event, make_cube: MakeCube) -> None:
    cube = make_cube(missing=0)
    cube["dem"][:] = np.nan
    assert not (load_chips(stream(cube, event, inputs="vv+slope"))["label"] == 255).any()


def test_what_no_backscatter_is_gives_one_warning_with_the_count(
    event: Event, make_cube: MakeCube
) -> None:
    cube = make_cube(missing=0)
    cube["vv"][3, 1, 2] = np.inf
    cube["vh"][5, 9, 2:4] = 0
    with pytest.warns(UserWarning, match="3 backscatter samples are infinite, zero or neg") as seen:
        loaded = load_chips(stream(cube, event))
    assert len(seen) == 1
    assert np.argwhere(loaded["label"].values == 255).tolist() == [[0, 1, 2], [1, 1, 2], [1, 1, 3]]


def test_no_valid_pixel_at_all_is_an_error_that_names_what_lacks(
    event: Event, make_cube: MakeCube
) -> None:
    cube = make_cube(missing=0)
    cube["vh"][:] = 0
    nothing = "no pixel of any chip has data in every channel: vh_before, vh_after have none any"
    with (
        pytest.warns(UserWarning, match="samples are infinite, zero or negative"),
        pytest.raises(ValueError, match=nothing),
    ):
        load_chips(stream(cube, event))


def test_channels_that_have_data_but_nowhere_together_are_said_to(
    event: Event, make_cube: MakeCube
) -> None:
    cube = make_cube(missing=0)
    cube["dem_aspect"][:] = np.nan  # which excludes nothing, and is not named
    cube["vv"][:, ::2] = cube["dem_curvature"][1::2] = np.nan
    never = (
        "no pixel .*: vv_before, vv_after, dem, dem_slope_radians, dem_curvature have some, but "
        "nowhere all of them and a label; check"
    )
    with pytest.raises(ValueError, match=never):
        load_chips(stream(cube, event, inputs="vv+dem"))
    cube["dem_curvature"][:] = np.nan
    with pytest.raises(ValueError, match="every channel: dem_curvature has none anywhere; check"):
        load_chips(
            plan_stream(cube, event, inputs="vv+dem", timesteps=[2], chipping=Chipping(chip_size=8))
        )


def test_where_every_chip_is_damaged_that_is_said(event: Event, make_cube: MakeCube) -> None:
    chips = stream(make_cube(missing=0), event).compute()
    chips["damaged"][:] = True
    with (
        pytest.warns(UserWarning, match="chips are left out"),
        pytest.raises(ValueError, match=r"^every chip needs a damaged chunk: "),
    ):
        load_chips(chips)


def test_a_blocked_chip_that_turns_out_less_than_half_valid_is_unused(
    event: Event, make_cube: MakeCube, every_chip: Callable[..., str]
) -> None:
    cube = make_cube(missing=0)
    cube["vv"][:, 0:4, 0:8] = np.nan  # half of the first chip
    cube["vv"][:, 8:12, 0:8] = cube["vv"][:, 12, 0] = np.nan  # a pixel more of the second
    chipping = Chipping("blocked", chip_size=8)
    loaded = load_chips(
        stream(cube, event, chipping=chipping, split=every_chip((40, 56), chipping))
    )
    assert loaded["part"].values.tolist() == [TRAIN, UNUSED] + [TRAIN] * 33


def test_the_paper_keeps_every_chip_in_its_part(event: Event, make_cube: MakeCube) -> None:
    cube = make_cube(missing=0)
    cube["vv"][:, :30] = np.nan
    chips = stream(cube, event)
    assert load_chips(chips)["part"].values.tolist() == chips["part"].values.tolist()


def test_loading_twice_changes_nothing_and_warns_once(event: Event, make_cube: MakeCube) -> None:
    cube = make_cube()
    cube["vv"][3, 1, 2] = -1
    with pytest.warns(UserWarning, match="1 backscatter samples"):
        loaded = load_chips(stream(cube, event))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        xr.testing.assert_identical(load_chips(loaded), loaded)


def test_loading_does_not_change_the_chips_it_was_given(event: Event, make_cube: MakeCube) -> None:
    chips = stream(make_cube(), event)
    before = chips["label"].to_numpy().copy()
    load_chips(chips)
    assert np.array_equal(chips["label"].to_numpy(), before)
    assert "masked" not in chips.attrs
