"""What a cube cannot give is refused in one line, before any image is read."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import xarray as xr

from landslide.chips.inputs import PAPER_INPUTS
from landslide.chips.split import Chipping
from landslide.chips.stream import stream_chips
from landslide.cube.events import Event


@pytest.mark.parametrize(
    ("drop", "inputs", "message"),
    [
        ("vh", PAPER_INPUTS, r"inputs 'vh', 'vv\+vh', 'vv\+vh\+dem' need vh, which the cube"),
        ("vh", "dem + VH", "^inputs 'dem . VH' need vh, which the cube lacks: it has vv, dem, "),
        ("dem_slope_radians", "vv+slope", "need dem_slope_radians, which the cube lacks"),
        ("coherence", "coherence", "need coherence, which the cube lacks"),
        ("landslides", "vv", "has no `landslides`: labels are needed"),
    ],
)
def test_a_missing_variable_is_named_with_those_there_are(
    drop: str,
    inputs: Sequence[str],
    message: str,
    event: Event,
    make_cube: Callable[..., xr.Dataset],
) -> None:
    with pytest.raises(ValueError, match=message) as error:
        stream_chips(make_cube().drop_vars(drop), event, inputs=inputs)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "timesteps",
    [(), (0,), (-1, 2), (1.5,), (float("inf"),), (float("nan"),), 0, "4", ["4"]],
)
def test_timesteps_are_whole_numbers_from_1_on(
    timesteps: tuple[int, ...], event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    with pytest.raises(ValueError, match="timesteps are whole numbers from 1 on, not"):
        stream_chips(make_cube(), event, timesteps=timesteps)


def test_timesteps_may_be_whole_numbers_of_any_type(
    event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    how = {"inputs": "vv", "chipping": Chipping(chip_size=8)}
    (exact,) = stream_chips(make_cube(), event, timesteps=[2], **how)["timesteps"]
    several = [2.0], np.array([2]), 2, 2.0, np.int64(2)
    for timesteps in several:
        (found,) = stream_chips(make_cube(), event, timesteps=timesteps, **how)["timesteps"]  # type: ignore[arg-type]
        assert found == exact
        assert found.dtype == exact.dtype


def test_without_inputs_nothing_is_streamed(
    event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    with pytest.raises(ValueError, match="no inputs are named: give one or more"):
        stream_chips(make_cube(), event, inputs=[])


def test_a_protocol_beside_a_chipping_of_another_is_not_dropped(
    event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    with pytest.raises(ValueError, match=r"protocol 'blocked' .* a chipping of protocol 'paper'"):
        stream_chips(make_cube(), event, protocol="blocked", chipping=Chipping(chip_size=8))
    with pytest.raises(ValueError, match=r"protocol 'paper' .* a chipping of protocol 'blocked'"):
        stream_chips(make_cube(), event, protocol="paper", chipping=Chipping("blocked"))
    chipping = Chipping(chip_size=8)
    chips = stream_chips(make_cube(), event, inputs="dem", protocol="paper", chipping=chipping)
    assert chips.attrs["protocol"] == "paper"


def test_more_timesteps_than_images_are_an_error(
    event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    with pytest.raises(ValueError, match="4 timesteps need 4 images before event 'hokkaido'"):
        stream_chips(make_cube(), event, chipping=Chipping(chip_size=8))


def test_a_chip_of_the_default_size_needs_a_larger_scene(
    event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    with pytest.raises(ValueError, match="chips of 128 pixels are larger than the scene of 40 x"):
        stream_chips(make_cube(), event)
