"""Options of `landslide map`, which the script that spreads it over a cluster shares."""

import argparse

import xarray as xr

from landslide.cube.store import open_cube
from landslide.mapping.choices import AUTO, FORMATS, USUAL_AREA_M2, USUAL_FORMATS, MapChoices
from landslide.options import CUBE, EVENT, add_reading_options
from landslide.training.config import PRECISIONS


def add_map_options(parser: argparse.ArgumentParser) -> None:
    """Add what says which model maps what, and into which products."""
    parser.add_argument("model", help="folder that `landslide train --out` wrote")
    parser.add_argument("cube", help=CUBE)
    parser.add_argument(
        "out", help="folder for the products: a new one, or one where the same map was begun"
    )
    parser.add_argument(
        "--members",
        nargs="+",
        default=[],
        metavar="MODEL",
        help="more models, of other seeds: the map is the mean, and their spread a product",
    )
    parser.add_argument("--event", help=EVENT)
    parser.add_argument("--orbit", help="a relative orbit, ascending, descending, or any (mixed)")
    parser.add_argument(
        "--bbox",
        nargs=4,
        type=float,
        metavar=("WEST", "SOUTH", "EAST", "NORTH"),
        help="degrees; without a CRS, the cube's coordinates; default: the whole cube",
    )
    parser.add_argument(
        "--resample", action="store_true", help="bring the cube to the model's pixel size"
    )
    parser.add_argument(
        "--no-crs", action="store_true", help="map a cube that does not say where it lies"
    )

    products = parser.add_argument_group("products")
    products.add_argument(
        "--threshold",
        default=AUTO,
        metavar="T|auto",
        help="probability from which on ground is a landslide; auto: of the best F1 on validation",
    )
    products.add_argument(
        "--min-area",
        type=float,
        help=f"smallest polygon [m2], default {USUAL_AREA_M2:g}; where a cube without a CRS is in "
        "another unit it is needed, in that unit",
    )
    products.add_argument(
        "--formats",
        nargs="+",
        default=USUAL_FORMATS,
        help=f"all that are wanted, of {', '.join(FORMATS)}",
    )

    passing = parser.add_argument_group("reading and passing")
    add_reading_options(passing)
    passing.add_argument(
        "--skip-damaged", action="store_true", help="leave out what damaged chunks held"
    )
    passing.add_argument("--overlap", type=int, help="pixels that chips share; default half a chip")
    passing.add_argument(
        "--batch-size", type=int, help="chips that pass at once; default: 16 on a CPU, 64 on a GPU"
    )
    passing.add_argument(
        "--precision", choices=PRECISIONS, help="as for training; default: as the model was trained"
    )
    passing.add_argument("--threads", type=int, help="CPU threads of the network; default: torch's")


def map_choices(args: argparse.Namespace) -> MapChoices:
    """Return what the options say.

    Raises
    ------
    ValueError
        As `MapChoices` does.
    """
    return MapChoices(
        event=args.event,
        bbox=args.bbox and tuple(args.bbox),
        threshold=args.threshold,
        minimum_area=args.min_area,
        formats=tuple(args.formats),
        no_crs=args.no_crs,
        resample=args.resample,
        orbit=args.orbit,
        overlap=args.overlap,
        batch_size=args.batch_size,
        precision=args.precision,
        threads=args.threads,
        skip_damaged=args.skip_damaged,
    )


def cube_to_map(args: argparse.Namespace) -> xr.Dataset:
    """Open the cube that the options name; it needs no labels.

    Raises
    ------
    ValueError, OSError
        As `open_cube` does.
    """
    # Of damage no more is lost to the products than the stored chunk, of what is not resampled.
    blocks = {"block_pixels": 1} if args.skip_damaged else {}
    return open_cube(args.cube, reader=args.reader, missing=args.missing, **blocks)
