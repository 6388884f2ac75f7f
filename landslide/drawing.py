"""The commands that draw the paper's figures."""

import argparse
from typing import Any

from landslide import options

PICTURE = "the picture: .png, .pdf or .svg"


def add_figures(commands: Any) -> None:
    """Add the commands that draw."""
    figure4 = options.subcommand(commands, "figure4", "draw AUPRC over timesteps from a table")
    figure4.add_argument("table", help="folder of the table")
    figure4.add_argument("out", help=PICTURE)
    figure4.set_defaults(run=_figure4)

    labels = options.subcommand(commands, "curves", "draw AUPRC over labelled chips from a table")
    labels.add_argument("table", help="folder of the table")
    labels.add_argument("out", help=PICTURE)
    labels.set_defaults(run=_curves)

    figure1 = options.subcommand(commands, "figure1", "draw one chip's channels and labels")
    figure1.add_argument("cube", help=options.CUBE)
    figure1.add_argument("out", help=PICTURE)
    figure1.add_argument("--event", help=options.EVENT)
    figure1.add_argument(
        "--chip", type=int, help="which chip with landslides; default: the fullest"
    )
    options.add_reading_options(figure1)
    figure1.set_defaults(run=_figure1)

    figure2 = options.subcommand(
        commands, "figure2", "draw a cube's place, images, labels, elevation"
    )
    figure2.add_argument("cube", help=options.CUBE)
    figure2.add_argument("out", help=PICTURE)
    figure2.add_argument("--event", help=options.EVENT)
    options.add_reading_options(figure2)
    figure2.set_defaults(run=_figure2)

    figure5 = options.subcommand(
        commands, "figure5", "draw predicted above mapped for some test chips"
    )
    figure5.add_argument("model", help="folder of a bundle that `landslide train` wrote")
    figure5.add_argument("cube", help="the cube that it was trained on")
    figure5.add_argument("out", help=PICTURE)
    figure5.add_argument("--event", help=options.EVENT)
    figure5.add_argument("--chips", type=int, default=6, help="how many, at most")
    options.add_reading_options(figure5)
    figure5.add_argument(
        "--skip-damaged", action="store_true", help="choose no chip of damaged chunks"
    )
    figure5.set_defaults(run=_figure5)


# Each imports what it needs, as all commands do.


def _cube_and_event(args: argparse.Namespace) -> tuple[Any, Any]:
    from landslide.cube.events import find_event
    from landslide.cube.store import open_cube

    cube = open_cube(args.cube, reader=args.reader, missing=args.missing)
    return cube, find_event(cube, args.event)


def _figure4(args: argparse.Namespace) -> None:
    from landslide.results.ablation_figure import figure4
    from landslide.results.table import results_table

    figure4(results_table(args.table), args.out)
    print(args.out)


def _curves(args: argparse.Namespace) -> None:
    from landslide.results.curve_rows import curve_rows
    from landslide.results.labels_figure import label_figure
    from landslide.results.table import results_table

    label_figure(curve_rows(results_table(args.table)), args.out)
    print(args.out)


def _figure1(args: argparse.Namespace) -> None:
    from landslide.results.chip_figure import figure1
    from landslide.results.example_chip import example_chip

    cube, event = _cube_and_event(args)
    chip = example_chip(cube, event, args.chip)
    figure1(chip, args.out, simulated=bool(cube.attrs.get("simulated", False)))
    print(args.out)


def _figure2(args: argparse.Namespace) -> None:
    from landslide.results.place import read_place
    from landslide.results.place_figure import figure2

    cube, event = _cube_and_event(args)
    place = read_place(cube, event)
    figure2(place, args.out, simulated=bool(cube.attrs.get("simulated", False)))
    print(args.out)


def _figure5(args: argparse.Namespace) -> None:
    from landslide.mapping.predicted_chips import predict_chips
    from landslide.results.prediction_figure import figure5

    chips = predict_chips(
        args.model, *_cube_and_event(args), args.chips, skip_damaged=args.skip_damaged
    )
    figure5(chips, args.out)
    print(args.out)
