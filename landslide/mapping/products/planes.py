"""A scene's planes on disk: read once, checked, in blocks."""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from landslide.cube.labels import NO_DATA, decode_label_values
from landslide.mapping.products.ground import Ground, blocks_of
from landslide.mapping.products.rasters import (
    MASK,
    MASK_NO_DATA,
    PROBABILITY,
    SPREAD,
    plane_writer,
    write_block,
)
from landslide.mapping.products.reading import read_plane

ONE_OR_NONE = replace(MASK, title="1: here", no_data=0, colours=None)


class NothingSeenError(ValueError):
    """A map of which no pixel has data."""


@dataclass(frozen=True)
class Planes:
    """Paths of rasters on disk."""

    probability: str
    mask: str
    """1 landslide, 0 none, 255 no data."""
    landslide: str
    """1 landslide, 0 all else: for the outlines."""
    spread: str | None
    label: str | None
    """1 landslide, 0 none, 255 no data; None where the cube has no labels."""
    mapped: str | None
    """1 labelled landslide, 0 all else."""
    unlabelled: str | None = None
    """What is wrong with the cube's labels, where they were left out for it."""


def _read(scene: xr.Dataset, name: str, rows: slice, columns: slice) -> NDArray[np.float32]:
    plane = scene[name].isel(y=rows, x=columns).transpose("y", "x").to_numpy()
    return plane.astype(np.float32, copy=False)


def _require_probability(values: NDArray[np.float32]) -> None:
    usable = values[~np.isnan(values)]
    if usable.size and (usable.min() < 0 or usable.max() > 1):
        raise ValueError(
            f"the map holds {usable.min():g} to {usable.max():g} where probabilities from 0 to 1 "
            "are expected: give probabilities, not logits"
        )


def write_planes(
    scene: xr.Dataset,
    cube: xr.Dataset,
    ground: Ground,
    threshold: float,
    folder: str,
    damages: set[str] | None = None,
) -> Planes:
    """Write a scene's probability, mask and spread, and the cube's labels, to a folder on disk.

    They are read block by block, the scene once. A map needs no labels: those that cannot be read,
    or are none, are left out.

    Parameters
    ----------
    scene, cube, ground, threshold
        Of the map.
    folder : str
    damages : set of str, optional
        As for `read_plane`.

    Raises
    ------
    NothingSeenError
        Where the scene has no valid pixel.
    ValueError
        Where it has values that are no probabilities.
    """
    wanted: dict[str, Any] = {"probability": PROBABILITY, "mask": MASK, "landslide": ONE_OR_NONE}
    if "spread" in scene:
        wanted["spread"] = SPREAD
    if "landslides" in cube:
        wanted |= {"label": MASK, "mapped": ONE_OR_NONE}
    paths = {name: str(Path(folder) / f"{name}.tif") for name in wanted}
    seen, unlabelled = 0, None
    with ExitStack() as opened:
        rasters = {
            name: opened.enter_context(plane_writer(paths[name], kind, ground))
            for name, kind in wanted.items()
        }
        for rows, columns in blocks_of(ground.shape):
            probability = _read(scene, "probability", rows, columns)
            _require_probability(probability)
            observed = ~np.isnan(probability)
            seen += int(observed.sum())
            called = np.greater_equal(probability, threshold)
            written: dict[str, NDArray[Any]] = {
                "probability": probability,
                "mask": np.where(observed, called, np.uint8(MASK_NO_DATA)).astype(np.uint8),
                "landslide": called.astype(np.uint8),
            }
            if "spread" in rasters:
                written["spread"] = _read(scene, "spread", rows, columns)
            if "label" in rasters:
                try:
                    label = read_plane(cube["landslides"], rows, columns, damages, no_data=NO_DATA)
                    written["label"] = decode_label_values(label)
                    written["mapped"] = (written["label"] == 1).astype(np.uint8)
                except ValueError as error:  # damage is one, too
                    unlabelled = str(error)
                    del rasters["label"], rasters["mapped"]
            for name, values in written.items():
                write_block(rasters[name], values, rows, columns)
    if not seen:
        raise NothingSeenError(
            "the map has no valid pixel: its inputs have no data anywhere in the area; choose "
            "another --bbox or --event"
        )
    return Planes(
        paths["probability"],
        paths["mask"],
        paths["landslide"],
        paths.get("spread"),
        paths["label"] if "label" in rasters else None,
        paths["mapped"] if "mapped" in rasters else None,
        unlabelled,
    )
