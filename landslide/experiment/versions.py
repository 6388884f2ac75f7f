"""The versions that a score may depend on."""

import functools
import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PROJECT = "landslide-sar-datacubes"
PACKAGES = ("torch", "segmentation-models-pytorch", "xarray", "zarr", "xbatcher", "dask", "ray")


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions that a score may depend on; this project's with a digest of its code."""
    ours = {"landslide": f"{own_version()}+{_code_digest()}"}
    libraries = {name: version(name) for name in PACKAGES}
    return {"python": platform.python_version()} | ours | libraries


def own_version() -> str:
    """Return this project's version; `none` where it is not installed, for it came with a job."""
    try:
        return version(PROJECT)
    except PackageNotFoundError:
        return "none"


def _code_digest() -> str:
    """Digest this package's modules: a checkout's version stays the same while its code changes."""
    folder = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:8]
