"""The commands, thin over the functions that they name."""

import argparse
from collections.abc import Sequence
from typing import Any

from landslide import options
from landslide.build.options import add_build_options
from landslide.command import run_command
from landslide.drawing import add_figures
from landslide.experiment.versions import own_version
from landslide.mapping.options import add_map_options, cube_to_map, map_choices

OVERWRITE = "write in the place of what lies there"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what is wrong with the input is one line on standard error, and exit 1."""
    args = parser().parse_args(arguments)
    return run_command(lambda: args.run(args), verbose=args.verbose)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = options.Parser(prog="landslide", description="Landslide mapping from SAR datacubes.")
    version = f"landslide {own_version()}"
    top.add_argument("--version", action="version", version=version, help="say which this is")
    top.add_argument("--verbose", action="store_true", help="say what is being done")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    fetch = options.subcommand(commands, "fetch", "download a published cube from Zenodo")
    fetch.add_argument("event", help="hokkaido, kaikoura, puerto_rico or talakmau")
    fetch.add_argument("folder", help="where it is put; run again to go on")
    fetch.set_defaults(run=_fetch)

    inspect = options.subcommand(commands, "inspect", "say what a cube holds; exit 1 if too little")
    inspect.add_argument("cube", help=options.CUBE)
    inspect.add_argument("--event", help=options.EVENT)
    options.add_reading_options(inspect)
    inspect.set_defaults(run=_inspect)

    simulate = options.subcommand(commands, "simulate", "write a simulated cube with known truth")
    simulate.add_argument("out", help="address of the cube")
    simulate.add_argument(
        "--shape", type=int, nargs=2, default=(1024, 1280), metavar=("Y", "X"), help="pixels"
    )
    simulate.add_argument("--seed", type=options.seed, default=0, help="draws ground and speckle")
    for orbit, default in (("descending", (5, 5)), ("ascending", (2, 2))):
        simulate.add_argument(
            f"--{orbit}", type=int, nargs=2, default=default, metavar=("BEFORE", "AFTER"),
            help="images on either side of the event",
        )  # fmt: skip
    simulate.add_argument(
        "--looks", type=float, nargs=2, metavar=("VV", "VH"), help="default: as published"
    )
    simulate.add_argument(
        "--like",
        choices=("hokkaido", "kaikoura"),
        default="hokkaido",
        help="whose published statistics of backscatter and coherence",
    )
    simulate.add_argument("--zarr-format", type=int, choices=(2, 3), default=3, help="of the store")
    simulate.add_argument("--overwrite", action="store_true", help=OVERWRITE)
    simulate.set_defaults(run=_simulate)

    build = options.subcommand(commands, "build", "build a cube from archives; run again to go on")
    add_build_options(build)
    build.set_defaults(run=_build)

    _add_optimize(commands)

    train = options.subcommand(commands, "train", "train one model and save it as a bundle")
    options.add_experiment_options(train)
    train.add_argument("--inputs", default="vv+vh", help=options.INPUTS)
    train.add_argument("--timesteps", type=int, default=4, help="images on either side")
    train.add_argument("--seed", type=options.seed, default=0, help="of weights and batches")
    train.add_argument("--threads", type=int, help="CPU threads; default: the preset's")
    train.add_argument("--out", required=True, help="folder of the bundle")
    train.add_argument("--table", help="write the row into this table, too")
    train.set_defaults(run=_train, protocol="blocked")

    mapped = options.subcommand(commands, "map", "map the landslides of a cube; run again to go on")
    add_map_options(mapped)
    mapped.set_defaults(run=_map)

    table = options.subcommand(commands, "table", "print the AUPRC table and the paper's claims")
    table.add_argument("table", help="folder of the table")
    table.add_argument(
        "--format", choices=("text", "csv", "markdown"), default="text", help="of the print"
    )
    table.add_argument(
        "--compare",
        nargs=2,
        metavar=("A", "B"),
        help="say whether inputs A beat inputs B, such as vv+vh and vv, or vv@4 and vv@1; or how a "
        "model began and on how many labels: 'vv from kaikoura on 16' and 'vv at random on all'",
    )
    table.set_defaults(run=_table)

    add_figures(commands)
    return top


def _add_optimize(commands: Any) -> None:
    optimize = options.subcommand(
        commands, "optimize", "copy a cube in the layout that streams best"
    )
    optimize.add_argument("cube", help=options.CUBE)
    optimize.add_argument("out", help="address of the copy")
    optimize.add_argument("--event", help=options.EVENT)
    optimize.add_argument("--chip-size", type=int, default=128, help="pixels on a chunk's side")
    optimize.add_argument("--dates", type=int, default=4, help="images in a chunk, at most")
    optimize.add_argument(
        "--packing",
        choices=("ln", "power", "float16", "int16"),
        default="ln",
        help="backscatter as its logarithm in float32 (default), as linear power, or its "
        "logarithm packed",
    )
    optimize.add_argument("--threads", type=options.count, help="default: one for each CPU")
    optimize.add_argument("--dry-run", action="store_true", help="say sizes and gain; no writing")
    optimize.add_argument("--overwrite", action="store_true", help=OVERWRITE)
    options.add_reading_options(optimize)
    optimize.set_defaults(run=_optimize)


# Each command imports what it needs: torch alone takes seconds that `landslide table` can spare.


def _fetch(args: argparse.Namespace) -> None:
    from landslide.cube.fetch import fetch_cube

    print(fetch_cube(args.event, args.folder))


def _inspect(args: argparse.Namespace) -> int:
    from landslide.chips.inspect import inspect_cube
    from landslide.cube.store import open_cube

    inspection = inspect_cube(
        open_cube(args.cube, reader=args.reader, missing=args.missing), args.event
    )
    print("\n".join(inspection.lines))
    return 0 if inspection.ready else 1


def _simulate(args: argparse.Namespace) -> None:
    from landslide.simulation import simulate_cube

    simulate_cube(
        args.out,
        shape=tuple(args.shape),
        seed=args.seed,
        descending=tuple(args.descending),
        ascending=tuple(args.ascending),
        looks=tuple(args.looks) if args.looks else None,
        like=args.like,
        zarr_format=args.zarr_format,
        overwrite=args.overwrite,
        progress=True,
    )
    print(args.out)


def _build(args: argparse.Namespace) -> None:
    from landslide.build.asked import build_asked

    build_asked(args.event, args.out, until=args.until, dry_run=args.dry_run, report=print)


def _optimize(args: argparse.Namespace) -> None:
    from landslide.chips.optimize import Layout, optimize_cube, optimize_plan

    layout = Layout(chip_size=args.chip_size, dates=args.dates, packing=args.packing)
    how: dict[str, Any] = {
        "event": args.event, "layout": layout, "reader": args.reader, "missing": args.missing,
    }  # fmt: skip
    print(optimize_plan(args.cube, args.out, **how).text)
    if args.dry_run:
        return
    done = optimize_cube(
        args.cube, args.out, threads=args.threads, overwrite=args.overwrite, progress=True, **how
    )
    print(done.text)
    print(args.out)


def _train(args: argparse.Namespace) -> None:
    from landslide.bundling import train_bundle
    from landslide.training.calibration import in_words

    trained = train_bundle(
        options.opened_cube(args),
        options.config_of(
            args,
            inputs=args.inputs,
            timesteps=args.timesteps,
            seed=args.seed,
            threads=args.threads,
        ),
        options.chipping_of(args),
        out=args.out,
        event=args.event,
        orbit=args.orbit,
        split=options.split_text(args),
        chips=args.chips,
        skip_damaged=args.skip_damaged,
        table=args.table,
    )
    print(f"AUPRC {trained.auprc:.3f} on the test part (random: {trained.prevalence:.3f})")
    print(in_words(trained.calibration))
    print(args.out)


def _map(args: argparse.Namespace) -> None:
    from landslide.mapping.inference.arena import one_arena
    from landslide.mapping.run import map_landslides

    one_arena()
    written = map_landslides(
        [args.model, *args.members],
        cube_to_map(args),
        args.out,
        map_choices(args),
        progress=True,
    )
    print("\n".join(written.values()))


def _table(args: argparse.Namespace) -> None:
    from landslide.results.comparing import compare
    from landslide.results.curve_rows import curve_rows
    from landslide.results.labels import label_report
    from landslide.results.summary import report
    from landslide.results.table import results_table

    rows = results_table(args.table)
    if args.compare:
        first, second = args.compare
        print(compare(rows, first, second, args.format), end="")
    else:
        print(report(rows, args.format), end="")
        if args.format == "text" and rows["labelled_chips"].notna().any():
            try:
                print("\n" + label_report(curve_rows(rows)), end="")
            except ValueError as error:
                print(f"\nno curves over labelled chips: {error}")
