"""Arrays of a chip store as xarray reads them: by region, whenever it is asked."""

from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from landslide.chips.chip_store.arrays import ARRAYS
from landslide.cube.layers import Layer
from landslide.cube.opening import DAMAGE
from landslide.cube.stored import DamagedChunkError, StoredArray


class _OnDemand(BackendArray):
    """An array of a chip store, to xarray's lazy indexing."""

    def __init__(self, layer: Layer) -> None:
        self.layer, self.shape, self.dtype = layer, layer.shape, layer.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> NDArray[Any]:
        read = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )
        return np.asarray(read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        try:
            return self.layer[key]
        except DamagedChunkError as error:
            what = str(error).split(";")[0]
            raise DamagedChunkError(
                f"{what}; delete this chip store, and the next run writes it again"
            ) from error


def lazy_array(address: str, array: zarr.Array[Any], reader: str, token: str) -> Any:
    """Return an array of a chip store that xarray reads by region, whenever it is asked."""
    stored = StoredArray(
        uri=address,
        path=array.basename,
        reader=reader,
        missing=DAMAGE,
        token=token,
        shape=array.shape,
        chunks=array.chunks,
        objects=array.chunks,
        dtype=array.dtype,
    )
    axes = tuple(range(array.ndim))
    whole = (None,) * array.ndim
    layer = Layer(f"{array.basename}-{token}", stored, axes, whole, None, None)
    return indexing.LazilyIndexedArray(_OnDemand(layer))


def read_array(address: str, array: zarr.Array[Any], reader: str, token: str) -> NDArray[Any]:
    """Read an array of a chip store whole."""
    lazy = lazy_array(address, array, reader, token)
    return np.asarray(xr.Variable(ARRAYS[array.basename][0], lazy).to_numpy())
