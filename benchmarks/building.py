"""How fast backscatter becomes a cube, and in how much memory, against the loader alone.

GeoTIFFs of speckle (simulated; two bursts a pass, before and after an event) become a cube of one
area and of one four times as large. The loader alone reads the same items block by block and keeps
nothing. Terrain and labels are left out: they cost what they cost once, whatever the images.
"""

import json
import shutil
import sys
import time
import warnings
from pathlib import Path
from statistics import median

import numpy as np
import odc.stac
import rasterio
from dask.base import compute
from measure import arguments, in_own_process, memory, report, spread
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds

from landslide.build.assemble import build_cube
from landslide.build.plan import BuildPlan, plan_build
from landslide.build.recipe import load_recipe

CRS = "EPSG:32654"
WEST, NORTH = 580_000, 4_750_000
DAYS = ("20180808", "20180820", "20180901", "20180913", "20180925", "20181007")
OVERLAP = 64
"""Rows that the two bursts of a pass share."""
WAYS = ("build", "load")


def archive(folder: Path, side: int) -> Path:
    """Write images of `side` x `side` pixels, once, and return the event file beside them."""
    home = folder / f"building_{side}"
    event = home / "event.toml"
    if event.exists():
        return event
    home.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(side)
    for day in DAYS:
        for name in ("VV", "VH"):
            for burst, first, last in ((1, 0, side // 2 + OVERLAP), (2, side // 2, side)):
                stem = f"OPERA_L2_RTC-S1_T046-{burst:06}-IW1_{day}T204100Z_20260101T000000Z"
                values = random.gamma(4, 0.05, (last - first, side)).astype(np.float32)
                with rasterio.open(
                    home / f"{stem}_S1A_30_v1.0_{name}.tif", "w", driver="GTiff", width=side,
                    height=last - first, count=1, dtype="float32", crs=CRS, nodata=np.nan,
                    transform=from_origin(WEST, NORTH - 10 * first, 10, 10),
                    tiled=True, blockxsize=512, blockysize=512, compress="deflate",
                ) as image:  # fmt: skip
                    image.write(values, 1)
    box = transform_bounds(CRS, "EPSG:4326", WEST, NORTH - 10 * side, WEST + 10 * side, NORTH)
    event.write_text(
        f'name = "benchmark"\ntime = 2018-09-05T18:07:59Z\n[build]\narea = {list(box)}\n'
        f'crs = "{CRS}"\nterrain = false\nsar = {{source = ".", min_coverage = 0.5}}\n'
    )
    return event


def load_alone(plan: BuildPlan) -> None:
    """Read every block of the plan's items with the loader, and keep none."""
    sums = []
    for one in plan.choice.passes:
        loaded = odc.stac.load(
            [scene.item() for scene in one.scenes],
            bands=list(plan.choice.polarisations),
            geobox=plan.grid,
            groupby=lambda *_: 0,
            resampling="bilinear",
            chunks={"y": 1024, "x": 1024},
        )
        sums += [array.data.sum() for array in loaded.data_vars.values()]
    compute(*sums)


def measure(event: str, way: str) -> None:
    """Do it in this process, and print what it took."""
    warnings.simplefilter("ignore")
    plan = plan_build(load_recipe(event))
    idle, start = memory("VmRSS"), time.perf_counter()
    if way == "build":
        out = Path(event).with_name(f"{time.time_ns()}.zarr")
        try:
            build_cube(plan, str(out), until="sar")
        finally:
            shutil.rmtree(out, ignore_errors=True)
            out.with_suffix(".stac.json").unlink(missing_ok=True)
    else:
        load_alone(plan)
    taken = time.perf_counter() - start
    images = len(plan.choice.passes) * len(plan.choice.polarisations)
    rows, columns = plan.grid.shape
    print(
        json.dumps(
            {
                "seconds": taken,
                "peak": memory("VmHWM") - idle,
                "gigabytes": images * rows * columns * 4 / 1e9,
            }
        )
    )


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        measure(*sys.argv[2:])
        return
    parser = arguments(__doc__)
    parser.add_argument("--side", type=int, default=2048, help="of the smaller area [pixels]")
    args = parser.parse_args()
    rows, ratios = [], {}
    sides = {"area": args.side, "fourfold": 2 * args.side}
    runs = [  # in turn: a machine's speed may drift
        {
            name: {way: in_own_process(str(archive(args.folder, side)), way) for way in WAYS}
            for name, side in sides.items()
        }
        for _ in range(args.runs)
    ]
    for name, side in sides.items():
        size = runs[0][name]["build"]["gigabytes"]
        rows.append((f"{name}: {side} x {side} pixels, {size:.2f} GB unpacked", "", ""))
        for way in WAYS:
            speed = [60 * run[name][way]["gigabytes"] / run[name][way]["seconds"] for run in runs]
            peaks = [run[name][way]["peak"] for run in runs]
            rows.append((f"  {way}: GB a minute", spread(speed, 2), ""))
            rows.append((f"  {way}: MB over the idle process", spread(peaks, 0), ""))
        slower = [run[name]["build"]["seconds"] / run[name]["load"]["seconds"] for run in runs]
        rows.append(("  seconds, build over loading alone", spread(slower, 2), ""))
        ratios[f"{name}_build_over_load"] = median(slower)
    for way in WAYS:
        over = [run["fourfold"][way]["peak"] / run["area"][way]["peak"] for run in runs]
        rows.append((f"memory of {way}, fourfold area over the smaller", spread(over, 2), ""))
        ratios[f"{way}_memory_fourfold_over_area"] = median(over)
    report("Backscatter of simulated images, from GeoTIFFs to a cube", rows, ratios)


if __name__ == "__main__":
    main()
