"""What all tests share; the loopback servers are in modules of their own."""

import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Read by Ray, gcsfs, fsspec and torch as they are imported, so set before anything of ours is.
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
os.environ["NO_GCE_CHECK"] = "true"
os.environ["OMP_NUM_THREADS"] = "1"  # tests side by side leave each other the CPUs

import pytest
from fsspec.implementations.memory import MemoryFileSystem
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
    """Gives a process that tests a file at a time, and one of them all that share what is slow.

    That is a Ray, or a scene that takes long to simulate.
    """

    def _split_scope(self, nodeid: str) -> str:
        shared = ("tests/sweeps/test_", "tests/simulation/test_")
        return next(
            (start for start in shared if nodeid.startswith(start)), super()._split_scope(nodeid)
        )


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


@pytest.fixture(autouse=True)
def nothing_left_in_memory() -> Iterator[None]:
    """Empty fsspec's store in memory, which all tests of a process share."""
    yield
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


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
