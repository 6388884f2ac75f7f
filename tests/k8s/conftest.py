"""What Kustomize makes of each overlay: the objects that `kubectl apply -k` would send."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

K8S = Path(__file__).parents[2] / "k8s"
OVERLAYS = ("gke-v100", "local", "any-gpu")

Objects = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="session", params=OVERLAYS)
def objects(request: pytest.FixtureRequest) -> Objects:
    """The objects of an overlay by kind and name."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl, which renders the overlays, is not installed")
    folder = str(K8S / "overlays" / request.param)
    rendered = subprocess.run(
        [kubectl, "kustomize", folder], capture_output=True, text=True, check=False
    )
    assert rendered.returncode == 0, rendered.stderr
    found = [each for each in yaml.safe_load_all(rendered.stdout) if each]
    named = {(each["kind"], each["metadata"]["name"]): each for each in found}
    assert len(named) == len(found)
    return named
