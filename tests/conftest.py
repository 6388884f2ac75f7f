"""What all tests share; the loopback servers are in modules of their own."""

import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Read by Ray, gcsfs and fsspec as they are imported, so set before anything of ours is.
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
os.environ["NO_GCE_CHECK"] = "true"

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# No test is about time, on however busy a machine.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

pytest_plugins = [
    "tests.serving",
    "tests.object_stores",
    "tests.archives",
    "tests.written_event",
]

LOUDNESS = ("landslide", "urllib3", "asyncio", "gcsfs")
FLOODS = Path(__file__).parents[2] / "shared" / "data" / "floods-sentinel1.zarr"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: "sweeps" not in item.path.parts)


class SideBySide(LoadFileScheduling):
    """Gives a process that tests a file at a time, and one of them all that share a Ray."""

    def _split_scope(self, nodeid: str) -> str:
        return "sweeps" if nodeid.startswith("tests/sweeps/test_") else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SideBySide:
    """Say which tests run in one process where there are several, in the order given above."""
    config.option.loadscopereorder = False
    return SideBySide(config, log)


@pytest.fixture(autouse=True)
def as_loud_as_before() -> Iterator[None]:
    """Take back how loud a command made the loggers of its process."""
    levels = {name: logging.getLogger(name).level for name in LOUDNESS}
    yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture(scope="session")
def processes() -> Iterator[Any]:
    """A Dask cluster of two worker processes, each watched by a nanny."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster, set_as_default=False) as connected,  # type: ignore[no-untyped-call]
    ):
        yield connected


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real Sentinel-1 products, where it lies beside the checkout."""
    if not FLOODS.parent.exists():
        pytest.skip("the real data are not at ../shared/data beside the checkout")
    return FLOODS.parent


@pytest.fixture(scope="session")
def floods() -> str:
    """Address of the mosaic of real Sentinel-1 pairs, where it lies beside the checkout."""
    if not FLOODS.exists():
        pytest.skip("the real floods cube is not at ../shared/data beside the checkout")
    return str(FLOODS)
