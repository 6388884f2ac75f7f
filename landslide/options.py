"""Options that commands and sweeps share, and what they say."""

import argparse
import math
from pathlib import Path
from typing import Any, NoReturn

import xarray as xr

from landslide.chips.inputs import TERMS
from landslide.chips.sizes import AUTO as AUTO_CHIPS
from landslide.chips.sizes import WAYS
from landslide.chips.split import Chipping
from landslide.cube.events import load_event
from landslide.cube.labels import keep_labels
from landslide.cube.opening import DAMAGE, MISSING
from landslide.cube.readers import AUTO, READERS
from landslide.cube.store import open_cube
from landslide.errors import one_line
from landslide.storage import absolute, read_bytes
from landslide.training.config import PRECISIONS, PRESETS, TrainingConfig, training_config

INPUTS = f"one or more of {', '.join(TERMS)}, joined by +"
CUBE = "address: a path, gs://, s3://, https://, .zip"
EVENT = "a published event's name or a TOML file; default: the cube's own"


class Help(argparse.HelpFormatter):
    """Help that says each default that is a value, as it is written on a command line."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text, value = action.help or "", action.default
        silent = (None, False, argparse.SUPPRESS)
        if any(value is each for each in silent) or value == [] or "default" in text:
            return text
        written = " ".join(map(str, value)) if isinstance(value, list | tuple) else value
        return f"{text}; default: {written}".replace("%", "%%")


class Parser(argparse.ArgumentParser):
    """A parser that says on one line what is wrong, as the commands do; `--help` says the rest."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"formatter_class": Help} | kwargs)

    def error(self, message: str) -> NoReturn:
        """Exit with 2, as is the custom for a command line that cannot be read."""
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


def subcommand(commands: Any, name: str, what: str) -> Any:
    """Add one of several commands, and what it does in a phrase."""
    return commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")


def seed(text: str) -> int:
    """Return the seed that `text` says, one that every generator takes, and a row."""
    number = int(text)
    if not 0 <= number < 2**31:
        raise argparse.ArgumentTypeError(f"{text} is not a seed: give 0 to {2**31 - 1}")
    return number


def positive(text: str) -> float:
    """Return the number above 0 that `text` says."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} cannot be: give a number above 0")
    return number


def count(text: str) -> int:
    """Return the number that `text` says, of which there must be one at least."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is too few: give 1 or more")
    return number


def add_experiment_options(parser: argparse.ArgumentParser) -> None:
    """Add what says how chips are cut, divided and trained on."""
    parser.add_argument(
        "cube",
        nargs="?",
        help=f"{CUBE}; default: the event's",
    )
    parser.add_argument("--event", help=EVENT)
    parser.add_argument(
        "--preset", choices=tuple(PRESETS), default="paper", help="of the network and its training"
    )
    parser.add_argument("--epochs", type=int, help="passes over the chips; default: the preset's")

    chips = parser.add_argument_group("chips and split")
    chips.add_argument(
        "--protocol",
        choices=("paper", "blocked"),
        default="paper",
        help="paper: chips with landslides, divided at random; blocked: all chips, by blocks",
    )
    chips.add_argument("--chip-size", type=int, default=128, help="pixels on a side")
    chips.add_argument(
        "--overlap",
        type=int,
        default=0,
        help="blocked: pixels that neighbours share, and that are scored with each",
    )
    chips.add_argument(
        "--min-landslide-pixels", type=int, help="a chip needs as many; default: the protocol's"
    )
    chips.add_argument("--block-size", type=int, default=1024, help="blocked: pixels on a side")
    chips.add_argument("--block-offset", type=int, default=0, help="blocked: first block's edge")
    chips.add_argument("--buffer", type=int, help="blocked: pixels between parts; default one chip")
    chips.add_argument("--split-seed", type=seed, default=0, help="blocked: draws the split")
    chips.add_argument("--split", help="a saved split to use again")
    chips.add_argument("--orbit", help="a relative orbit, ascending, descending, or any (mixed)")

    reading = parser.add_argument_group("reading")
    add_reading_options(reading)
    reading.add_argument(
        "--chips",
        choices=(AUTO_CHIPS, *WAYS),
        default=AUTO_CHIPS,
        help="; ".join(f"{way}: {what}" for way, what in WAYS.items())
        + "; default: memory where they fit, else store",
    )
    reading.add_argument(
        "--skip-damaged", action="store_true", help="leave out the chips of damaged chunks"
    )

    training = parser.add_argument_group("training (defaults come from the preset)")
    training.add_argument("--network", help="paper, quick, or ARCHITECTURE/ENCODER")
    training.add_argument("--encoder-weights", help="none, imagenet (downloads) or a path")
    training.add_argument("--batch-size", type=int, help="chips in a step")
    training.add_argument("--learning-rate", type=float, help="at first; lower on a plateau")
    training.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="mixed: bfloat16, float16 on a GPU without that, and float32 on a CPU without AMX or "
        "AVX-512 BF16; auto: mixed on a GPU, float32 on a CPU",
    )
    training.add_argument(
        "--compile",
        action="store_true",
        default=None,
        help="compile the training steps, which takes a minute or more for each trial; where the "
        "machine cannot, they run uncompiled, and the row says so",
    )


def add_reading_options(parser: argparse._ActionsContainer) -> None:
    """Add what says how a cube's chunks are read."""
    parser.add_argument(
        "--reader",
        choices=(AUTO, *READERS),
        default=AUTO,
        help="default: the fastest that is installed and fits the store",
    )
    parser.add_argument(
        "--missing",
        choices=MISSING,
        default=DAMAGE,
        help="what a chunk counts as that the store lacks; no-data where the cube was written "
        "without its empty chunks",
    )


def opened_cube(args: argparse.Namespace) -> xr.Dataset:
    """Open the cube that the options name, its labels in memory.

    Raises
    ------
    ValueError, OSError
        As `open_cube` and `keep_labels` do.
    """
    address = cube_address(args.cube, args.event)
    return keep_labels(open_cube(address, reader=args.reader, missing=args.missing))


def cube_address(cube: str | None, event: str | None) -> str:
    """Return the cube's absolute address: the one given, else the one that the event file names.

    Raises
    ------
    ValueError
        Where neither says one.
    """
    named = cube or (load_event(event).cube if event else None)
    if named is None:
        raise ValueError("no cube: give its address, or an --event file that names it with `cube`")
    return absolute(named)


def chipping_of(args: argparse.Namespace) -> Chipping:
    """Return the chipping that the options say; where one may name no protocol, that of `paper`."""
    return Chipping(
        protocol=args.protocol or "paper",
        chip_size=args.chip_size,
        overlap=args.overlap,
        minimum_landslide_pixels=args.min_landslide_pixels,
        block_size=args.block_size,
        block_offset=args.block_offset,
        buffer=args.buffer,
        split_seed=args.split_seed,
    )


def config_of(args: argparse.Namespace, **changes: Any) -> TrainingConfig:
    """Return the training configuration that the options say."""
    weights = args.encoder_weights
    if weights and Path(weights).is_file():  # a trial runs in a folder of its own
        weights = absolute(weights)
    return training_config(
        args.preset,
        epochs=args.epochs,
        network=args.network,
        encoder_weights=weights,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        precision=args.precision,
        compile=args.compile,
        **changes,
    )


def split_text(args: argparse.Namespace) -> str | None:
    """Return the saved split that the options name, if any.

    Raises
    ------
    ValueError
        Where its address cannot be read as text.
    """
    if args.split is None:
        return None
    address = absolute(args.split)
    try:
        return read_bytes(address).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"cannot read the split {address} ({one_line(error)}): give the file that a sweep wrote"
        ) from error
