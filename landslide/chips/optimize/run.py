"""Rewrite a cube for chips: region by region, resumed, verified, and whole or not at all."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dask.system import CPU_COUNT

from landslide.chips.layout.cube import Layout, cube_layout
from landslide.chips.layout.packing import Counts
from landslide.chips.layout.template import metadata_objects
from landslide.chips.optimize.copying import Copying
from landslide.chips.optimize.provenance import event_of, plan_of, provenance, with_counts
from landslide.chips.optimize.source import divide_variables
from landslide.chips.optimize.unfinished import begin, finish, grow_at
from landslide.cube.address import ROOT, plain_write_errors
from landslide.cube.store import open_cube
from landslide.storage import write_whole

IN_FLIGHT_BYTES = 2 << 30
"""What all regions that are worked on may hold, decoded; fewer threads work on large ones."""


@dataclass(frozen=True)
class Optimized:
    """What was done."""

    regions: int
    """In the whole cube."""
    written: int
    """By this run; an earlier one that was stopped had written the others."""
    counts: Mapping[str, Counts]
    """For each polarisation, what became of its samples, whichever run wrote them."""

    @property
    def text(self) -> str:
        """The same, for people."""
        lines = [
            f"{self.regions} regions verified, {self.written} of them written by this run",
        ]
        for name, counts in self.counts.items():
            line = f"{name}: {counts.missing} samples without data"
            line += f", {counts.rejected} that are no backscatter (infinite, zero or negative)"
            if counts.largest_error or counts.clipped:
                line += f", {counts.clipped} clipped"
                line += f"; packing changed a logarithm by {counts.largest_error:.2g} at most"
            lines.append(line)
        return "\n".join(lines)


def optimize_cube(
    uri: str | os.PathLike[str],
    out: str,
    *,
    event: str | None = None,
    layout: Layout | None = None,
    threads: int | None = None,
    overwrite: bool = False,
    progress: bool = False,
    **opening: Any,
) -> Optimized:
    """Rewrite a cube so that a chip is few chunks, each of what a composite needs.

    A run that was stopped is taken up by the same call. Until all is written and read back, no
    cube can be opened at `out`.

    Parameters
    ----------
    uri
        Address of the cube.
    out
        Where the copy goes: a local path or a writable address that fsspec knows.
    event
        As `landslide.cube.events.find_event` takes it; None for the cube's own.
    layout
        Chip size, images in a chunk, shards, packing.
    threads
        Regions worked on at once; by default one for each CPU, fewer where regions are large.
    overwrite
        Replace what lies at `out`, or was begun there from another cube. On a disk the old cube
        stays until the new one is whole; in an object store it goes first.
    progress
        Show bars on standard error.
    opening
        What else `open_cube` takes: `reader`, `missing`.

    Returns
    -------
    Optimized

    Raises
    ------
    FileExistsError
        Where something lies at `out`, or was begun from another cube or with other options.
    ValueError
        Where the event is unknown, a source chunk is damaged, or what was written does not read
        back as it was; another run then writes those regions again.
    FileNotFoundError, PermissionError, ConnectionError
        Where an address cannot be read or written.
    """
    uri, layout = os.fspath(uri), layout or Layout()
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads} (--threads): give 1 or more")
    target = grow_at(out, uri)
    cube = open_cube(uri, block_pixels=layout.shard_side, **opening)
    about = event_of(cube, event)
    lay = cube_layout(cube, about, layout)
    divided = divide_variables(cube, lay)
    plan = plan_of(cube, uri, about, layout)
    done = begin(target, plan, overwrite=overwrite)
    objects = metadata_objects(cube.assign_attrs(provenance(uri, plan)), lay)
    with plain_write_errors(out):
        for key in objects.keys() - {ROOT}:
            write_whole(f"{target.growing}/{key}", objects[key])

    regions = [region for variable in divided.values() for region in variable.boxes]
    at_once = IN_FLIGHT_BYTES // max(variable.bytes for variable in divided.values())
    workers = max(1, min(threads or CPU_COUNT, at_once))
    copying = Copying(cube, lay, target, workers, progress=progress)
    missing = [region for region in regions if region.key not in done]
    records = done | copying.write(missing)
    copying.verify({region: records[region.key]["sha256"] for region in regions})
    counts = {
        name: sum((Counts(**records[box.key]["counts"]) for box in variable.boxes), Counts())
        for name, variable in divided.items()
        if lay.variables[name].packing is not None
    }
    finish(target, with_counts(objects[ROOT], counts))
    return Optimized(len(regions), len(missing), counts)
