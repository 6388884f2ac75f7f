"""Chips brought to where training reads them: into memory, into a chip store, or left be."""

import logging
from concurrent.futures import Executor

from landslide.chips.chip_store import open_chip_store, write_chip_store
from landslide.chips.loading import load_chips, require_landslides
from landslide.chips.passing import ChipStream
from landslide.chips.sizes import MEMORY, STORE, Room, chip_bytes, choose_chips
from landslide.chips.survey import Chips, known_of, survey

log = logging.getLogger(__name__)


def gather_chips(
    stream: ChipStream,
    way: str,
    address: str,
    executor: Executor | None = None,
    look_ahead: int | None = None,
    *,
    room: Room,
) -> Chips:
    """Read a stream in one pass, and return its chips where `train` finds them.

    Parameters
    ----------
    stream : ChipStream
    way : str
        `auto`, `memory`, `store` or `stream`, as `choose_chips` says.
    address : str
        Of the chip store, where one is needed.
    executor, look_ahead
        As for `map_chips`.
    room : Room
        What there is for chips.

    Raises
    ------
    ValueError
        Where the chips cannot train or score a model.
    """
    size = chip_bytes(stream)
    way = choose_chips(way, size, room)
    log.info("%d chips of %.3g GB: %s", stream.chips.sizes["chip"], size / 1e9, way)
    chips: Chips
    if way == MEMORY:
        chips = load_chips(stream, executor, look_ahead, progress=True)
    elif way == STORE:
        write_chip_store(stream, address, executor, look_ahead=look_ahead)
        chips = open_chip_store(address)
    else:
        chips = survey(stream, executor, look_ahead)
    require_landslides(known_of(chips))
    return chips
