"""Where networks compute here, how exactly, and what is said where that fails."""

import contextlib
import functools
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import torch

FAILURES = (
    "DefaultCPUAllocator",
    "CUDA error",
    "CUDA out of memory",  # in the compiler's error
    "CUDACachingAllocator",  # it had no memory, and could not say so
    "CUBLAS_STATUS",
    "cuDNN error",
    "CUDNN_STATUS",  # in the error of its plans
    "unable to find an engine",  # cuDNN had no memory
    # What launches compiled kernels; it may also fail by what was compiled.
    *(
        f"{launcher}: {failure}"
        for launcher in ("Triton Error [CUDA]", "CUDA driver error")
        for failure in (
            "out of memory",
            "an illegal memory access",
            "unspecified launch failure",
            "uncorrectable ECC error",
        )
    ),
)
"""What a plain RuntimeError says where a device has failed."""
DRIVER = Path("/dev/nvidiactl")
"""There where a machine has the driver of a GPU, whether that answers or not."""
WAY_OUT = "see nvidia-smi, and whether torch was built for CUDA"
CONTEXT = 1e9
"""Bytes of a GPU that CUDA and its libraries take for each process: a guess, rather too large."""

log = logging.getLogger(__name__)


def this_device() -> torch.device:
    """Return the device that networks run on: a GPU where there is one."""
    if _overlooks_gpu() and os.environ.get("CUDA_VISIBLE_DEVICES") != "":
        _warn_of_overlooked_gpu()
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _overlooks_gpu() -> bool:
    return DRIVER.exists() and not torch.cuda.is_available()


@functools.cache  # once is enough
def _warn_of_overlooked_gpu() -> None:
    log.warning(
        "this machine has a GPU, and torch sees none, so the CPU computes: %s; "
        "where that is meant, an empty CUDA_VISIBLE_DEVICES says so",
        WAY_OUT,
    )


def require_gpu() -> None:
    """Raise where a machine has a GPU that torch does not see: training would go on without it.

    Raises
    ------
    RuntimeError
        As of a device that has failed.
    """
    if _overlooks_gpu():
        raise RuntimeError(f"CUDA error: this machine has a GPU, and torch sees none: {WAY_OUT}")


def device_name(device: torch.device) -> str:
    """Return what a device is called."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def multiplies_bfloat16() -> bool:
    """Return whether this CPU has units that do: AMX, or AVX-512's for bfloat16."""
    # Neither has a public name.
    matrices = torch.cpu._is_amx_tile_supported()  # noqa: SLF001
    vectors = torch.cpu._is_avx512_bf16_supported()  # noqa: SLF001
    return bool(matrices or vectors)


def resolved_precision(wanted: str, *, gpu: bool) -> str:
    """Return the class of arithmetic, `float32` or `mixed`, that a trial computes in here.

    On a CPU `mixed` is for those who ask for it, or whose model was trained in it.
    """
    mixed = wanted != "float32" if gpu else wanted == "mixed" and multiplies_bfloat16()
    return "mixed" if mixed else "float32"


def begin_as_planned(planned: str, gpus: float) -> None:
    """Begin a trial's process: raise where it is not as planned, and hold it to its share of a GPU.

    Raises
    ------
    RuntimeError, ValueError
        As `hold_to_gpus` does; a ValueError, too, where the trial is planned as `mixed`, and this
        CPU computes in float32.
    """
    hold_to_gpus(gpus)
    if planned == "mixed" != resolved_precision(planned, gpu=gpus > 0):
        raise ValueError(
            "planned in mixed precision, for a GPU or a CPU with AMX or AVX-512 BF16, and here is "
            "neither: give --precision float32"
        )


def hold_to_gpus(gpus: float) -> None:
    """Begin a process that was given so many GPUs, or such a share of one.

    Of a shared GPU it may allocate no more than its share, so that the others there have theirs.

    Raises
    ------
    RuntimeError
        As `require_gpu` does.
    ValueError
        Where it was given none, and sees one, on which all such processes would meet.
    """
    if gpus:
        require_gpu()
    elif torch.cuda.is_available():
        raise ValueError(
            "planned without a GPU, and this process sees one: start Ray's nodes with "
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1, or give --gpus-per-trial or --gpus-per-actor"
        )
    if 0 < gpus < 1 and torch.cuda.is_available():
        total = torch.cuda.mem_get_info()[1]
        torch.cuda.set_per_process_memory_fraction(max(gpus - CONTEXT / total, gpus / 2))


def working_precision(wanted: str, device: torch.device) -> torch.dtype:
    """Return the type that a device computes in: a V100 has float16 but no bfloat16."""
    gpu = device.type == "cuda"
    if resolved_precision(wanted, gpu=gpu) == "float32":
        return torch.float32
    if not gpu:
        return torch.bfloat16
    ampere = torch.cuda.get_device_capability(device) >= (8, 0)
    return torch.bfloat16 if ampere else torch.float16


_inside, _settings = threading.Lock(), list[str]()  # one setting for each that is inside


@contextlib.contextmanager
def whole_float32(precision: torch.dtype) -> Iterator[None]:
    """Convolve float32 as such for a while, where that is the precision.

    From Ampere on torch would round it to TF32, of 10 bits; matrix products it leaves alone. The
    setting is the process's: of several threads inside, the last out gives back what was before.
    """
    if precision != torch.float32:
        yield
        return
    convolutions = torch.backends.cudnn.conv  # type: ignore[attr-defined]  # as documented
    with _inside:
        _settings.append(convolutions.fp32_precision)
        convolutions.fp32_precision = "ieee"
    try:
        yield
    finally:
        with _inside:
            convolutions.fp32_precision = _settings.pop()


@contextlib.contextmanager
def threads_of(count: int) -> Iterator[None]:
    """Compute on so many CPU threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def of_device(error: BaseException) -> bool:
    """Return whether an error is the device's: it has no memory left, or has failed."""
    if isinstance(error, torch.AcceleratorError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in FAILURES)


@contextlib.contextmanager
def telling_batch_size(device: torch.device, batch_size: int) -> Iterator[None]:
    """Say what to do where a device fails.

    Raises
    ------
    OSError
        In place of the device's error.
    """
    try:
        yield
    except RuntimeError as error:
        if not of_device(error):
            raise
        reason = str(error).split("\n", maxsplit=1)[0].strip(" .") or type(error).__name__
        raise OSError(
            f"{device_name(device)} has failed or has no memory for batches of {batch_size} chips "
            f"({reason}): give a smaller --batch-size, or see what else runs there"
        ) from error


@contextlib.contextmanager
def fastest_convolutions() -> Iterator[None]:
    """Let cuDNN try its algorithms on each new shape for a while, and take the fastest.

    Each thread tries anew, which takes as long as some steps: it pays where shapes are few, and
    each comes often. What was chosen for a shape before is not looked for again, so that whatever
    meets such a shape first is to be inside. One thread at a time: the setting is the process's.
    """
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
