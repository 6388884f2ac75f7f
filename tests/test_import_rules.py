"""The design's import rules, read from the imports themselves."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_a_room_imports_only_from_floors_below_it() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout


def test_a_cube_is_read_and_streamed_without_torch_and_ray() -> None:
    code = (
        "import sys, landslide.chips.stream, landslide.cli, landslide.simulation\n"
        "print({'torch', 'ray', 'distributed'} & set(sys.modules))"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
