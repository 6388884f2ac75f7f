"""A store that is away for a moment, between the stages of a sweep, ends nothing."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest
import tenacity
from fsspec.implementations.memory import MemoryFileSystem

from cluster.resources import Resources
from landslide import retries
from landslide.storage import write_whole
from landslide.training.config import training_config
from sweeps import unlabelled
from sweeps.planning import Sweep
from sweeps.stages import Stage, few_labels
from sweeps.transfer import run_stage
from sweeps.trial import weights_of

CONFIG = training_config("quick", epochs=1, inputs="vv", timesteps=1)
RUNS, TABLE = "memory://patience/runs", "memory://patience/table"
SWEEP: Any = SimpleNamespace(
    base=CONFIG, configs=[CONFIG], runs=RUNS, table=TABLE,
    keyed=lambda *_: {"ab": CONFIG}, lacking=lambda *_, **__: {},
)  # fmt: skip
CPU = Resources(1, 0)


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[Exception]]:
    """Have a method of the store time out when it is called next; what is left has not yet."""
    monkeypatch.setattr(retries, "WAIT", tenacity.wait_none())

    def stumble(method: str) -> list[Exception]:
        outage: list[Exception] = [TimeoutError("too late")]
        call = getattr(MemoryFileSystem, method)

        def stumbling(*args: Any, **how: Any) -> Any:
            if outage:
                raise outage.pop()
            return call(*args, **how)

        monkeypatch.setattr(MemoryFileSystem, method, stumbling)
        return outage

    return stumble


@pytest.fixture
def weights() -> Any:
    """Address of weights that a trial with the key `ab` left."""
    address = weights_of(RUNS, "ab")
    write_whole(address, b"weights")
    yield address
    fsspec.filesystem("memory").rm("/patience", recursive=True)


def test_the_table_is_asked_again_what_it_lacks(away: Callable[[str], list[Exception]]) -> None:
    nothing: Any = None
    sweep = Sweep(nothing, nothing, CONFIG, ("vv",), (1,), (0,), TABLE, "memory://patience", RUNS)
    outage = away("ls")
    assert sweep.lacking({"ab": CONFIG}, force=False) == {"ab": CONFIG}
    assert not outage


def test_weights_that_are_there_are_not_trained_again(
    weights: str, away: Callable[[str], list[Exception]]
) -> None:
    nothing: Any = None
    outage, args = away("exists"), SimpleNamespace(force=False)
    stage = Stage(nothing, [CONFIG], keep=True)
    assert run_stage(args, stage, [], SWEEP, CPU) == (["ab"], 0)  # type: ignore[arg-type]
    assert not outage


def test_weights_that_are_there_are_begun_with(
    weights: str, away: Callable[[str], list[Exception]]
) -> None:
    args: Any = SimpleNamespace(labelled=[1], fine_tuning_rate=None, fine_tuning_epochs=None)
    base = replace(CONFIG, epochs=25)
    sweep: Any = SimpleNamespace(**vars(SWEEP) | {"base": base, "configs": [base]})
    outage = away("exists")
    configs = few_labels(args, sweep, 2, {("zero-shot from a", "vv", 1, 0): (weights, "cd")})
    begun = [(config.start, config.begun_on) for config in configs]
    assert begun == [*[("none", "")] * 4, (weights, "cd"), (weights, "cd")]
    # Tuned for an eighth of the epochs; what begins at random is trained for as many, or for both.
    assert [config.epochs for config in configs] == [25, 25, 28, 28, 0, 3]
    assert not outage


def test_what_was_pretrained_is_not_again(
    away: Callable[[str], list[Exception]], monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing: Any = None
    monkeypatch.setattr(unlabelled, "row_key", lambda *_: "ab")
    address = f"{RUNS}/pretrained-ab.safetensors"
    write_whole(address, b"weights")
    outage, args = away("exists"), SimpleNamespace(pretraining_epochs=None)
    weights = unlabelled.weights_to_begin_with(args, SWEEP, nothing, CPU)  # type: ignore[arg-type]
    assert (list(weights), unlabelled.lacking(weights)) == ([address], {})
    assert not outage
