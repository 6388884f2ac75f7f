"""Each option of the commands does what it says: what is asked of the functions behind them."""

import argparse
import logging
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from landslide.chips.optimize import Layout
from landslide.chips.split import Chipping
from landslide.cli import main
from landslide.mapping.choices import MapChoices
from landslide.mapping.options import add_map_options, map_choices
from landslide.options import (
    Parser,
    add_experiment_options,
    chipping_of,
    config_of,
    cube_address,
)
from landslide.training.config import PRESETS

Called = list[tuple[tuple[object, ...], dict[str, object]]]


def parse(add: Callable[[argparse.ArgumentParser], None], *words: str) -> argparse.Namespace:
    parser = Parser()
    add(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ((), {}),
        (("--epochs", "7"), {"epochs": 7}),
        (("--network", "unet/resnet18"), {"network": "unet/resnet18"}),
        (("--encoder-weights", "imagenet"), {"encoder_weights": "imagenet"}),
        (("--batch-size", "3"), {"batch_size": 3}),
        (("--learning-rate", "0.2"), {"learning_rate": 0.2}),
        (("--precision", "mixed"), {"precision": "mixed"}),
        (("--compile",), {"compile": True}),
    ],
)
@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_an_option_of_training_changes_the_preset_in_that_alone(
    preset: str, words: tuple[str, ...], changed: dict[str, Any]
) -> None:
    args = parse(add_experiment_options, "c.zarr", "--preset", preset, *words)
    assert config_of(args) == replace(PRESETS[preset], **changed)


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ((), {}),
        (("--protocol", "blocked"), {"protocol": "blocked"}),
        (("--chip-size", "64"), {"chip_size": 64}),
        (("--overlap", "8"), {"overlap": 8}),
        (("--min-landslide-pixels", "0"), {"minimum_landslide_pixels": 0}),
        (("--block-size", "512"), {"block_size": 512}),
        (("--block-offset", "100"), {"block_offset": 100}),
        (("--buffer", "0"), {"buffer": 0}),
        (("--split-seed", "3"), {"split_seed": 3}),
    ],
)
def test_an_option_of_chips_changes_the_chipping_in_that_alone(
    words: tuple[str, ...], changed: dict[str, Any]
) -> None:
    args = parse(add_experiment_options, "c.zarr", *words)
    assert chipping_of(args) == replace(Chipping(), **changed)


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ((), {}),
        (("--event", "kaikoura"), {"event": "kaikoura"}),
        (("--orbit", "46"), {"orbit": "46"}),
        (("--bbox", "141", "42", "142", "43"), {"bbox": (141, 42, 142, 43)}),
        (("--resample",), {"resample": True}),
        (("--no-crs",), {"no_crs": True}),
        (("--threshold", "0.3"), {"threshold": "0.3"}),
        (("--min-area", "0"), {"minimum_area": 0}),
        (("--formats", "geojson", "parquet"), {"formats": ("geojson", "parquet")}),
        (("--skip-damaged",), {"skip_damaged": True}),
        (("--overlap", "0"), {"overlap": 0}),
        (("--batch-size", "3"), {"batch_size": 3}),
        (("--precision", "mixed"), {"precision": "mixed"}),
        (("--threads", "5"), {"threads": 5}),
    ],
)
def test_an_option_of_a_map_changes_the_choices_in_that_alone(
    words: tuple[str, ...], changed: dict[str, Any]
) -> None:
    args = parse(add_map_options, "model", "c.zarr", "out", *words)
    assert map_choices(args) == replace(MapChoices(), **changed)


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Called]:
    """Have a function only note how it is called."""

    def note(name: str) -> Called:
        calls: Called = []

        def noted(*given: object, **how: object) -> SimpleNamespace:
            calls.append((given, how))
            return SimpleNamespace(text="said")

        monkeypatch.setattr(name, noted)
        return calls

    return note


SIMULATED = {
    "shape": (1024, 1280), "seed": 0, "descending": (5, 5), "ascending": (2, 2), "looks": None,
    "like": "hokkaido", "zarr_format": 3, "overwrite": False, "progress": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ((), {}),
        (("--shape", "40", "50"), {"shape": (40, 50)}),
        (("--seed", "7"), {"seed": 7}),
        (("--descending", "3", "4"), {"descending": (3, 4)}),
        (("--ascending", "0", "1"), {"ascending": (0, 1)}),
        (("--looks", "9", "8"), {"looks": (9, 8)}),
        (("--like", "kaikoura"), {"like": "kaikoura"}),
        (("--zarr-format", "2"), {"zarr_format": 2}),
        (("--overwrite",), {"overwrite": True}),
    ],
)
def test_an_option_of_simulate_changes_the_scene_in_that_alone(
    words: tuple[str, ...], changed: dict[str, Any], called: Callable[[str], Called]
) -> None:
    simulated = called("landslide.simulation.simulate_cube")
    assert main(["simulate", "c.zarr", *words]) == 0
    assert simulated == [(("c.zarr",), SIMULATED | changed)]


@pytest.mark.parametrize(
    ("words", "planned", "written"),
    [
        ((), {}, {}),
        (("--event", "kaikoura"), {"event": "kaikoura"}, {}),
        (("--chip-size", "64"), {"layout": Layout(chip_size=64, dates=4, packing="ln")}, {}),
        (("--dates", "2"), {"layout": Layout(chip_size=128, dates=2, packing="ln")}, {}),
        (("--packing", "int16"), {"layout": Layout(chip_size=128, dates=4, packing="int16")}, {}),
        (("--reader", "plain"), {"reader": "plain"}, {}),
        (("--missing", "no-data"), {"missing": "no-data"}, {}),
        (("--threads", "3"), {}, {"threads": 3}),
        (("--overwrite",), {}, {"overwrite": True}),
    ],
)
def test_an_option_of_optimize_changes_the_copy_in_that_alone(
    words: tuple[str, ...], planned: dict[str, Any], written: dict[str, Any],
    called: Callable[[str], Called],
) -> None:  # fmt: skip
    plans, copies = (called(f"landslide.chips.optimize.optimize_{n}") for n in ("plan", "cube"))
    assert main(["optimize", "c.zarr", "out.zarr", *words]) == 0
    layout = Layout(chip_size=128, dates=4, packing="ln")
    how = {"event": None, "layout": layout, "reader": "auto", "missing": "damage"} | planned
    assert plans == [(("c.zarr", "out.zarr"), how)]
    how |= {"threads": None, "overwrite": False, "progress": True} | written
    assert copies == [(("c.zarr", "out.zarr"), how)]


def test_a_dry_run_of_optimize_only_plans(called: Callable[[str], Called]) -> None:
    plans, copies = (called(f"landslide.chips.optimize.optimize_{n}") for n in ("plan", "cube"))
    assert main(["optimize", "c.zarr", "out.zarr", "--dry-run"]) == 0
    assert (len(plans), len(copies)) == (1, 0)


@pytest.mark.parametrize(
    ("words", "level"), [((), logging.WARNING), (("--verbose",), logging.INFO)]
)
def test_verbose_says_what_is_being_done(
    words: tuple[str, ...], level: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []

    def fetched(*_: object) -> None:
        heard.append(logging.getLogger("landslide.cube.fetch").getEffectiveLevel())

    monkeypatch.setattr("landslide.cube.fetch.fetch_cube", fetched)
    assert main([*words, "fetch", "hokkaido", "folder"]) == 0
    assert heard == [level]


@pytest.mark.parametrize("words", [(), ("--event", "hokkaido")])
def test_a_cube_that_nobody_names_is_asked_for(words: tuple[str, ...]) -> None:
    args = parse(add_experiment_options, *words)
    with pytest.raises(ValueError, match=r"^no cube: give its address, or an --event file that"):
        cube_address(args.cube, args.event)
