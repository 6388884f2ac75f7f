"""On loopback: what handles a web request, what serves a folder, and a Dask cluster."""

import functools
import http.server
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import pytest
import zarr


def forget(filesystem: Any) -> None:
    """Close the connections of a class of filesystems; Zarr leaves them open until the end."""
    for instance in filesystem._cache.values():
        session = getattr(instance, "_s3", None) or getattr(instance, "_session", None)
        if instance.asynchronous and session is not None:
            zarr.core.sync.sync(session.close())
    filesystem.clear_instance_cache()


class QuietServer(http.server.ThreadingHTTPServer):
    """A server that lets its clients hang up."""

    daemon_threads = True
    request_queue_size = 256  # many ask at once, and one that is not heard waits for seconds

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(handler: Any) -> Iterator[str]:
    """Serve HTTP on a free port of this machine alone, and say under which address."""
    with QuietServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def local_cluster(workers: int, **how: Any) -> Any:
    """Return a Dask cluster of this process, whose dashboards listen on this machine alone."""
    from distributed import LocalCluster

    free = "127.0.0.1:0"  # None would be all interfaces, and a port that may be taken
    return LocalCluster(
        n_workers=workers,
        processes=False,
        dashboard_address=free,
        worker_dashboard_address=free,
        **how,
    )


class QuietHandler(http.server.BaseHTTPRequestHandler):
    """Serves bytes, whole or by range, and lists nothing, like most web servers of data."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a small answer waits for nothing

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def send(
        self, content: bytes = b"", status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send an answer as it is."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def answer(self, content: bytes | None, *, ranges: bool = True, at_most: int = -1) -> None:
        """Send `content` (None: not found); break the connection after `at_most` bytes."""
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if content is None:
            self.send_response(404)
            content = b""
        elif asked and ranges:
            first, last = asked.groups()
            size = len(content)
            start = int(first) if first else size - int(last)
            stop = min(int(last) + 1, size) if first and last else size
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
            content = content[start:stop]
        else:
            self.send_response(200)
        if ranges:
            self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content if at_most < 0 else content[:at_most])
            self.close_connection |= 0 <= at_most < len(content)


class FolderHandler(QuietHandler):
    """Serves the files of a folder."""

    def __init__(self, *args: Any, folder: Path, ranges: bool = True) -> None:
        self.folder, self.ranges = folder, ranges
        super().__init__(*args)

    def do_GET(self) -> None:
        """Answer with a file."""
        path = self.folder / self.path.lstrip("/")
        self.answer(path.read_bytes() if path.is_file() else None, ranges=self.ranges)

    do_HEAD = do_GET  # noqa: N815


@pytest.fixture(scope="session")
def http_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address of a web server that lists nothing, and the folder that it serves."""
    folder = tmp_path_factory.mktemp("web")
    with serving(functools.partial(FolderHandler, folder=folder)) as address:
        yield address, folder
    forget(fsspec.get_filesystem_class("http"))


@pytest.fixture
def http_without_ranges(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address of a web server that answers with whole files only, and the folder it serves."""
    with serving(functools.partial(FolderHandler, folder=tmp_path, ranges=False)) as address:
        yield address, tmp_path
    forget(fsspec.get_filesystem_class("http"))
