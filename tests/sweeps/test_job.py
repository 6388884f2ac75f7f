"""The sweep as a submitted job: it runs on the cluster that it is submitted to."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from landslide import results_table
from tests.ray_head import BIN, clean_environment, free_port, ray_head

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["token", pytest.param("open", marks=pytest.mark.long)])
def head(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a Ray head that runs on this machine, with a token or open by default."""
    environment = clean_environment(tmp_path, token=request.param == "token")
    dashboard = free_port()
    options = ("--port=0", "--num-cpus=2", "--include-dashboard=true")
    options += ("--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}")
    with ray_head(environment, *options):
        yield environment | {"RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{dashboard}"}


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
    assert ("its token" in result.stdout) == ("RAY_AUTH_TOKEN_PATH" in head)
    assert "Dask dashboard:" in result.stdout
    (row,) = results_table(table).itertuples()
    assert row.inputs == "vv"

    refused = submit(head, cube, *quick)
    assert refused.returncode == 1
    assert "needs --table" in refused.stdout
