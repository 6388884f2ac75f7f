"""What all trials of a sweep share, planned before any image is read."""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from landslide.chips.chip_store import LAYOUT
from landslide.chips.inputs import parse_inputs, union
from landslide.chips.loading import require_landslides
from landslide.chips.passing import ChipStream
from landslide.chips.plan import plan_chips
from landslide.chips.split import (
    LEAST_BLOCKS,
    TEST,
    Chipping,
    effective_blocks,
    require_apart,
    spatial_blocks,
    split_to_json,
)
from landslide.chips.stream import plan_stream, whole_timesteps
from landslide.chips.windows import corners_of
from landslide.cube.digest import cube_digest, how_read, label_digest
from landslide.cube.events import Event, event_to_attribute
from landslide.cube.labels import read_labels
from landslide.storage import absolute

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Experiment:
    """What all trials of a sweep share, known before any image is read."""

    cube: str
    """Address of the cube."""
    cube_digest: str
    label_digest: str
    """Digest of the label plane, which copies of a cube share, whatever their layout."""
    event: Event
    chipping: Chipping
    inputs: tuple[str, ...]
    """All input sets of the sweep: together they make the one mask that scores every row."""
    timesteps: tuple[int, ...]
    """All timestep counts of the sweep."""
    orbit: str | None
    """The geometry asked for, if any."""
    split: str
    """Each chip's corner and part, as JSON."""
    simulated: bool
    skip_damaged: bool
    """Whether chips of missing or damaged chunks are left out."""
    sources: tuple[str, ...] = ()
    """Digests of other cubes' chips that are trained on in place of, or beside, this one's."""

    without_own: bool = False
    """Whether those take the place of all of this cube's training chips."""

    @property
    def split_digest(self) -> str:
        """Digest of the protocol, and of the chips' size, corners and parts."""
        return hashlib.sha256(self.split.encode()).hexdigest()[:16]

    @property
    def chips_digest(self) -> str:
        """Digest of the chips themselves: what was cut of which cube, and divided how."""
        return digest_of(self.determined)

    @property
    def determined(self) -> dict[str, Any]:
        """What determines the chips and how they are scored."""
        known = {
            "cube": self.cube_digest,
            "event": event_to_attribute(self.event),
            "orbit": self.orbit,
            "split": self.split_digest,  # of protocol, chip size, corners and parts
            "mask": self.mask,
        }
        others = {"sources": self.sources, "without_own": self.without_own}
        return known | (others if self.sources else {})

    @property
    def chip_store(self) -> str:
        """Name of the store of the sweep's chips: another sweep over the same finds them by it."""
        determined = {
            "layout": LAYOUT,
            "cube": self.cube_digest,
            "event": event_to_attribute(self.event),
            "split": hashlib.sha256(self.split.encode()).hexdigest(),
            "channels": union(self.inputs).channels,
            "timesteps": self.timesteps,
            "orbit": self.orbit,
        }
        return f"chips-{digest_of(determined)[:24]}.zarr"

    @property
    def mask(self) -> str:
        """The channels and timestep counts that a scored pixel has data in, all of them."""
        counts = ",".join(map(str, self.timesteps))
        return f"{union(self.inputs).name} x {counts}"


def digest_of(determined: dict[str, Any]) -> str:
    """Digest what determines something, whatever the order it is given in."""
    return hashlib.sha256(json.dumps(determined, sort_keys=True).encode()).hexdigest()


def plan_experiment(
    cube: xr.Dataset,
    event: Event,
    chipping: Chipping,
    inputs: Sequence[str],
    timesteps: Sequence[int],
    *,
    orbit: str | None = None,
    split: str | None = None,
    skip_damaged: bool = False,
) -> Experiment:
    """Fix what determines a sweep's rows; of the cube's pixels only the labels are read.

    Parameters
    ----------
    cube : Dataset
        As `open_cube` gives it.
    event : Event
    chipping : Chipping
    inputs, timesteps : sequences
        All input sets and timestep counts of the sweep.
    orbit : str, optional
        As for `stream_chips`.
    split : str, optional
        A saved split to use again.
    skip_damaged : bool
        As for `plan_stream`.

    Raises
    ------
    ValueError
        As `plan_chips`, `require_apart` and `require_landslides` do.
    """
    address = absolute(str(cube.encoding["source"]))  # a worker's folder is another
    labels = read_labels(cube)
    # What lets a damaged cube pass makes it another: its rows and chips are not those of a whole.
    read_as = how_read(cube, skip_damaged=skip_damaged)
    chips = plan_chips(labels, chipping, split)
    corners, parts = corners_of(chips), chips["part"].to_numpy()
    require_apart(corners, parts, chipping.chip_size)
    require_landslides(chips)
    if chipping.protocol == "blocked":
        _warn_of_one_place(address, chips, chipping)
    return Experiment(
        cube=address,
        cube_digest=cube_digest(address, labels, read_as),
        label_digest=label_digest(labels),
        event=event,
        chipping=chipping,
        inputs=tuple(sorted({parse_inputs(name).name for name in inputs})),
        timesteps=whole_timesteps(timesteps),
        orbit=orbit,
        split=split_to_json(corners, parts, chipping),
        simulated=bool(cube.attrs.get("simulated", False)),
        skip_damaged=skip_damaged,
    )


def _warn_of_one_place(address: str, chips: xr.Dataset, chipping: Chipping) -> None:
    """Say so where the test landslides lie in too few blocks to tell how blocks differ."""
    tested = (chips["part"] == TEST).to_numpy()
    blocks = spatial_blocks(corners_of(chips), chipping)[tested]
    number = np.unique(blocks, return_inverse=True)[1]
    found = effective_blocks(number, (chips["label"].to_numpy()[tested] == 1).sum(axis=(1, 2)))
    if found < LEAST_BLOCKS:
        log.warning(
            "%s: the landslides to test on lie in %.1f of %d spatial blocks, counted by their "
            "pixels, so no interval will say what another place would give: choose a smaller "
            "--block-size, or another --split-seed",
            address,
            found,
            number.max() + 1,
        )


def stream_of(cube: xr.Dataset, experiment: Experiment) -> ChipStream:
    """Return the chips of an experiment, to be read of its cube.

    Parameters
    ----------
    cube : Dataset
        As `open_cube` gives it.
    experiment : Experiment

    Raises
    ------
    ValueError
        As `plan_stream` does.
    """
    return plan_stream(
        cube,
        experiment.event,
        inputs=experiment.inputs,
        timesteps=experiment.timesteps,
        chipping=experiment.chipping,
        orbit=experiment.orbit,
        split=experiment.split,
        skip_damaged=experiment.skip_damaged,
    )
