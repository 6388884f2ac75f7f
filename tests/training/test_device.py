"""What is said where a device fails, and what is left as it was found."""

from pathlib import Path

import pytest
import torch

from landslide.training import device
from landslide.training.device import fastest_convolutions, of_device, telling_batch_size

CPU = torch.device("cpu")
FAILURES = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    torch.AcceleratorError("CUDA error: unspecified launch failure"),
    RuntimeError("FIND was unable to find an engine to execute this computation"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("Triton Error [CUDA]: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=str)
def test_what_a_device_fails_with_is_one_line_with_the_way_out(failure: Exception) -> None:
    assert of_device(failure)
    said = r"^cpu .* batches of 64 chips \(.*\): give a smaller --batch"
    with pytest.raises(OSError, match=said), telling_batch_size(CPU, 64):
        raise failure


@pytest.mark.parametrize(
    "mistake",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        RuntimeError("Triton Error [CUDA]: device kernel image is invalid"),  # left uncompiled
        KeyError("vv"),
    ],
    ids=str,
)
def test_a_mistake_of_ours_is_left_as_it_is(mistake: Exception) -> None:
    assert not of_device(mistake)
    with pytest.raises(type(mistake)), telling_batch_size(CPU, 64):
        raise mistake


@pytest.mark.parametrize(("driver", "seen"), [(True, False), (True, True), (False, False)])
def test_a_gpu_that_torch_does_not_see_is_an_error_of_the_device(
    driver: bool, seen: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "DRIVER", tmp_path if driver else tmp_path / "none")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: seen)
    if seen or not driver:
        device.require_gpu()
        return
    with pytest.raises(RuntimeError, match="torch sees none: see nvidia-smi") as error:
        device.require_gpu()
    assert of_device(error.value)


@pytest.mark.parametrize("before", [True, False])
def test_the_search_for_algorithms_ends_with_what_it_is_for(
    before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", before)
    with fastest_convolutions():
        assert torch.backends.cudnn.benchmark
    assert torch.backends.cudnn.benchmark is before
