"""The sweep as a submitted job: it runs on the cluster that it is submitted to."""

import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from landslide import results_table

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(params=["token", pytest.param("open", marks=pytest.mark.long)])
def head(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a Ray head that runs on this machine, with a token or open by default."""
    token = tmp_path / "token"
    token.write_text(secrets.token_hex(32))
    dashboard = free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "PYTEST"))}
    environment |= {
        **({"RAY_AUTH_MODE": "token"} if request.param == "token" else {}),
        **({"RAY_AUTH_TOKEN_PATH": str(token)} if request.param == "token" else {}),
        "HOME": str(tmp_path),  # where a token of this machine's own may lie
        "RAY_USAGE_STATS_ENABLED": "0",
        "PATH": f"{BIN}:{os.environ['PATH']}",
    }
    command = [
        *(str(BIN / "ray"), "start", "--head", "--block", "--port=0", "--num-cpus=2"),
        *("--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1"),
        *(f"--dashboard-port={dashboard}", "--include-dashboard=true"),
        *(f"--dashboard-agent-listen-port={free_port()}", "--disable-usage-stats"),
    ]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        printed = []
        for line in process.stdout:
            printed.append(line)
            if "Ray runtime started" in line:
                break
        else:
            pytest.fail("".join(printed))
        yield environment | {"RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{dashboard}"}
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)


def submit(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Submit the ablation as a user does, and wait for its end."""
    command = [str(BIN / "ray"), "job", "submit", "--working-dir", ".", "--"]
    command += ["python", "sweeps/ablation.py", *arguments]
    for _ in range(10):  # each takes seconds; a head that has just started has no agent yet
        result = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        if "No available agent" not in result.stdout + result.stderr:
            break
    return result


def test_a_submitted_sweep_uses_the_cluster_and_writes_the_shared_table(
    head: dict[str, str], cube: str, tmp_path: Path
) -> None:
    table = str(tmp_path / "table")
    quick = ["--inputs", "vv", "--timesteps", "1", "--preset", "quick", "--epochs", "1"]
    quick += ["--chip-size", "64"]

    result = submit(head, cube, "--table", table, *quick)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Ray dashboard:" in result.stdout
    assert "Dask dashboard:" in result.stdout
    (row,) = results_table(table).itertuples()
    assert row.inputs == "vv"

    refused = submit(head, cube, *quick)
    assert refused.returncode == 1
    assert "needs --table" in refused.stdout
