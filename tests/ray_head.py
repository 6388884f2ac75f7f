"""A Ray head as a process of this machine, for tests that come to it from outside."""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import psutil

BIN = Path(sys.executable).parent
STARTS = 3
"""Of a node: Ray gives up after 30 seconds, which a busy machine may need."""


def free_port() -> int:
    """Return a port below those that systems hand out, which another process may get meanwhile."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", 20_000 + secrets.randbelow(12_000)))
            return int(probe.getsockname()[1])


def clean_environment(home: Path, *, token: bool = True) -> dict[str, str]:
    """Return what a user's processes have in their environment, with a token of Ray's or without.

    Parameters
    ----------
    home : path
        Where a token of this machine's own may lie.
    token : bool
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "PYTEST"))}
    environment |= {
        "HOME": str(home),
        "RAY_USAGE_STATS_ENABLED": "0",
        "PATH": f"{BIN}:{os.environ['PATH']}",
    }
    if token:
        (home / "token").write_text(secrets.token_hex(32))
        environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(home / "token")}
    return environment


@contextlib.contextmanager
def ray_head(environment: Mapping[str, str], *options: str) -> Iterator[None]:
    """Start a head with these options of `ray start`, and end all that came of it."""
    command = [
        *(str(BIN / "ray"), "start", "--head", "--block", "--node-ip-address=127.0.0.1"),
        *(f"--dashboard-agent-listen-port={free_port()}", "--disable-usage-stats", *options),
    ]
    for _ in range(STARTS):
        with _process(command, environment) as printed:
            said = []
            for line in printed:
                said.append(line)
                if "Ray runtime started" in line:
                    yield
                    return
    raise ChildProcessError("".join(said))


@contextlib.contextmanager
def _process(command: list[str], environment: Mapping[str, str]) -> Iterator[IO[str]]:
    """Give what a process prints, and end it and its children."""
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()  # which ends the head; nodes that an autoscaler has added are left
        process.communicate(timeout=60)
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
