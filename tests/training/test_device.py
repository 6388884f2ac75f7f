"""What is said where a device fails, and what is left as it was found."""

from pathlib import Path

import pytest
import torch

from landslide.training import device
from landslide.training.device import (
    begin_as_planned,
    fastest_convolutions,
    of_device,
    telling_batch_size,
)
from landslide.training.sources import room_on

CPU = torch.device("cpu")
FAILURES = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    torch.AcceleratorError("CUDA error: unspecified launch failure"),
    RuntimeError("FIND was unable to find an engine to execute this computation"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("Triton Error [CUDA]: out of memory"),
    RuntimeError("CUDA driver error: an illegal memory access was encountered"),
    RuntimeError("CUDA driver error: uncorrectable ECC error encountered"),
    RuntimeError("OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError('NVML_SUCCESS == r INTERNAL ASSERT FAILED at "CUDACachingAllocator.cpp":1016'),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
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
        RuntimeError("CUDA driver error: device kernel image is invalid"),
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


@pytest.mark.parametrize(("shown", "lines"), [(None, 1), ("0", 1), ("", 0)])
def test_a_cpu_that_computes_beside_a_gpu_says_so_once_unless_that_was_hidden(
    shown: str | None,
    lines: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(device, "DRIVER", tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if shown is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    device._warn_of_overlooked_gpu.cache_clear()
    assert [device.this_device(), device.this_device()] == [CPU, CPU]
    assert len(caplog.messages) == lines
    assert all("so the CPU computes: see nvidia-smi" in line for line in caplog.messages)


def test_what_was_given_no_gpu_and_sees_one_does_not_train_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(ValueError, match="without a GPU, and this process sees one: start Ray"):
        begin_as_planned("float32", 0)


@pytest.mark.parametrize(
    ("gpus", "seen", "fractions"),
    [
        (0.25, True, [0.15]),  # of 10 GB, 1 is CUDA's
        (0.125, True, [0.0625]),
        (0.25, False, []),
        (1, True, []),
        (2, True, []),
    ],
)
def test_of_a_shared_gpu_no_more_is_allocated_than_the_share(
    gpus: float,
    seen: bool,
    fractions: list[float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_to: list[float] = []
    monkeypatch.setattr(device, "DRIVER", tmp_path / "none")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: seen)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (4e9, 10e9))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", set_to.append)
    begin_as_planned("float32", gpus)
    assert set_to == pytest.approx(fractions)


@pytest.mark.parametrize(
    ("fraction", "free", "room"),
    [(1.0, 90, 50), (0.5, 90, 42.5), (0.25, 90, 17.5), (0.25, 8, 9)],
)
def test_chips_have_half_of_what_is_free_or_left_of_the_share(
    fraction: float, free: int, room: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 200 bytes this process has allocated 15, and 10 more wait in its cache."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 200))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 15)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 25)
    monkeypatch.setattr(torch.cuda.memory, "_lazy_init", lambda: None)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch._C, "_cuda_getMemoryFraction", lambda _: fraction, raising=False)
    assert room_on(torch.device("cuda")) == room
    assert room_on(torch.device("cuda:1")) == room


@pytest.mark.parametrize("before", [True, False])
def test_the_search_for_algorithms_ends_with_what_it_is_for(
    before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", before)
    with fastest_convolutions():
        assert torch.backends.cudnn.benchmark
    assert torch.backends.cudnn.benchmark is before
