"""Inputs of both orbits: the event's composites, and those of the opposite orbit beside them."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from landslide.chips.chip_store import open_chip_store, write_chip_store
from landslide.chips.images import select_opposite
from landslide.chips.inputs import parse_inputs, union
from landslide.chips.loading import load_chips
from landslide.chips.split import Chipping
from landslide.chips.stream import plan_stream, stream_chips
from landslide.chips.windows import corners_of
from landslide.cube.events import Event
from landslide.cube.store import open_cube

ASCENDING = ((4, 2), (6, 8))
"""Positions of the ascending images of the made-up cube, the nearest first."""
CHIPPING = Chipping(chip_size=8)


def test_a_name_with_opposite_has_the_channels_of_both_orbits_in_order() -> None:
    vv = ("vv_before", "vv_after")
    assert parse_inputs("vv+opposite").channels == (*vv, "vv_opposite_before", "vv_opposite_after")
    both = parse_inputs("Opposite+VH+vv+slope")
    assert both.name == "vv+vh+opposite+slope"
    assert len(both.channels) == 9
    assert both.variables == ("vv", "vh", "dem_slope_radians")
    assert union(["vv+opposite", "vh"]).polarisations == ("vv", "vh", "vv_opposite")


@pytest.mark.parametrize("name", ["opposite", "dem+opposite"])
def test_opposite_needs_a_polarisation(name: str) -> None:
    with pytest.raises(ValueError, match=r"no polarisation to take from the opposite orbit"):
        parse_inputs(name)


@pytest.mark.parametrize("orbit", [None, "ascending"])
def test_each_orbit_is_composed_of_its_own_images(
    orbit: str | None,
    event: Event,
    make_cube: Callable[..., xr.Dataset],
    expected: Callable[..., dict[str, np.ndarray]],
    descending: tuple[tuple[int, ...], tuple[int, ...]],
) -> None:
    cube = make_cube()
    inputs, timesteps = ["vv", "vv+vh+opposite", "dem"], (1, 2)
    chips = stream_chips(
        cube.chunk({"y": 16, "x": 24}),
        event,
        inputs=inputs,
        timesteps=timesteps,
        chipping=CHIPPING,
        orbit=orbit,
    ).compute()
    corners = corners_of(chips)
    own, other = (
        expected(cube, corners, 8, ["vv+vh"], timesteps, images)["sar"]
        for images in (descending, ASCENDING)
    )
    if orbit == "ascending":
        own, other = other, own
    np.testing.assert_array_equal(chips["sar"], np.concatenate([own, other], axis=2))
    assert chips["sar_channel"].values[4:6].tolist() == ["vv_opposite_before", "vv_opposite_after"]
    assert chips.attrs["opposite_orbit"] == ("descending" if orbit else "ascending")
    there = descending if orbit else ASCENDING
    for side, images in zip(("before", "after"), there, strict=True):
        instants = cube["timestep"].to_numpy()[list(images[:2])]
        assert chips.attrs[f"opposite_{side}"] == [str(each)[:19] for each in instants]


def test_the_events_own_composites_are_what_they_are_without_the_opposite(
    event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    cube = make_cube().chunk({"y": 16, "x": 24})
    how: dict[str, Any] = {"timesteps": (1, 2), "chipping": CHIPPING}
    alone = stream_chips(cube, event, inputs="vh", **how).compute()
    both = stream_chips(cube, event, inputs="vh+opposite", **how).compute()
    assert both.sizes["sar_channel"] == 4
    np.testing.assert_array_equal(both["sar"][:, :, :2], alone["sar"])


def test_each_chunk_is_read_once_though_it_holds_images_of_both_orbits(
    event: Event,
    make_cube: Callable[..., xr.Dataset],
    write_cube: Callable[..., str],
    tmp_path: Path,
    reads: list[tuple[str, object]],
) -> None:
    address = write_cube(make_cube(), tmp_path / "c.zarr", "v3", 4)
    stream = plan_stream(
        open_cube(address, reader="fused"),
        event,
        inputs="vv+opposite",
        timesteps=(2,),
        chipping=CHIPPING,
    )
    reads.clear()
    loaded = load_chips(stream)
    asked = Counter(key for key, _ in reads if key.startswith("vv/c/"))
    # 3 chunks of dates hold images 1 to 8, of 2 x 2 chunks of pixels each.
    assert set(asked.values()) == {1}
    assert len(asked) == 3 * 4
    assert loaded.sizes["sar_channel"] == 4


def test_a_chip_store_holds_both_orbits_to_the_bit(
    event: Event,
    make_cube: Callable[..., xr.Dataset],
    write_cube: Callable[..., str],
    tmp_path: Path,
) -> None:
    cube = open_cube(write_cube(make_cube(missing=0.02), tmp_path / "c.zarr"))
    stream = plan_stream(
        cube, event, inputs=["vv+vh+opposite"], timesteps=(1, 2), chipping=CHIPPING
    )
    write_chip_store(stream, str(tmp_path / "chips.zarr"))
    stored, loaded = open_chip_store(str(tmp_path / "chips.zarr")), load_chips(stream)
    for name in ("sar", "label", "sar_channel"):
        np.testing.assert_array_equal(stored[name], loaded[name])


def cube_of(states: list[str] | None, tracks: list[int] | None = None) -> xr.Dataset:
    """Return a cube of one image a day, half of them before the event, without pixels."""
    count = len(states or tracks or [])
    days = np.arange(count) - count // 2
    times = np.datetime64("2018-09-06T12:00", "ns") + days * np.timedelta64(1, "D")
    coords: dict[str, object] = {"timestep": times}
    if states is not None:
        coords["sat:orbit_state"] = ("timestep", states)
    if tracks is not None:
        coords["sat:relative_orbit"] = ("timestep", tracks)
    return xr.Dataset(coords=coords)


def test_of_the_opposite_orbit_one_track_is_used(event: Event) -> None:
    cube = cube_of(["d", "a", "a", "a", "d", "a", "a", "d"], [46, 68, 141, 141, 46, 68, 141, 46])
    cube = cube.assign_coords(
        {
            "sat:orbit_state": (
                "timestep",
                [{"d": "descending", "a": "ascending"}[s] for s in cube["sat:orbit_state"].values],
            )
        }
    )
    images = select_opposite(cube, event, 1, "46")
    assert (images.before, images.after, images.orbit) == ((3,), (6,), "141")


@pytest.mark.parametrize(
    ("states", "orbit", "said"),
    [
        (["descending"] * 4, None, "need ascending images, too: event 'hokkaido': no image"),
        (["descending", "ascending", "descending", "descending"], None, "need ascending images"),
        (["descending", "ascending"] * 2, "any", r"orbit 'any' \(--orbit\) takes both as one; "),
        (None, None, "the cube has no sat:orbit_state"),
    ],
)
def test_what_has_no_opposite_orbit_is_one_line(
    states: list[str] | None, orbit: str | None, said: str, event: Event
) -> None:
    cube = cube_of(states, None if states else [1, 1, 1, 1])
    with pytest.raises(ValueError, match=said) as caught:
        select_opposite(cube, event, 1, orbit)
    assert "\n" not in str(caught.value)
