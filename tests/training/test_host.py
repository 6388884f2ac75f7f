"""Within an epoch the host waits for the device nowhere: what a step gives stays there."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
import xarray as xr
from torch.utils._python_dispatch import TorchDispatchMode

from landslide.training.config import TrainingConfig
from landslide.training.network import build_network
from landslide.training.run import Run
from landslide.training.sources import feed_parts

# What a GPU would have to finish before the host may go on: a value, or a size that depends on one.
WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "unique"}
MASKED = "index by a mask"
CPU, GPU = torch.device("cpu"), torch.device("cuda")


class Waits(TorchDispatchMode):
    """Counts the operators that make the host wait."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in WAITS:
            self.seen[name] += 1
        if name == "index" and any(at is not None and at.dtype == torch.bool for at in args[1]):
            self.seen[MASKED] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("batch_size", [8, 2])
def test_an_epoch_of_any_number_of_steps_waits_for_its_record_alone(
    batch_size: int,
    make_chips: Callable[..., xr.Dataset],
    small: Callable[..., TrainingConfig],
) -> None:
    chips, config = make_chips(train=8), small(batch_size=batch_size)
    _, parts = feed_parts(chips, config, CPU)
    # The optimiser of a GPU; what it is given lies here.
    run = Run(build_network("quick", 2), config, torch.float32, GPU)
    with Waits() as waits:
        run.advance(parts["train"], parts["validation"])
    assert waits.seen == {"_local_scalar_dense": 1}  # the mean loss, at the end


def test_validation_waits_as_often_however_many_steps_and_chips_there_are(
    make_chips: Callable[..., xr.Dataset], small: Callable[..., TrainingConfig]
) -> None:
    seen = []
    for batch_size, validation in ((8, 2), (2, 6)):
        chips, config = make_chips(train=8, validation=validation), small(batch_size=batch_size)
        _, parts = feed_parts(chips, config, CPU)
        run = Run(build_network("quick", 2), config, torch.float32, GPU)
        with Waits() as waits:
            run.advance(parts["train"], parts["validation"])
        seen.append(waits.seen)
    assert seen[0] == seen[1]
    assert seen[0][MASKED] > 0  # the pixels without a label are left out


def test_the_optimiser_is_fused_on_a_gpu_alone(small: Callable[..., TrainingConfig]) -> None:
    for device, fused in ((CPU, False), (GPU, True)):
        run = Run(build_network("quick", 2), small(), torch.float32, device)
        assert bool(run.optimizer.defaults["fused"]) == fused
