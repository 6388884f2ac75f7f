"""What a user imports: named once, loaded when it is used."""

import inspect
import subprocess
import sys

import pytest

import landslide
from landslide.chips.split import Chipping

NAMES = {
    "find_event",
    "load_event",
    "open_cube",
    "results_table",
    "simulate_cube",
    "stream_chips",
    "train",
}


def test_the_public_names_are_these_and_no_more() -> None:
    assert sorted(NAMES) == landslide.__all__ == dir(landslide)


def test_a_star_import_gives_the_public_names() -> None:
    space: dict[str, object] = {}
    exec("from landslide import *", space)
    assert set(space) - {"__builtins__"} == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_name_is_a_function_that_says_what_it_does(name: str) -> None:
    function = getattr(landslide, name)
    assert inspect.isfunction(function)
    assert function.__name__ == name
    assert (function.__doc__ or "").strip()


def test_any_other_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'landslide' has no attribute 'predict'"):
        landslide.predict  # noqa: B018


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("open_cube", ["uri"]),
        ("simulate_cube", ["uri"]),
        ("find_event", ["cube", "name_or_file"]),
        ("load_event", ["name_or_file"]),
        ("stream_chips", ["cube", "event"]),
        ("train", ["chips", "config"]),
        ("results_table", ["uri"]),
    ],
)
def test_what_must_be_given_comes_first_and_the_rest_goes_by_name(
    name: str, given: list[str]
) -> None:
    parameters = inspect.signature(getattr(landslide, name)).parameters.values()
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert [p.name for p in positional] == given
    assert all(p.default is not p.empty for p in parameters if p.kind is p.KEYWORD_ONLY)


def test_chips_come_by_default_as_the_paper_has_them() -> None:
    parameters = inspect.signature(landslide.stream_chips).parameters
    assert parameters["inputs"].default == ("vv", "vh", "vv+vh", "vv+vh+dem")
    assert parameters["timesteps"].default == (1, 2, 3, 4)
    assert parameters["protocol"].default is None  # a chipping may say it
    assert Chipping().protocol == "paper"


def test_importing_landslide_loads_neither_torch_nor_anything_else_heavy() -> None:
    heavy = ("torch", "xarray", "zarr", "pandas", "matplotlib", "ray", "distributed")
    code = f"import landslide, sys; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
