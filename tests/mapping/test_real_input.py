"""Maps of real radar: of what a model has not seen, and of ground where nothing has slid.

Models are small here, and trained for an epoch or two: the tests say that real input goes through
whole and what comes out is told honestly, not how well it maps.
"""

import json
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio

from benchmarks.real_radar import FLOODS_EVENT, floods_split, like_papua, papua_cube
from landslide import simulate_cube
from landslide.cli import main

QUICK = ("--preset", "quick", "--protocol", "blocked", "--buffer", "0")


def summary_of(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("*_summary.json")
    return json.loads(path.read_text())


def test_floods_of_the_other_part_are_mapped_and_scored(floods: str, tmp_path: Path) -> None:
    split, model, out = tmp_path / "split.json", str(tmp_path / "model"), tmp_path / "map"
    split.write_text(floods_split(512, 768))
    how = ("--event", FLOODS_EVENT, "--inputs", "vv", "--timesteps", "1", "--split", str(split))
    assert main(["train", floods, *QUICK, *how, "--epochs", "2", "--out", model]) == 0
    # The cube's coordinates are placeholders, and its first row is at y = 5.
    unseen = ("--bbox", "0", "-25590", "12800", "-17910")
    nowhere = ("--event", FLOODS_EVENT, "--no-crs", "--min-area", "400")
    assert main(["map", model, floods, str(out), *nowhere, *unseen]) == 0
    summary = summary_of(out)
    with rasterio.open(next(out.glob("*_probability.tif"))) as raster:
        probability = raster.read(1)
        assert raster.crs is None
    assert probability.shape == (768, 1280)
    assert summary["scores"]["auprc"] > 1.1 * summary["scores"]["prevalence"]
    assert 0 <= summary["scores"]["hit_rate"] <= 1
    # Real scenes have holes, and a map has them where both images do not see.
    seen = np.isfinite(probability).mean()
    assert 0.95 < seen < 1
    assert summary["ground"]["share_not_observed"] == pytest.approx(1 - seen)
    assert any(said.startswith("Without coordinate reference") for said in summary["statements"])
    assert not summary["simulated"]
    polygons = geopandas.read_file(next(out.glob("*_landslides.gpkg")), layer="landslides")
    assert polygons.geometry.is_valid.all()


def test_where_nothing_slid_the_false_alarms_are_told(real_data: Path, tmp_path: Path) -> None:
    cube, learnt, model = (str(tmp_path / name) for name in ("papua.zarr", "like.zarr", "model"))
    papua_cube(real_data, tmp_path)
    simulate_cube(learnt, scene=like_papua((384, 512)))
    how = ("--inputs", "vv+vh", "--timesteps", "2", "--chip-size", "64", "--block-size", "128")
    assert main(["train", learnt, *QUICK, *how, "--epochs", "2", "--out", model]) == 0
    for day in ("2024-03-17", "2024-04-10"):  # two images or more on either side
        event, out = tmp_path / f"{day}.toml", tmp_path / day
        event.write_text(f'name = "nothing"\ntime = {day}\n')
        assert main(["map", model, cube, str(out), "--event", str(event)]) == 0
        summary = summary_of(out)
        assert "scores" not in summary
        before, after = (summary["map"][f"images_{side}"] for side in ("before", "after"))
        assert (len(before), len(after)) == (2, 2)
        assert before[-1][:10] < day < after[0][:10] < "2024-05-24"  # all before the landslide
        assert "Trained on simulated data." in summary["statements"]
        observed = summary["ground"]["observed"] / 1e6
        assert 7 < observed < 13.6  # km2: the crop has 13.5
        with rasterio.open(next(out.glob("*_mask.tif"))) as raster:
            called = (raster.read(1) == 1).sum() * 900
        assert summary["landslides"]["area_above_threshold"] == pytest.approx(called, rel=1e-2)
        assert summary["landslides"]["area"] <= summary["landslides"]["area_above_threshold"]
        # Far more than a trained model's: one of two epochs that calls a tenth of it is broken.
        assert summary["landslides"]["area"] < 0.1 * summary["ground"]["observed"]
