"""One small cube and one Ray for all sweeps under test."""

import os
import secrets
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
def ray(tmp_path_factory: pytest.TempPathFactory, s3_bucket: str, gs_bucket: str) -> Iterator[None]:
    """A local Ray of two CPUs, with a token of its own; its nodes know the stores, too."""
    token = tmp_path_factory.mktemp("ray") / "token"
    token.write_text(secrets.token_hex(32))
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
    from cluster.ray import ray_cluster

    with ray_cluster(cpus=2):
        yield
