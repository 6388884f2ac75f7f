"""Options of `landslide build`, which the script that spreads it over a cluster shares."""

import argparse

UNTIL = ("sar", "terrain", "insar", "labels")


def add_build_options(parser: argparse.ArgumentParser) -> None:
    """Add what is built, where, and how far."""
    parser.add_argument("event", help="a TOML file of an event with a [build] table")
    parser.add_argument("out", help="a path, or an address such as gs://BUCKET/NAME.zarr")
    parser.add_argument(
        "--until", choices=UNTIL, default=UNTIL[-1], help="the last layer that is built"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="search, open the sources, and say passes, download and size; nothing is written",
    )
