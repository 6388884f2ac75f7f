"""The Dockerfiles: what they start from, what hadolint says, and that what they run runs."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ray._common.usage.usage_constants import USAGE_STATS_ENABLED_ENV_VAR

from .conftest import K8S

ROOT = K8S.parent
IMAGES = ("ray", "dask")


def dockerfile(name: str) -> str:
    return (K8S / "images" / name / "Dockerfile").read_text()


def pinned(name: str) -> str:
    found = re.search(
        rf"^{name}==([^ ;\n]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE
    )
    assert found is not None
    return found[1]


@pytest.mark.parametrize("name", IMAGES)
def test_hadolint_has_nothing_to_say(name: str) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint has no wheel for this machine")
    file = K8S / "images" / name / "Dockerfile"
    linted = subprocess.run([hadolint, file], capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_images_start_from_the_pinned_ray_and_python() -> None:
    python = (ROOT / ".python-version").read_text().strip()
    expected = f"rayproject/ray:{pinned('ray')}-py{python.replace('.', '')}-cpu"
    assert re.findall(r"^FROM (\S+)$", dockerfile("ray"), re.MULTILINE) == [expected]
    assert re.findall(r"^FROM (\S+)$", dockerfile("dask"), re.MULTILINE) == [
        f"python:{python}-slim"
    ]


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_runs_as_nobody_in_particular(name: str) -> None:
    assert re.findall(r"^USER (\S+)$", dockerfile(name), re.MULTILINE)[-1] == "1000:100"


def test_the_ray_image_asks_for_no_gpu_of_itself_and_reports_to_nobody() -> None:
    text = dockerfile("ray")
    assert "NVIDIA_VISIBLE_DEVICES" not in text  # it would show a node's GPUs to any pod on it
    assert re.search(rf"^ENV {USAGE_STATS_ENABLED_ENV_VAR}=0$", text, re.MULTILINE)


@pytest.mark.parametrize("name", IMAGES)
def test_a_build_is_sent_what_it_copies_and_little_else(name: str) -> None:
    first, *sent = (ROOT / ".dockerignore").read_text().split()
    assert first == "*"
    for line in re.findall(r"^COPY (.+)$", dockerfile(name), re.MULTILINE):
        *sources, _ = [word for word in shlex.split(line) if not word.startswith("--")]
        assert {f"!{source}" for source in sources} <= set(sent)


def copied(name: str, folder: Path) -> None:
    """Do what the COPY lines say."""
    for line in re.findall(r"^COPY (.+)$", dockerfile(name), re.MULTILINE):
        *sources, target = [word for word in shlex.split(line) if not word.startswith("--")]
        for source in sources:
            origin = ROOT / source
            if origin.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(origin, folder / target, ignore=ignored)
            else:
                shutil.copy(origin, folder / target)


RUNS = [
    ("dask", "", "landslide.chips.passing"),
    ("dask", "[building]", "landslide.build.assemble"),
    ("ray", "[training]", "landslide.bundling"),
    ("ray", "[training,mapping]", "sweeps.map"),
]


def installed_for(wanted: Iterable[str]) -> set[str]:
    """Return the names of distributions that these requirements bring, one through the other."""
    found: set[str] = set()
    left = [(Requirement(text), frozenset[str]()) for text in wanted]
    seen = set()
    while left:
        requirement, asked = left.pop()
        extras = frozenset(requirement.extras)
        here = [{"extra": extra} for extra in (asked or {""})]
        if requirement.marker and not any(map(requirement.marker.evaluate, here)):
            continue
        name = canonicalize_name(requirement.name)
        if (name, extras) not in seen:
            seen.add((name, extras))
            found.add(name)
            left += [(Requirement(text), extras) for text in requires(name) or ()]
    return found


# Not what needs Ray, which brings copies of its own of what would be hidden.
@pytest.mark.parametrize(("name", "extras", "runs"), RUNS[:3])
def test_what_an_image_runs_imports_nothing_that_it_does_not_install(
    name: str, extras: str, runs: str
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    wanted = [*project["dependencies"]]
    for extra in re.findall(r"\w+", extras):
        wanted += optional[extra]
    there = installed_for(wanted)
    assert ("torch" in there) == (name == "ray")
    hidden = [
        module
        for module, owners in packages_distributions().items()
        if not there & {canonicalize_name(owner) for owner in owners}
        and module not in {"landslide", "cluster", "sweeps"}
    ]
    assert "pytest" in hidden
    code = f"import sys; sys.modules.update(dict.fromkeys({hidden})); import {runs}"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.long  # all of them, from an index of packages
@pytest.mark.parametrize(("name", "extras", "runs"), RUNS)
def test_the_steps_of_an_image_run_in_a_clean_environment(
    name: str, extras: str, runs: str, tmp_path: Path
) -> None:
    uv = shutil.which("uv") or (str(own) if (own := ROOT / ".uv/bin/uv").exists() else None)
    if uv is None:
        pytest.skip("uv, which stands for pip here, is not installed")
    copied(name, tmp_path)
    venv = tmp_path / "venv"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, venv], check=True)
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COVERAGE"))
    } | {"VIRTUAL_ENV": str(venv), "PATH": f"{venv / 'bin'}:{os.environ['PATH']}"}
    environment["EXTRAS"] = extras
    joined = dockerfile(name).replace("\\\n", "")
    steps = [s for s in re.findall(r"^RUN (.+)$", joined, re.MULTILINE) if "useradd" not in s]
    assert any("pip install" in step and "python" in step for step in steps)
    for step in steps:
        command = step.replace("pip install --no-cache-dir", f"{shlex.quote(uv)} pip install -q")
        ran = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert ran.returncode == 0, f"{step}\n{ran.stderr}"
    found = {
        module: not subprocess.run(
            [venv / "bin/python", "-c", f"import {module}"],
            capture_output=True, check=False, cwd=tmp_path,
        ).returncode
        for module in (runs, "torch")
    }  # fmt: skip
    assert found == {runs: True, "torch": name == "ray"}
