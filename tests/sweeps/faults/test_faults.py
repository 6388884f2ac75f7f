"""What breaks during a sweep, and the table that comes of it all the same."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pandas as pd
import psutil
import pytest

from landslide import results_table

from .conftest import QUICK, stored
from .lab import BUCKET, MARK, Lab, held_by_others, shared_memory, until

CUBE = f"s3://{BUCKET}/cube.zarr"
MEASURED = ["seconds", "chips_per_second", "written_at"]
"""What of a row differs from run to run."""
WAYS = ["memory", *(pytest.param(way, marks=pytest.mark.long) for way in ("store", "stream"))]
"""How a trial has its chips: one way in each run of the tests, all in the long one."""


class Sweep:
    """A sweep into a table of its own, which a reader polls until it ends."""

    def __init__(self, cluster: Lab, place: str, *options: str) -> None:
        self.cluster, self.place = cluster, f"{BUCKET}/{place}"
        self.arguments = [CUBE, "--table", f"s3://{self.place}/table", *QUICK, *options]
        self.store = stored(cluster)
        self.jobs = [cluster.submit(*self.arguments)]
        self.counts: list[int] = []
        self.ended = threading.Event()
        self.reader = threading.Thread(target=self._poll, daemon=True)
        self.reader.start()

    def again(self) -> None:
        """Submit the same sweep once more."""
        self.jobs.append(self.cluster.submit(*self.arguments))

    def rows(self) -> pd.DataFrame:
        """Return the rows, as a reader has them, without what was measured."""
        return results_table(f"s3://{self.place}/table").drop(columns=MEASURED)

    def require_rows(self, wanted: pd.DataFrame) -> None:
        """Compare all rows, histograms among them, to the bit."""
        pd.testing.assert_frame_equal(self.rows(), wanted, rtol=0, atol=0)

    def checkpoints(self) -> list[str]:
        """Return the checkpoints that there are."""
        with contextlib.suppress(FileNotFoundError):  # a probe that was listed and is gone
            return [str(path) for path in self.store.glob(f"{self.place}/runs/*.checkpoint")]
        return []

    def trained(self) -> list[psutil.Process]:
        """Return the processes that train, once a trial has left a checkpoint."""
        until(self.checkpoints, "a checkpoint")
        return self.cluster.processes("ray::ImplicitFunc")

    def finish(self) -> list[str]:
        """Wait until all jobs have ended; return how."""
        try:
            return [self.cluster.finish(job) for job in self.jobs]
        finally:
            self.ended.set()
            self.reader.join()
            assert self.counts  # the reader has seen rows, and no row is lost or half there
            assert self.counts == sorted(self.counts)

    def _poll(self) -> None:
        while not self.ended.wait(0.5):
            with contextlib.suppress(FileNotFoundError):
                rows = results_table(f"s3://{self.place}/table")
                assert rows["auprc"].notna().all()
                self.counts.append(len(rows))


@pytest.fixture(scope="module", autouse=True)
def past_the_door(cluster: Lab) -> Iterator[None]:
    """Let this process read the store whatever the cluster sees of it."""
    with pytest.MonkeyPatch.context() as patch:
        options = {"key": "somebody", "secret": cluster.secret, "endpoint_url": cluster.behind}
        patch.setitem(fsspec.config.conf, "s3", options)
        yield


@pytest.fixture(scope="module")
def undisturbed(cluster: Lab, past_the_door: None) -> pd.DataFrame:
    """The rows of a sweep that nothing happened to."""
    sweep = Sweep(cluster, "undisturbed")
    assert sweep.finish() == ["SUCCEEDED"]
    assert not sweep.checkpoints()
    return sweep.rows()


def test_the_cluster_is_used(cluster: Lab, undisturbed: pd.DataFrame) -> None:
    assert len(undisturbed) == 2
    (printed,) = [text for text in cluster.printed if "/undisturbed/" in text]
    assert "Dask dashboard:" in printed
    assert "2 configurations, 0 in the table already" in printed


@pytest.mark.parametrize("way", WAYS)
def test_a_trial_that_is_killed_goes_on(cluster: Lab, undisturbed: pd.DataFrame, way: str) -> None:
    sweep = Sweep(cluster, f"trial-{way}", "--chips", way)
    for process in sweep.trained()[:1]:
        process.kill()
    assert sweep.checkpoints()  # which a trial that is done removes
    assert sweep.finish() == ["SUCCEEDED"]
    sweep.require_rows(undisturbed)


@pytest.mark.parametrize("way", WAYS)
def test_trials_of_a_node_that_is_lost_go_on_elsewhere(
    cluster: Lab, undisturbed: pd.DataFrame, way: str
) -> None:
    sweep = Sweep(cluster, f"node-{way}", "--chips", way)
    trial = sweep.trained()[0]
    (node,) = [each for each in trial.parents() if each.name() == "raylet"]
    cluster.lose(node)
    assert sweep.checkpoints()
    assert sweep.finish() == ["SUCCEEDED"]
    sweep.require_rows(undisturbed)
    cluster.worker_node()


@pytest.mark.parametrize("way", WAYS)
def test_a_dask_worker_that_is_killed_costs_its_blocks_only(
    cluster: Lab, undisturbed: pd.DataFrame, way: str
) -> None:
    with cluster.door.holding(rb"GET /faults/cube\.zarr/vv/c/") as held:
        sweep = Sweep(cluster, f"dask-{way}", "--chips", way)
        until(held.is_set, "a Dask worker that reads")
        (worker,) = [
            each
            for each in cluster.processes("dask worker")
            if cluster.door.who in {c.laddr.port for c in each.net_connections() if c.laddr}
        ]
        worker.kill()
    assert sweep.finish() == ["SUCCEEDED"]
    sweep.require_rows(undisturbed)
    cluster.dask_worker()


@pytest.mark.parametrize("way", WAYS)
def test_a_sweep_whose_driver_was_killed_goes_on_when_it_is_submitted_again(
    cluster: Lab, undisturbed: pd.DataFrame, way: str
) -> None:
    sweep = Sweep(cluster, f"driver-{way}", "--chips", way)
    trials = sweep.trained()
    cluster.driver(sweep.jobs[0]).kill()
    psutil.wait_procs(trials, timeout=60)
    assert not [trial for trial in trials if trial.is_running()]
    checkpoints = [sweep.store.cat_file(path) for path in sweep.checkpoints()]
    assert checkpoints
    assert not [content for content in checkpoints if cluster.secret.encode() in content]
    sweep.again()
    assert sweep.finish() == ["FAILED", "SUCCEEDED"]
    sweep.require_rows(undisturbed)


@pytest.mark.parametrize(
    "request_",
    [
        rb"PUT \S+\.checkpoint",
        pytest.param(rb"GET /faults/cube\.zarr/vh/c/", marks=pytest.mark.long),
    ],
    ids=["writing", "reading"],
)
@pytest.mark.parametrize("way", WAYS)
def test_a_store_that_is_away_for_twenty_seconds_costs_nothing_but_time(
    cluster: Lab, undisturbed: pd.DataFrame, way: str, request_: bytes
) -> None:
    with cluster.door.holding(request_) as held:
        sweep = Sweep(cluster, f"store-{way}-{request_[:3].decode()}", "--chips", way)
        until(held.is_set, "a request on its way")
        cluster.door.shut()
    try:
        threading.Event().wait(20)
    finally:
        cluster.door.open()
    assert sweep.finish() == ["SUCCEEDED"]
    sweep.require_rows(undisturbed)


@pytest.mark.parametrize("way", WAYS)
def test_a_disk_that_fills_up_under_a_trial_does_not_matter(
    cluster: Lab, undisturbed: pd.DataFrame, way: str
) -> None:
    if not cluster.can_mount:
        pytest.skip("a small disk needs the right to mount one")
    (lost, *_) = cluster.worker_nodes()
    cluster.lose(lost)
    folder = cluster.worker_node(disk="64m")
    until(lambda: len(cluster.worker_nodes()) == 2, "two nodes")
    sweep = Sweep(cluster, f"disk-{way}", "--chips", way)

    def there() -> list[psutil.Process]:
        return [
            each
            for each in sweep.trained()
            if any(str(folder).startswith(f"/proc/{parent.pid}/") for parent in each.parents())
        ]

    (trial,) = until(there, "a trial on the small disk")
    full = folder / "full"
    with contextlib.suppress(OSError), full.open("wb") as file:
        while True:
            file.write(bytes(1 << 16))
    assert trial.is_running()
    assert sweep.checkpoints()  # which trials that are done remove
    assert sweep.finish() == ["SUCCEEDED"]
    sweep.require_rows(undisturbed)
    full.unlink()


@pytest.mark.parametrize("way", WAYS)
def test_two_sweeps_fill_one_table_at_once(
    cluster: Lab, undisturbed: pd.DataFrame, way: str
) -> None:
    sweep = Sweep(cluster, f"two-{way}", "--chips", way)
    sweep.again()
    assert sweep.finish() == ["SUCCEEDED", "SUCCEEDED"]
    for printed in cluster.printed[-2:]:  # neither found a row to spare it training
        assert "2 configurations, 0 in the table already" in printed
    sweep.require_rows(undisturbed)


def test_credentials_are_in_no_log_table_or_error(cluster: Lab, undisturbed: pd.DataFrame) -> None:
    planted = cluster.secret.encode()
    # A node's folder may be a disk that only its own processes see.
    seen = [f"/proc/{node.pid}/root{cluster.folder}" for node in cluster.worker_nodes()]
    files = [path for place in seen for path in Path(place).rglob("*") if path.is_file()]
    assert len(files) > 20
    assert not [path for path in files if planted in path.read_bytes()]
    assert not [text for text in cluster.printed if cluster.secret in text]
    store = stored(cluster)
    objects = store.find(BUCKET)
    assert any(path.endswith(".parquet") for path in objects)
    assert not [path for path in objects if planted in store.cat_file(path)]
    # The search itself can find something: what the processes were started with.
    assert cluster.secret in cluster.processes()[0].environ()["AWS_SECRET_ACCESS_KEY"]


def test_no_process_or_shared_memory_stays(cluster: Lab, undisturbed: pd.DataFrame) -> None:
    until(lambda: not cluster.processes("ray::ImplicitFunc"), "the end of all trials")
    until(lambda: not cluster.processes("ablation.py"), "the end of all drivers")
    until(lambda: not cluster.orphans(), "the end of what lost nodes have left")
    assert cluster.processes()[0].environ()[MARK]
    cluster.close()

    def left() -> set[str]:
        pieces = shared_memory() - cluster.shared_before
        return pieces - held_by_others(pieces)

    until(lambda: not left(), "the end of its shared memory", every=1)
