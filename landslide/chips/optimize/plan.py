"""What rewriting a cube costs and gains, said before anything is written."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from landslide.chips.layout.cube import CubeLayout, Layout, cube_layout
from landslide.chips.layout.sizes import SPECKLE, size_text
from landslide.chips.optimize.access import Access, chip_access, composite_images
from landslide.chips.optimize.provenance import event_of
from landslide.chips.optimize.source import divide_variables
from landslide.chips.optimize.unfinished import grow_at
from landslide.cube.address import METADATA_FILES, UNLISTED, filesystem_of, plain_errors
from landslide.cube.schema import POLARISATIONS
from landslide.cube.store import open_cube


@dataclass(frozen=True)
class OptimizePlan:
    """What is there, what is to be, and what a chip costs in either."""

    source_bytes: int
    """Of the source, unpacked."""
    source_stored: int | None
    """Of the source as its store lists them; None where it lists nothing."""
    out_bytes: int
    """Of the copy, unpacked."""
    out_stored: int
    """Of the copy as stored, estimated."""
    layout: str
    """Chunks and shards of the copy, in words."""
    images: int
    """On each side of the event, of the composite that is compared; 0 where there is none."""
    source_chip: Access
    out_chip: Access
    reads: float
    """How often a source chunk is read, on average."""

    @property
    def _larger(self) -> str:
        times = self.out_stored / (self.source_stored or self.out_stored or 1)
        return f" ({times:.2f} times the source)" if times > 1.05 else ""

    @property
    def text(self) -> str:
        """The same, for people."""
        listed = "" if self.source_stored is None else f"{size_text(self.source_stored)} stored, "
        stored = size_text(self.out_stored)
        once = "once" if self.reads == 1 else f"{self.reads:.2f} times on average"
        lines = [
            f"source: {listed}{size_text(self.source_bytes)} unpacked; each chunk is read {once}",
            f"copy: about {stored} stored{self._larger}, {size_text(self.out_bytes)} unpacked",
            f"copy: {self.layout}",
        ]
        if self.images and self.out_chip.bytes:
            here, there = self.source_chip, self.out_chip
            lines += [
                f"a chip of {self.images} + {self.images} images, read alone:",
                f"  in the source {here.chunks:.3g} chunks, {size_text(here.bytes)} decoded",
                f"  in the copy {there.chunks:.3g} chunks, {size_text(there.bytes)} decoded",
                f"  {here.bytes / there.bytes:.3g} times less to decode: helps --chips stream;",
                "  a sweep whose chips fit in memory reads all of either once",
            ]
        return "\n".join(lines)


def optimize_plan(
    uri: str | os.PathLike[str],
    out: str | None = None,
    *,
    event: str | None = None,
    layout: Layout | None = None,
    **opening: Any,
) -> OptimizePlan:
    """Say what `optimize_cube` with the same arguments would cost and gain; reads coordinates only.

    Raises
    ------
    ValueError
        Where the event is unknown, no cube lies there, or none can be written to `out`, if given.
    FileNotFoundError, PermissionError, ConnectionError
        Where the address cannot be read.
    """
    uri, layout = os.fspath(uri), layout or Layout()
    if out is not None:
        grow_at(out, uri)
    cube = open_cube(uri, block_pixels=layout.shard_side, **opening)
    about = event_of(cube, event)
    lay = cube_layout(cube, about, layout)
    sizes = {name: int(cube[name].nbytes) for name in lay.variables}
    stored = _listed(uri)
    copied = {
        name: math.prod(variable.shape) * variable.dtype.itemsize
        for name, variable in lay.variables.items()
    }
    divided = divide_variables(cube, lay).values()
    images = composite_images(cube, about, layout.dates)
    here, there = chip_access(cube, lay, images, layout.chip_size)
    return OptimizePlan(
        source_bytes=sum(sizes.values()),
        source_stored=None if stored is None else sum(stored.values()),
        out_bytes=sum(copied.values()),
        out_stored=round(sum(_ratio(n, sizes, stored, layout) * b for n, b in copied.items())),
        layout=_words(lay),
        images=len(images) // 2,
        source_chip=here,
        out_chip=there,
        reads=sum(d.reads for d in divided) / sum(d.chunks for d in divided),
    )


def _words(lay: CubeLayout) -> str:
    kinds = {v.chunks: v.shards for v in lay.variables.values()}
    deepest = max(kinds, key=math.prod)
    chunks, shards = ("x".join(map(str, shape)) for shape in (deepest, kinds[deepest]))
    return f"chunks of {chunks} in shards of {shards}"


def _listed(uri: str) -> dict[str, int] | None:
    """Return the bytes of each array as its store lists them, or None where it lists nothing."""
    if uri.startswith(UNLISTED):
        return None
    with plain_errors(uri):
        filesystem, root = filesystem_of(uri)
        found = filesystem.find(root, detail=True)
    sizes: dict[str, int] = {}
    for path, details in found.items():
        name, _, key = path.removeprefix(f"{root}/" if root else "").partition("/")
        if key.rpartition("/")[2] not in ("", *METADATA_FILES):
            sizes[name] = sizes.get(name, 0) + int(details["size"])
    return sizes


def _ratio(
    name: str, sizes: Mapping[str, int], stored: Mapping[str, int] | None, layout: Layout
) -> float:
    """Return stored over unpacked bytes of a variable of the copy, estimated."""
    if name in POLARISATIONS and layout.packing in SPECKLE:
        return SPECKLE[layout.packing]  # a logarithm has no zero bits, whatever its power had
    return 1.0 if stored is None or name not in stored else stored[name] / max(1, sizes[name])
