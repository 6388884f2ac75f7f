"""One small cube and one Ray for all sweeps under test."""

import contextlib
from collections.abc import Iterator

import pytest

from landslide import simulate_cube


@pytest.fixture(scope="session")
def cube(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a small simulated cube: 6 x 8 chips of 64 pixels."""
    uri = str(tmp_path_factory.mktemp("cube") / "simulated.zarr")
    simulate_cube(uri, shape=(384, 512), seed=3, descending=(4, 4), ascending=(1, 1))
    return uri


@pytest.fixture(scope="session")
def ray(s3_bucket: str, gs_bucket: str) -> Iterator[None]:
    """A local Ray of two CPUs; its nodes know the stores, too."""
    from cluster.ray import ray_cluster

    with contextlib.ExitStack() as opened:
        # What it says is no test's: the first would find it in its own output.
        with contextlib.redirect_stdout(None):
            opened.enter_context(ray_cluster(cpus=2))
        yield
