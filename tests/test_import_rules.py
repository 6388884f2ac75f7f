"""The design's import rules, read from the imports themselves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_a_room_imports_only_from_floors_below_it() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    "module", ["landslide", "landslide.cli", "landslide.chips.stream", "landslide.simulation"]
)
def test_a_cube_is_read_and_streamed_without_torch_and_ray(module: str) -> None:
    heavy = "{'torch', 'ray', 'distributed'}"
    code = f"import sys, {module}; sys.exit(bool({heavy} & set(sys.modules)))"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, env=environment).returncode == 0
    )
