"""Chips of several cubes as one set."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from landslide.chips.joining import join_cubes
from landslide.chips.loading import load_chips
from landslide.chips.split import TEST, TRAIN, UNUSED, Chipping
from landslide.chips.stream import stream_chips
from landslide.cube.events import Event

MakeCube = Callable[..., xr.Dataset]


def cut(make_cube: MakeCube, event: Event, seed: int, inputs: str = "vv") -> xr.Dataset:
    cube = make_cube(seed=seed, missing=0.02).assign_attrs(title=f"cube {seed}")
    how = {"inputs": inputs, "timesteps": (1, 2), "chipping": Chipping(chip_size=8)}
    return load_chips(stream_chips(cube, event, **how))  # type: ignore[arg-type]


def test_others_train_and_ones_own_are_as_they_were(event: Event, make_cube: MakeCube) -> None:
    own, *others = (cut(make_cube, event, seed) for seed in range(3))
    joined = join_cubes(own, others)
    trained = [chips.isel(chip=(chips["part"] == TRAIN).to_numpy()) for chips in others]
    count = sum(each.sizes["chip"] for each in trained)
    assert (joined["part"][:count] == TRAIN).all()
    for name in ("sar", "static", "label", "corner_y", "part"):
        expected = np.concatenate([each[name] for each in (*trained, own)])
        np.testing.assert_array_equal(joined[name], expected)
    assert joined["chip"].to_numpy().tolist() == list(range(joined.sizes["chip"]))
    assert joined.attrs == own.attrs
    assert joined.attrs["masked"] == 1


def test_without_own_training_chips_the_test_part_is_ones_own(
    event: Event, make_cube: MakeCube
) -> None:
    own, other = cut(make_cube, event, 0), cut(make_cube, event, 1)
    tested = own.isel(chip=(own["part"] == TEST).to_numpy())
    joined = join_cubes(tested, [other])
    assert UNUSED not in joined["part"]
    np.testing.assert_array_equal(joined["label"][joined["part"] == TEST], tested["label"])


def test_chips_that_differ_are_one_line(event: Event, make_cube: MakeCube) -> None:
    with pytest.raises(ValueError, match="the chips of the cubes differ in sar_channel: cut them"):
        join_cubes(cut(make_cube, event, 0), [cut(make_cube, event, 1, "vh")])
