"""What chips hold and say of themselves."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from landslide.chips.inputs import PAPER_INPUTS, TERRAIN, parse_inputs
from landslide.chips.split import Chipping, paper_split
from landslide.chips.stream import stream_chips
from landslide.cube.events import Event

EVERYTHING = ("vv+vh+dem", "coherence")


@pytest.mark.parametrize(
    ("inputs", "timesteps"),
    [
        ("vv", 1),
        ("vh", 3),
        ("vv+vh", 2),
        ("vv+vh+dem", 3),
        ("dem", 1),
        ("vh+slope+coherence", 2),
        ("aspect", 1),
    ],
)
def test_one_pass_serves_every_configuration(
    inputs: str, timesteps: int, event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    cube = make_cube().chunk({"y": 16, "x": 24})
    chipping = Chipping(chip_size=8)
    everything = stream_chips(
        cube, event, inputs=[*PAPER_INPUTS, "coherence"], timesteps=(1, 2, 3), chipping=chipping
    )
    alone = stream_chips(cube, event, inputs=inputs, timesteps=[timesteps], chipping=chipping)
    wanted = parse_inputs(inputs)
    selected = everything.sel(
        timesteps=[timesteps],
        sar_channel=list(wanted.sar_channels),
        static_channel=list(wanted.static),
    )
    for name in ("sar", "static", "label"):
        assert alone[name].shape == selected[name].shape
        np.testing.assert_array_equal(alone[name].to_numpy(), selected[name].to_numpy())


def test_the_dem_alone_needs_neither_images_nor_enough_of_them(
    event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    cube = make_cube()[[*TERRAIN, "landslides"]]
    chips = stream_chips(cube, event, inputs="dem", chipping=Chipping(chip_size=8)).compute()
    assert chips["sar"].shape == (35, 4, 0, 8, 8)
    assert chips["static"].shape == (35, 4, 8, 8)
    assert chips["rejected"].sum() == 0
    assert "orbit" not in chips.attrs


def test_padding_of_the_blocked_protocol_is_no_data(
    event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    cube = make_cube((44, 60), missing=0).chunk({"y": 16, "x": 24})
    chipping = Chipping("blocked", chip_size=8, block_size=16, buffer=0)
    chips = stream_chips(cube, event, timesteps=[1], chipping=chipping).compute()
    y, x = np.arange(8)[:, None], np.arange(8)
    beyond = (chips["corner_y"].values[:, None, None] + y >= 44) | (
        chips["corner_x"].values[:, None, None] + x >= 60
    )
    assert beyond.any()
    assert np.array_equal(chips["label"].values == 255, beyond)
    assert np.array_equal(chips["sar"].isnull().all(("timesteps", "sar_channel")), beyond)
    assert np.array_equal(chips["static"].isnull().any("static_channel"), beyond)


def test_chips_say_their_images_event_orbit_and_part(
    event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    cube = make_cube().assign_attrs(simulated=1, title="a test", history="long")
    chips = stream_chips(cube, event, timesteps=(2, 1), chipping=Chipping(chip_size=8))
    assert chips.attrs == {
        "chip_size": 8,
        "simulated": 1,
        "title": "a test",
        "event": chips.attrs["event"],
        "protocol": "paper",
        "orbit": "descending",
        "images_before": ["2018-08-24T20:40:00", "2018-08-12T20:40:00"],
        "images_after": ["2018-09-05T20:40:00", "2018-09-17T20:40:00"],
    }
    assert '"hokkaido"' in chips.attrs["event"]
    assert chips["timesteps"].values.tolist() == [1, 2]
    assert chips["sar"].dims == ("chip", "timesteps", "sar_channel", "y", "x")
    assert chips["static"].dims == ("chip", "static_channel", "y", "x")
    assert [int((chips["part"] == p).sum()) for p in paper_split(35)] == [24, 7, 4]


def test_chips_of_coherence_say_their_pairs(
    event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    chips = stream_chips(make_cube(), event, inputs="coherence", chipping=Chipping(chip_size=8))
    assert chips.attrs["pairs"] == [
        "2018-08-06T20:40:00/2018-08-12T20:40:00",
        "2018-08-12T20:40:00/2018-08-24T20:40:00",
        "2018-08-24T20:40:00/2018-09-05T20:40:00",
        "2018-08-24T20:40:00/2018-09-17T20:40:00",
    ]  # none that lies after the event
    assert "images_before" not in chips.attrs


def test_what_no_backscatter_is_is_counted_once_for_each_chip_and_image_used(
    event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    cube = make_cube(missing=0)
    cube["vv"][3, 0, 0] = np.inf  # the last before the event
    cube["vv"][5, 9, 0] = 0  # the first after it, in the second chip
    cube["vh"][5, 9, 0] = -1
    cube["vh"][9, 9, 0] = -1  # too late to be used
    cube["vh"][2, 9, 0] = -1  # of the other orbit
    chips = stream_chips(
        cube.chunk({"y": 5, "x": 7}), event, timesteps=(1, 2), chipping=Chipping(chip_size=8)
    ).compute()
    assert chips["rejected"].values[:3].tolist() == [1, 2, 0]
    assert chips["rejected"].sum() == 3
    assert np.isnan(chips["sar"].sel(sar_channel="vv_before", timesteps=1)[0, 0, 0])
    assert np.isfinite(chips["sar"].sel(sar_channel="vv_before", timesteps=2)[0, 0, 0])
