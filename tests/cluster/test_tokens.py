"""A Ray that is started here wants a token, whichever command starts it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SWEEPS = ("ablation", "experiment", "insar", "map", "pretraining", "transfer")
# Ray reads its environment when it is imported: look at it there, and go no further.
AT_RAYS_IMPORT = """
import os, runpy, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "ray":
            print(os.environ.get("RAY_AUTH_MODE"), flush=True)
            os._exit(0)

sys.meta_path.insert(0, Finder())
run, name = sys.argv[1:]
sys.argv[1:] = ["--help"]
getattr(runpy, run)(name, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("run", "name"),
    [("run_module", "cluster.preflight"), *(("run_path", f"sweeps/{each}.py") for each in SWEEPS)],
)
def test_no_command_starts_a_ray_without_a_token(run: str, name: str) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", AT_RAYS_IMPORT, run, name],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "token\n"
