"""A store that is away for a moment, between the stages of a sweep, ends nothing."""

from typing import Any

import pytest
import tenacity
from fsspec.implementations.memory import MemoryFileSystem

from landslide import retries
from landslide.training.config import training_config
from sweeps.planning import Sweep

CONFIG = training_config("quick", epochs=1, inputs="vv", timesteps=1)
BESIDE = "memory://patience"


def test_the_table_is_asked_again_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "WAIT", tenacity.wait_none())
    outage, listed = [TimeoutError("too late")], MemoryFileSystem.ls

    def stumbling(*args: Any, **how: Any) -> Any:
        if outage:
            raise outage.pop()
        return listed(*args, **how)

    monkeypatch.setattr(MemoryFileSystem, "ls", stumbling)
    nothing: Any = None
    where = (f"{BESIDE}/table", BESIDE, f"{BESIDE}/runs")
    sweep = Sweep(nothing, nothing, CONFIG, ("vv",), (1,), (0,), *where)
    assert sweep.lacking({"ab": CONFIG}, force=False) == {"ab": CONFIG}
    assert not outage
