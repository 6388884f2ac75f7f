"""One cluster of several nodes for all faults, and the sweep that nothing disturbed."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3fs

from .lab import BUCKET, Lab, lab

EPOCHS = 24
"""The first checkpoint comes after ten: what is killed then has more to do."""
QUICK = [
    *("--preset", "quick", "--precision", "float32", "--chip-size", "64", "--epochs", str(EPOCHS)),
    *("--inputs", "vv", "vh", "--timesteps", "1"),
]


@pytest.fixture(scope="session")
def cluster(cube: str) -> Iterator[Lab]:
    """A head, two workers of one logical GPU each, Dask and an object store that has the cube."""
    with lab(Path(tempfile.mkdtemp(prefix="lab-"))) as made:
        store = stored(made)
        store.mkdir(BUCKET)
        store.put(cube, f"{BUCKET}/cube.zarr", recursive=True)
        yield made


def stored(cluster: Lab) -> s3fs.S3FileSystem:
    """Return the object store, past the door."""
    return s3fs.S3FileSystem(
        key="somebody",
        secret=cluster.secret,
        endpoint_url=cluster.behind,
        skip_instance_cache=True,
        use_listings_cache=False,
    )
