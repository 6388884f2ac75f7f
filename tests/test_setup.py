"""The set-up that two commands rest on."""

import email
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
PINS = dict(
    re.findall(
        r"^([\w.-]+)(?:\[[\w,]+\])?==([^\s;]+)",
        (ROOT / "requirements.txt").read_text(),
        re.MULTILINE,
    )
)


def test_every_requirement_is_pinned_exactly_and_none_names_an_index() -> None:
    text = (ROOT / "requirements.txt").read_text()
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert all("==" in line for line in lines)
    assert "://" not in text
    assert not (ROOT / "uv.lock").exists()


@pytest.mark.parametrize("package", ["torch", "torchvision", "ray", "xarray", "xbatcher", "zarr"])
def test_what_is_installed_is_what_is_pinned(package: str) -> None:
    assert version(package) == PINS[package]


def test_torch_is_the_newest_that_runs_on_a_v100() -> None:
    # From 2.11 on PyPI's builds start at sm_75; cuDNN from 9.11 on drops Volta.
    assert (PINS["torch"], PINS["torchvision"]) == ("2.10.0", "0.25.0")
    cudnn = tuple(int(part) for part in PINS["nvidia-cudnn-cu12"].split(".")[:2])
    assert cudnn < (9, 11)
    flags = torch._C._cuda_getArchFlags()
    if flags is None:
        pytest.skip("this build of torch has no CUDA")
    assert "sm_70" in flags.split()


def test_a_wheel_holds_what_is_no_module_and_says_that_it_is_typed(tmp_path: Path) -> None:
    packages = ("landslide", "cluster", "sweeps")
    for package in packages:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, tmp_path)
    code = "from setuptools.build_meta import build_wheel; build_wheel('.')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as built:
        names = set(built.namelist())
        (about,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(built.read(about))
    assert names >= {f"{package}/py.typed" for package in packages}
    assert "landslide/mapping/report/report.html" in names
    classifiers = metadata.get_all("Classifier", [])
    assert "Typing :: Typed" in classifiers
    # Beside a licence's expression there must be none, says PEP 639.
    assert metadata["License-Expression"] == "Apache-2.0"
    assert not [each for each in classifiers if each.startswith("License")]


def test_ci_calls_make_test_and_make_knows_its_targets() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    for target in ("setup", "ablation", "results", "test", "test-all", "check"):
        result = subprocess.run(
            ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr


def test_a_machine_without_python_and_uv_gets_one_clear_line(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("make", "sh", "rm", "touch", "tail"):
        (tools / tool).symlink_to(shutil.which(tool) or "")
    for file in ("Makefile", "requirements.txt", "pyproject.toml", ".python-version"):
        shutil.copy(ROOT / file, tmp_path)
    text = (tmp_path / "Makefile").read_text().replace("/usr/bin/python3", "no-python")
    (tmp_path / "Makefile").write_text(text)
    result = subprocess.run(
        ["make", "setup"],
        cwd=tmp_path,
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    first = result.stderr.splitlines()[0]
    assert first == "error: no Python 3.9 or later found: install one, or uv"
