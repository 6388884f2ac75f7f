"""A web server on loopback that serves a folder, slowly, and counts what it is asked for."""

import asyncio
import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiohttp import web


def serve(folder: Path, delay: float) -> None:
    """Answer each request after `delay` seconds; print the port first."""
    asked: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        path = folder / request.match_info["path"]
        asked.append((request.match_info["path"], request.headers.get("Range", "")))
        await asyncio.sleep(delay)
        if not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(path)

    async def count(_: web.Request) -> web.Response:
        found = json.dumps(asked)
        asked.clear()
        return web.Response(text=found)

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/asked", count)
        app.router.add_get("/cube/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert runner.addresses
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()

    asyncio.run(run())


class Server:
    """A running server."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.cube = f"{self.address}/cube"

    def asked(self) -> list[tuple[str, str]]:
        """Return the requests since the last time: key and byte range."""
        with urllib.request.urlopen(f"{self.address}/asked") as answer:  # noqa: S310 - our own
            found: list[Any] = json.load(answer)
        return [(key, part) for key, part in found]


@contextlib.contextmanager
def slow_server(folder: Path, delay: float) -> Iterator[Server]:
    """Run the server in a process of its own."""
    command = [sys.executable, __file__, str(folder), str(delay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        try:
            yield Server(int(process.stdout.readline()))
        finally:
            process.terminate()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), float(sys.argv[2]))
