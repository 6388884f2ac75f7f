"""The sweep on a cluster that begins with no node that could run a trial, as on Kubernetes.

The autoscaler is Ray's own, of the version that KubeRay runs; its nodes are processes here.
"""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from landslide import results_table
from tests.ray_head import clean_environment, free_port, ray_head

ROOT = Path(__file__).parents[2]
HEAD = "f" * 51 + "00000"
"""The head's id, as the provider of nodes on one machine wants it."""
QUICK = ["--inputs", "vv", "--timesteps", "1", "--preset", "quick", "--epochs", "1"]
QUICK += ["--chip-size", "64"]


def autoscaling(address: str) -> dict[str, object]:
    """Return the configuration of an autoscaler that may add two nodes with a V100 each."""
    commands = ("head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
    worker = {"CPU": 2, "GPU": 1, "accelerator_type:V100": 1, "object_store_memory": 100_000_000}
    return {
        "cluster_name": "one-machine",
        "max_workers": 2,
        "idle_timeout_minutes": 5,
        "provider": {
            "type": "external",
            "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
            "gcs_address": address,
            "head_node_id": HEAD,
            "launch_multiple": True,
            "disable_node_updaters": True,
        },
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "v100": {"resources": worker, "node_config": {}, "min_workers": 0, "max_workers": 2},
        },
        "head_node_type": "ray.head.default",
        **{f"{name}_commands": [] for name in commands},
        "setup_commands": [],
        "initialization_commands": [],
        "auth": {},
        "file_mounts": {},
        "cluster_synced_files": [],
    }


@pytest.fixture(scope="module")
def scaling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a cluster that has but its head, and the environment of its users."""
    folder = tmp_path_factory.mktemp("scaling")
    address = f"127.0.0.1:{free_port()}"
    (folder / "autoscaling.json").write_text(json.dumps(autoscaling(address)))
    environment = clean_environment(folder)
    autoscaler = {
        "RAY_enable_autoscaler_v2": "1",
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        "RAY_FAKE_CLUSTER": "1",
        "RAY_CLOUD_INSTANCE_ID": HEAD,
        "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD,
    }
    options = (f"--port={address.rpartition(':')[2]}", "--num-cpus=0", "--include-dashboard=false")
    options += (f"--autoscaling-config={folder / 'autoscaling.json'}",)
    with ray_head(environment | autoscaler, *options, "--object-store-memory=100000000"):
        yield address, environment


def run(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT, env=dict(environment), capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_what_no_node_could_run_is_refused_without_waiting_for_one(
    scaling: tuple[str, dict[str, str]], cube: str, tmp_path: Path
) -> None:
    address, environment = scaling
    table = str(tmp_path / "table")
    asked = ["--address", address, "--table", table, *QUICK, "--deadline", "100000"]
    refused = run(environment, "-m", "sweeps.ablation", cube, *asked, "--gpus-per-trial", "2")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        "error: no node has CPU 1, GPU 2, as one trial or actor is to have; there are nodes of "
        "CPU 0, and the autoscaler has no kind of node for it, or may add no more of them: ask for "
        "fewer CPUs or GPUs, or another accelerator"
    )
    assert "autoscaler +" not in refused.stdout + refused.stderr
    assert "infeasible" not in refused.stdout + refused.stderr
    assert not list(Path(table).glob("*.parquet"))


def test_a_node_is_added_for_the_first_trial(
    scaling: tuple[str, dict[str, str]], cube: str, tmp_path: Path
) -> None:
    address, environment = scaling
    table = str(tmp_path / "table")
    swept = run(
        environment, "-m", "sweeps.ablation", cube, "--address", address, "--table", table,
        *(*QUICK, "--accelerator", "V100"),
    )  # fmt: skip
    assert swept.returncode == 0, swept.stdout + swept.stderr
    (row,) = results_table(table).itertuples()
    assert row.inputs == "vv"
    assert "autoscaler +" not in swept.stdout + swept.stderr

    # On a machine without a GPU the node has but says so: that is what a preflight is for.
    tried = run(
        environment, "-m", "cluster.preflight", cube, "--address", address, "--table", table,
        *(*QUICK, "--accelerator", "V100", "--json"),
    )  # fmt: skip
    checks = json.loads(tried.stdout)["checks"]
    assert len([check for check in checks if check["what"] == "cube" and check["passed"]]) >= 3


def test_gpus_that_no_trial_of_so_many_cpus_could_have_are_said(
    scaling: tuple[str, dict[str, str]], cube: str, tmp_path: Path
) -> None:
    address, environment = scaling
    asked = ["--address", address, "--table", str(tmp_path / "table"), *QUICK]
    refused = run(environment, "-m", "sweeps.ablation", cube, *asked, "--cpus-per-trial", "3")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("error: no node has CPU 3, GPU 1, as one ")


def test_another_token_is_one_line(scaling: tuple[str, dict[str, str]], tmp_path: Path) -> None:
    address, environment = scaling
    (tmp_path / "other").write_text(secrets.token_hex(32))
    other = environment | {"RAY_AUTH_TOKEN_PATH": str(tmp_path / "other")}
    connect = f"from cluster.ray import ray_cluster; ray_cluster({address!r}).__enter__()"
    refused = run(other, "-c", connect)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith(
        f"OSError: the Ray cluster at {address} refuses our token: its token must be here too"
    )
    assert "InvalidAuthToken" not in refused.stderr
