"""One small cube and one Ray for all sweeps under test."""

import argparse
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from cluster.resources import Resources
from landslide import simulate_cube
from landslide.command import run_command
from landslide.experiment.rows import failed_row
from landslide.results.table import write_row
from sweeps.options import chosen
from sweeps.planning import Sweep, plan_sweep

Fill = Callable[..., None]
Refused = Callable[[Callable[[list[str]], int | None], Sequence[str]], tuple[str, str]]


@pytest.fixture(scope="session")
def cube(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a small simulated cube: 6 x 8 chips of 64 pixels."""
    uri = str(tmp_path_factory.mktemp("cube") / "simulated.zarr")
    simulate_cube(uri, shape=(384, 512), seed=3, descending=(4, 4), ascending=(1, 1))
    return uri


@pytest.fixture(scope="session")
def ray(s3_bucket: str, gs_bucket: str) -> Iterator[None]:
    """A local Ray of two CPUs; its nodes know the stores, too."""
    from cluster.ray import ray_cluster

    with contextlib.ExitStack() as opened:
        # What it says is no test's: the first would find it in its own output.
        with contextlib.redirect_stdout(None):
            opened.enter_context(ray_cluster(cpus=2))
        yield


def plan_of(args: argparse.Namespace) -> Sweep:
    """Plan what a command line chooses."""
    choices, _ = chosen(args)
    return plan_sweep(choices)


@pytest.fixture
def fill() -> Fill:
    """Give a sweep's configurations rows in its table, of all inputs or some, that none earned."""

    def write(sweep: Sweep, *inputs: str, gpus: float = 0) -> None:
        for key, config in sweep.keyed(Resources(sweep.choices.base.threads, gpus)).items():
            if config.inputs in (inputs or sweep.choices.inputs):
                row = failed_row(sweep.experiment, config, key, "-")
                write_row(sweep.choices.table, replace(row, error=None, auprc=0.5))

    return write


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run a command that must fail; return its last line, which says why, and what it printed."""

    def run(main: Callable[[list[str]], int | None], words: Sequence[str]) -> tuple[str, str]:
        assert run_command(lambda: main([*words]), verbose=True) == 1
        said = capsys.readouterr()
        lines = said.err.strip().splitlines()
        (line,) = [each for each in lines if "error: " in each]
        assert line.startswith("error: ")
        assert line == lines[-1]
        return line, said.out

    return run
