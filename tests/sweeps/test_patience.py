"""A store that is away for a moment, between the stages of a sweep, ends nothing."""

from typing import Any

import pytest
import tenacity
from fsspec.implementations.memory import MemoryFileSystem

from landslide import retries
from landslide.training.config import training_config
from sweeps.choices import SweepChoices
from sweeps.planning import Sweep

CONFIG = training_config("quick", epochs=1, inputs="vv", timesteps=1)


def test_the_table_is_asked_again_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "WAIT", tenacity.wait_none())
    outage, listed = [TimeoutError("too late")], MemoryFileSystem.ls

    def stumbling(*args: Any, **how: Any) -> Any:
        if outage:
            raise outage.pop()
        return listed(*args, **how)

    monkeypatch.setattr(MemoryFileSystem, "ls", stumbling)
    nothing: Any = None
    sweep = Sweep(SweepChoices("cube.zarr", "memory://patience/table"), nothing, nothing)
    assert sweep.lacking({"ab": CONFIG}) == {"ab": CONFIG}
    assert not outage
