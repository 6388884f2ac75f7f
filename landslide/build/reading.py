"""How the loader opens a file: signed at that moment, asked again once, its errors named.

A signature lasts an hour and a cube may take longer, so addresses travel unsigned and are signed
where a pixel is read, on whichever worker that is.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import planetary_computer
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.loader import RasterLoadParams, RasterSource, RioDriver, RioReader
from planetary_computer.sas import TOKEN_CACHE
from rasterio.errors import RasterioError

from landslide.build.headers import reason, require_crs

# What the loader would log, signature and all, is raised, and named here.
logging.getLogger("odc.loader._rio").setLevel(logging.CRITICAL)

Signer = Callable[[str, bool], str]
"""From an address, and whether the last signature was refused, to a signed address."""


def unsigned(address: str, _refused: bool) -> str:
    """Return an address that needs no signature."""
    return address


def sign_azure(address: str, refused: bool) -> str:
    """Return an address in the Planetary Computer's store signed; any other as it is.

    Its client keeps signatures until they expire; a refused one is thrown away.
    """
    if refused:
        TOKEN_CACHE.clear()
    return str(planetary_computer.sign_url(address))


SIGNERS: dict[str, Signer] = {"planetary-computer": sign_azure, "none": unsigned}


def signer(name: str) -> Signer:
    """Return one of `landslide.build.sources.SIGNING`."""
    return SIGNERS[name]


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
            As `landslide.build.headers.reason` says.
        """
        plain, meta = self._src.uri, self._src.meta
        nodata = meta.nodata if meta is not None and meta.nodata is not None else 0.0
        # NaN stands for no data once read, so the file's own mark is what remains to be said.
        cfg = replace(cfg, src_nodata_fallback=nodata, fill_value=np.nan)
        for refused in (False, True):
            self._src = replace(self._src, uri=self.sign(plain, refused))
            try:
                return super().read(cfg, dst_geobox, dst=dst, selection=selection)
            except RasterioError as error:
                said = " ".join(f"{error} {error.__cause__ or ''}".split())
                problem = reason(plain, said)
                again = isinstance(problem, PermissionError) and self.sign is not unsigned
                if refused or not again:
                    raise problem from error
            except (ValueError, AttributeError, AssertionError):  # of an image that lies nowhere
                with rasterio.open(self._src.uri) as image:
                    require_crs(image, plain)
                raise
            finally:
                self._src = replace(self._src, uri=plain)
        raise AssertionError("the second answer was raised")


class SigningDriver(RioDriver):
    """The loader's own driver for rasterio, with addresses signed as they are opened."""

    def __init__(self, sign: Signer) -> None:
        super().__init__()
        self.sign = sign

    def open(self, src: RasterSource, ctx: Any) -> SigningReader:
        """Return the reader of one file."""
        return SigningReader(src, ctx, self.sign)
