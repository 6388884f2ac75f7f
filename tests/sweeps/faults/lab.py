"""A cluster of several nodes on this machine: Ray, Dask and an object store, each a process."""

import contextlib
import os
import secrets
import shutil
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.ray_head import BIN, STARTS, free_port

from .door import Door

ROOT = Path(__file__).parents[3]
MARK = "LANDSLIDE_TEST_CLUSTER"
BUCKET = "faults"
PATIENCE = 300  # seconds


def until(true: Callable[[], object], what: str, *, every: float = 0.1) -> Any:
    """Return what is true in the end, asked every so many seconds."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / every)):
        if found := true():
            return found
        pause.wait(every)
    raise AssertionError(f"{what} has not come to be")


def shared_memory() -> set[str]:
    """Return the pieces of shared memory that there are."""
    return {str(path) for path in Path("/dev/shm").iterdir()}


def held_by_others(pieces: set[str]) -> set[str]:
    """Return the pieces that a living process has mapped."""
    held: set[str] = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            held |= pieces & {mapped.path for mapped in process.memory_maps()}
    return held


@dataclass
class Lab:
    """The cluster, and what tests do to it."""

    folder: Path
    """Short, for sockets lie in it: of the nodes' logs, and no more than that."""
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    """In the environment of all processes that belong to it."""
    secret: str = field(default_factory=lambda: f"planted{secrets.token_hex(12)}")
    """A password to the store that must be found nowhere."""
    printed: list[str] = field(default_factory=list)
    """What jobs have printed."""
    started: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    can_mount: bool = field(default_factory=lambda: _runs("unshare", "--mount", "true"))
    shared_before: set[str] = field(default_factory=shared_memory)
    """Shared memory that others had when the cluster began."""

    def begin(self) -> None:
        """Start all of it."""
        token = secrets.token_hex(32)
        (self.folder / "token").write_text(token)
        self.headers = {"Authorization": f"Bearer {token}"}
        self.dashboard = free_port()
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RAY_", "PYTEST", "AWS_", "DASK_"))
        } | {
            MARK: self.mark,
            "HOME": str(self.folder),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.folder / "token"),
            "RAY_USAGE_STATS_ENABLED": "0",
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        store = self._server("moto_server", says="Running on")
        self.behind = f"http://127.0.0.1:{store}"
        self.door = Door(store)
        self.environment["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{self.door.port}"
        scheduler = self._server(
            *("dask", "scheduler", "--dashboard-address", "127.0.0.1:0"), says="Scheduler at"
        )
        self.environment["DASK_SCHEDULER_ADDRESS"] = f"tcp://127.0.0.1:{scheduler}"
        for _ in range(2):
            self.dask_worker()
        self.gcs = f"127.0.0.1:{free_port()}"
        self._node(
            *("head", "--head", f"--port={self.gcs.split(':')[1]}"),
            *("--num-cpus=0", "--include-dashboard=true"),
            *("--dashboard-host=127.0.0.1", f"--dashboard-port={self.dashboard}"),
        )
        for _ in range(2):
            self.worker_node()

    def start(
        self, program: str, *options: str, says: str = "", before: tuple[str, ...] = ()
    ) -> "subprocess.Popen[bytes]":
        """Start a program of the virtual environment, and wait until it `says` so."""
        log = self.folder / f"{program}-{uuid.uuid4().hex[:6]}.out"
        with log.open("w") as out:
            process = subprocess.Popen(
                [*before, str(BIN / program), *options],
                stdout=out, stderr=subprocess.STDOUT, env=self.environment, cwd=self.folder,
                start_new_session=True,
            )  # fmt: skip
        self.started.append(process)
        until(lambda: says in log.read_text() or process.poll() is not None, f"{program}: {says}")
        if process.poll() is not None:
            raise ChildProcessError(f"{program} has ended: {log.read_text()[-2000:]}")
        return process

    def _server(self, *command: str, says: str, starts: int = STARTS) -> int:
        """Start a server at a free port, or at another where somebody took it; return the port."""
        port = free_port()
        try:
            self.start(*command, "--host", "127.0.0.1", "--port", str(port), says=says)
        except ChildProcessError:
            if starts == 1:
                raise
            return self._server(*command, says=says, starts=starts - 1)
        return port

    def _node(
        self, name: str, *options: str, before: tuple[str, ...] = ()
    ) -> "subprocess.Popen[bytes]":
        """Start a node of Ray that has a folder by its name."""
        folder = self.folder / name
        folder.mkdir()
        options += (
            "--node-ip-address=127.0.0.1",
            f"--temp-dir={folder}",
            f"--dashboard-agent-listen-port={free_port()}",
            # Any free ports: by themselves all nodes of a machine take the same.
            "--min-worker-port=0",
            "--max-worker-port=0",
            "--object-store-memory=100000000",
            "--disable-usage-stats",
        )
        command = ("ray", "start", "--block", *options)
        for _ in range(STARTS - 1):
            with contextlib.suppress(ChildProcessError):
                return self.start(*command, says="Ray runtime started", before=before)
            _kill(self.processes(str(folder)))
        return self.start(*command, says="Ray runtime started", before=before)

    def worker_node(self, *, disk: str | None = None) -> Path:
        """Start a node that runs one trial at a time; return its folder as this process sees it.

        With `disk` the folder is a disk of that size.
        """
        name = uuid.uuid4().hex[:4]
        folder = self.folder / name
        mount = f'mount -t tmpfs -o size={disk} tmpfs {folder} && exec "$@"'
        process = self._node(
            *(name, f"--address={self.gcs}", "--num-cpus=1", "--num-gpus=1"),
            before=("unshare", "--mount", "sh", "-c", mount, "sh") if disk else (),
        )
        return Path(f"/proc/{process.pid}/root{folder}") if disk else folder

    def worker_nodes(self) -> list[psutil.Process]:
        """Return the raylets of the worker nodes."""
        raylets = [each for each in self.processes("raylet") if each.name() == "raylet"]
        return [each for each in raylets if "/head/" not in each.cmdline()[1]]

    def lose(self, raylet: psutil.Process) -> None:
        """Kill all processes of a node at once, as when its machine goes away."""
        start = raylet.parent()
        assert start is not None
        _kill([start, *start.children(recursive=True)])

    def dask_worker(self) -> None:
        """Start a worker of the scheduler."""
        self.start(
            *("dask", "worker", self.environment["DASK_SCHEDULER_ADDRESS"], "--no-nanny"),
            *("--nthreads", "1", "--host", "127.0.0.1", "--no-dashboard"),
            *("--local-directory", str(self.folder / "dask")),
        )

    def processes(self, title: str = "") -> list[psutil.Process]:
        """Return the processes that belong to the cluster, whoever has started them."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                # Ray's agents write their title over their environment.
                ours = process.environ().get(MARK) == self.mark or Path(
                    process.cwd().removesuffix(" (deleted)")
                ).is_relative_to(self.folder)
                if ours and title in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def orphans(self) -> list[psutil.Process]:
        """Return the processes that no longer belong to what was started here."""
        roots = {each.pid for each in self.started}
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                if not roots & {process.pid, *(parent.pid for parent in process.parents())}:
                    found.append(process)
        return found

    def submit(self, *arguments: str) -> str:
        """Submit a sweep through the jobs API; return the job's name."""
        entry = " ".join(["python", str(ROOT / "sweeps/ablation.py"), *arguments])
        until(lambda: self._asked("get", "/api/cluster_status").ok, "the jobs API")
        name = f"sweep-{uuid.uuid4().hex[:8]}"
        order = {"entrypoint": entry, "submission_id": name}
        until(lambda: self._asked("post", "/api/jobs/", json=order).ok, "a job")
        return name

    def job(self, name: str) -> dict[str, Any]:
        """Return what the jobs API says of a job."""
        return dict(self._asked("get", f"/api/jobs/{name}").json())

    def finish(self, name: str) -> str:
        """Wait for a job's end; return how it ended."""

        def ended() -> bool:
            return self.job(name)["status"] not in ("PENDING", "RUNNING")

        until(ended, f"the end of {name}", every=1)  # each question costs the cluster some time
        self.printed.append(self._asked("get", f"/api/jobs/{name}/logs").json()["logs"])
        print(self.printed[-1])  # noqa: T201 - for whoever reads of a failure
        return str(self.job(name)["status"])

    def driver(self, name: str) -> psutil.Process:
        """Return the process of a job's driver."""
        info = until(lambda: self.job(name).get("driver_info"), "the driver")
        return psutil.Process(int(info["pid"]))

    def _asked(self, method: str, path: str, **how: Any) -> requests.Response:
        address = f"http://127.0.0.1:{self.dashboard}{path}"
        return requests.request(method, address, headers=self.headers, timeout=60, **how)

    def close(self) -> None:
        """End all processes that belong to the cluster, by their ids."""
        while left := self.processes():
            _kill(left)
        for child in self.started:
            child.wait()


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)


def _runs(*command: str) -> bool:
    return (
        shutil.which(command[0]) is not None and not subprocess.run(command, check=False).returncode
    )


@contextlib.contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    """Give a cluster for a while."""
    made = Lab(folder)
    try:
        made.begin()
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)
