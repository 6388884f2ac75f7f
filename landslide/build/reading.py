"""How the loader opens a file: patiently, signed at that moment, its errors named."""

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.loader import RasterLoadParams, RasterSource, RioDriver, RioReader

from landslide.build.access import gdal_options, require_place, signed
from landslide.build.signing import Signer

# What the loader would log, signature and all, is raised, and named here.
logging.getLogger("odc.loader._rio").setLevel(logging.CRITICAL)


class SigningReader(RioReader):
    """Reads a window of one file."""

    def __init__(self, source: RasterSource, context: Any, sign: Signer) -> None:
        super().__init__(source, context)
        self.sign = sign

    def read(
        self,
        cfg: RasterLoadParams,
        dst_geobox: GeoBox,
        *,
        dst: NDArray[Any] | None = None,
        selection: Any = None,
    ) -> tuple[tuple[slice, slice], NDArray[Any]]:
        """Return where in the grid the window lies, and its pixels.

        Raises
        ------
        ValueError, OSError
            As `landslide.build.access.reason` says.
        """
        plain, meta = self._src.uri, self._src.meta
        nodata = meta.nodata if meta is not None and meta.nodata is not None else 0.0
        # NaN stands for no data once read, so the file's own mark is what remains to be said.
        cfg = replace(cfg, src_nodata_fallback=nodata, fill_value=np.nan)

        def attempt(address: str) -> tuple[tuple[slice, slice], NDArray[Any]]:
            reader = RioReader(replace(self._src, uri=address), self._ctx)
            try:
                place, values = reader.read(cfg, dst_geobox, dst=dst, selection=selection)
            except (ValueError, AttributeError, AssertionError):  # of an image that lies nowhere
                with rasterio.open(address) as image:
                    require_place(image, plain)
                raise
            # Zero is no power, whatever the file says: the scene below counts there.
            np.copyto(values, np.nan, where=values == 0)
            return place, values

        with rasterio.Env(**gdal_options(plain)):
            return signed(plain, self.sign, attempt)


class SigningDriver(RioDriver):
    """The loader's own driver for rasterio, with addresses signed as they are opened."""

    def __init__(self, sign: Signer) -> None:
        super().__init__()
        self.sign = sign

    def open(self, src: RasterSource, ctx: Any) -> SigningReader:
        """Return the reader of one file."""
        return SigningReader(src, ctx, self.sign)
