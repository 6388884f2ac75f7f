"""The benchmark of training measures what training does."""

import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

from landslide.training.run import Run


def test_every_step_of_the_benchmark_has_the_convolutions_that_training_searches_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cuDNN chose for a shape without a search is not searched for again."""
    # Its neighbours are on its path, as when it is run.
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    benchmark = import_module("benchmarks.training")
    searching, step = [], Run.step

    def noted(run: Run, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        searching.append(torch.backends.cudnn.benchmark)
        return step(run, x, y)

    monkeypatch.setattr(Run, "step", noted)
    monkeypatch.setattr(benchmark, "MATRIX", {"cpu": 8, "cuda": 8})
    small = ["--count", "3", "--chip-size", "32", "--runs", "1", "--preset", "quick"]
    monkeypatch.setattr(sys, "argv", ["training.py", *small])
    benchmark.main()
    assert searching
    assert all(searching)
    assert not torch.backends.cudnn.benchmark
    assert "of the bare loop, 1 turns" in capsys.readouterr().out
