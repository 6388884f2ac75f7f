"""Chips go into memory where they fit, and into a chip store where they do not."""

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import xarray as xr

from landslide.chips import sizes
from landslide.chips.loading import load_chips
from landslide.chips.sizes import Room, chip_bytes, choose_chips, memory_bytes
from landslide.chips.split import Chipping
from landslide.chips.stream import plan_stream
from landslide.cube.events import Event


@pytest.mark.parametrize("wanted", ["memory", "store", "stream"])
def test_what_is_wanted_is_chosen(wanted: str) -> None:
    assert choose_chips(wanted, 10**15, Room(1)) == choose_chips(wanted, 1, Room(10**15)) == wanted


def test_by_default_chips_lie_in_memory_where_three_copies_take_half_of_it() -> None:
    assert choose_chips("auto", 100, Room(600)) == "memory"
    assert choose_chips("auto", 101, Room(600)) == "store"
    assert choose_chips("auto", 100, Room(1200, trials=4)) == "memory"
    assert choose_chips("auto", 100, Room(1200, trials=5)) == "store"
    assert choose_chips("auto", 100, Room(600, shared=99)) == "store"


def test_another_way_is_an_error() -> None:
    with pytest.raises(ValueError, match="'disk': choose auto, memory, store, stream"):
        choose_chips("disk", 1, Room(1))


@pytest.mark.parametrize("inputs", ["vv+vh+dem", "vv", "dem"])
def test_the_size_is_what_loaded_chips_take(
    inputs: str, make_cube: Callable[..., xr.Dataset], event: Event
) -> None:
    chipping = Chipping(chip_size=8)
    stream = plan_stream(make_cube(), event, inputs=inputs, timesteps=(1, 2), chipping=chipping)
    loaded = load_chips(stream)
    assert chip_bytes(stream) == sum(loaded[name].nbytes for name in ("sar", "static", "label"))


def test_a_containers_limit_is_its_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = psutil.virtual_memory().total
    for text, expected in (("4096\n", 4096), ("max\n", machine), (str(2**63), machine)):
        (tmp_path / "memory.max").write_text(text)
        monkeypatch.setattr(sizes, "CGROUP_LIMITS", (f"{tmp_path}/memory.max",))
        assert memory_bytes() == expected
