"""What a user imports: named once, loaded when it is used."""

import subprocess
import sys
from typing import Any

import pytest

import landslide

NAMES = {
    "Chipping",
    "Event",
    "MapChoices",
    "TrainingConfig",
    "chip_batches",
    "comparison",
    "find_event",
    "load_event",
    "map_landslides",
    "open_cube",
    "plan_stream",
    "results_table",
    "simulate_cube",
    "stream_chips",
    "train",
    "train_bundle",
    "training_config",
}


def test_the_public_names_are_these_and_no_more() -> None:
    assert sorted(NAMES) == landslide.__all__ == dir(landslide)


def test_a_star_import_gives_the_public_names() -> None:
    space: dict[str, object] = {}
    exec("from landslide import *", space)
    assert set(space) - {"__builtins__"} == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_name_can_be_called_and_says_what_it_does(name: str) -> None:
    named = getattr(landslide, name)
    assert callable(named)
    assert named.__name__ == name
    first = (named.__doc__ or "").partition("\n")[0]
    assert first.endswith(".")
    assert not first.startswith(f"{name}(")  # as a dataclass without words of its own


def test_any_other_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'landslide' has no attribute 'predict'"):
        landslide.predict  # noqa: B018


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("open_cube", ["cube.zarr", 512]),
        ("simulate_cube", ["cube.zarr", (40, 56)]),
        ("stream_chips", ["a cube", "hokkaido", "vv"]),
        ("plan_stream", ["a cube", "hokkaido", "vv"]),
        ("train", ["chips", "config", "checkpoint"]),
        ("train_bundle", ["a cube", "config", "chipping", "model"]),
        ("map_landslides", ["model", "a cube", "map", "choices", "executor"]),
        ("training_config", ["quick", "vv"]),
        ("results_table", ["table", "csv"]),
    ],
)
def test_what_must_be_given_comes_first_and_the_rest_goes_by_name(
    name: str, given: list[Any]
) -> None:
    with pytest.raises(TypeError, match=rf"{name}\(\) takes .* positional argument"):
        getattr(landslide, name)(*given)


def test_importing_landslide_loads_neither_torch_nor_anything_else_heavy() -> None:
    heavy = ("torch", "xarray", "zarr", "pandas", "matplotlib", "ray", "distributed")
    code = f"import landslide, sys; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_cube_is_streamed_and_a_table_asked_without_torch() -> None:
    names = ["Chipping", "Event", "MapChoices", "chip_batches", "comparison", "stream_chips"]
    code = f"import landslide, sys; [getattr(landslide, n) for n in {names}]"
    code += "; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
