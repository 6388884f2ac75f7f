"""Regions written and read back by threads, a bounded number of them at a time."""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from tqdm import tqdm
from zarr.core.array_spec import ArrayConfigParams

from landslide.chips.layout.cube import CubeLayout, StoredVariable
from landslide.chips.layout.packing import Counts, backscatter
from landslide.chips.layout.records import forget, record
from landslide.chips.optimize.regions import Region
from landslide.chips.optimize.source import read_region
from landslide.chips.optimize.unfinished import Unfinished
from landslide.cube.address import plain_errors, plain_write_errors
from landslide.cube.readers import pipeline
from landslide.errors import one_line
from landslide.storage import remove

Record = dict[str, Any]
"""`sha256` of a region's values, and the `counts` of its samples."""


@dataclass(frozen=True)
class Copying:
    """A cube on its way to its copy."""

    cube: xr.Dataset
    """As `open_cube` gives it."""
    layout: CubeLayout
    target: Unfinished
    threads: int
    """Regions in memory at once."""
    progress: bool = False

    def write(self, regions: Iterable[Region]) -> dict[str, Record]:
        """Write regions, and return the record of each by its key, which the store keeps, too."""
        arrays = self._arrays({"write_empty_chunks": True})

        def written(region: Region) -> Record:
            values, logarithms = read_region(self.cube, self.layout, region)
            variable, counts = self.layout.variables[region.variable], Counts()
            if variable.packing is not None:
                values, counts = backscatter(
                    values, logarithms=logarithms, packing=variable.packing
                )
            stored = values.astype(variable.dtype, copy=False)
            done = {"sha256": digest(stored, variable), "counts": asdict(counts)}
            with plain_write_errors(self.target.out):
                arrays[region.variable][region.slices] = stored
                record(self.target.growing, region.key, done)
            return done

        return {region.key: done for region, done in self._each(written, regions, "writing")}

    def verify(self, expected: Mapping[Region, str]) -> None:
        """Read regions back and compare their values with the SHA-256 that they had.

        Raises
        ------
        ValueError
            Where they differ; those are forgotten, so that another run writes them again.
        """
        arrays = self._arrays({"read_missing_chunks": False})

        def problem(region: Region) -> str:
            try:
                with plain_errors(self.target.out):
                    stored = np.asarray(arrays[region.variable][region.slices])
            except (ValueError, RuntimeError) as error:  # what codecs raise
                return one_line(error, 120)
            same = digest(stored, self.layout.variables[region.variable]) == expected[region]
            return "" if same else "other values"

        answers = self._each(problem, expected, "verifying")
        wrong = {region: said for region, said in answers if said}
        for region in wrong:
            self._erase(region, arrays[region.variable])
        if wrong:
            first = min(wrong, key=lambda region: region.key)
            raise ValueError(
                f"{self.target.growing}: {len(wrong)} of {len(expected)} regions do not read back "
                f"as they were written, such as {first.key} ({wrong[first]}): run again to write "
                "them anew"
            )

    def _erase(self, region: Region, array: zarr.Array[Any]) -> None:
        """Remove a region's record and its shards: Zarr would read a damaged one to complete it."""
        forget(self.target.growing, region.key)
        shards = self.layout.variables[region.variable].shards
        spans = zip(region.start, region.stop, shards, strict=True)
        for place in itertools.product(*(range(a // n, -(-b // n)) for a, b, n in spans)):
            key = array.metadata.encode_chunk_key(place)
            remove(f"{self.target.growing}/{region.variable}/{key}")

    def _arrays(self, config: ArrayConfigParams) -> dict[str, zarr.Array[Any]]:
        store = self.target.store()
        opened = {}
        # The pipeline that works in the thread that calls it; an array keeps the one it had first.
        with pipeline("fused"):
            for name in self.layout.variables:
                array = zarr.open_array(store, path=name, mode="r+", zarr_format=3)
                opened[name] = array.with_config(config)
        return opened

    def _each[Answer](
        self, work: Callable[[Region], Answer], regions: Iterable[Region], what: str
    ) -> Iterator[tuple[Region, Answer]]:
        """Do the work of each region in a thread, and yield its answer; an error ends all."""
        with ThreadPoolExecutor(self.threads) as pool:
            regions_of = {pool.submit(work, region): region for region in regions}
            shown = tqdm(
                as_completed(regions_of),
                total=len(regions_of),
                desc=what,
                unit="region",
                disable=not self.progress,
            )
            try:
                for future in shown:
                    yield regions_of[future], future.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def digest(stored: NDArray[Any], variable: StoredVariable) -> str:
    """Return the SHA-256 (hexadecimal) of a region's values, once unpacked."""
    values = stored if variable.packing is None else variable.packing.unpack(stored)
    return hashlib.sha256(np.ascontiguousarray(values).data.cast("B")).hexdigest()
