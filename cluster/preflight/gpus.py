"""What a node's GPUs are, whether torch was built for them, and that each one trains."""

import math
import subprocess
from collections.abc import Sequence

import torch

from cluster.preflight.step import training_step
from landslide.errors import one_line
from landslide.training.config import TrainingConfig

LAST_FOR_VOLTA = "torch>=2.10,<2.11 with torchvision>=0.25,<0.26"
SECONDS_OF_NVIDIA_SMI = 30


def gpus(
    expected: float, config: TrainingConfig, chip_size: int
) -> tuple[tuple[str, bool, str], ...]:
    """Say of each GPU that this process sees whether torch is built for it, and train on it.

    Parameters
    ----------
    expected : float
        How many Ray says that there are.
    config : TrainingConfig
    chip_size : int
        As `training_step` takes them.
    """
    count = torch.cuda.device_count()
    if count < math.ceil(expected):
        said = (
            f"Ray offers {expected:g}, torch {torch.__version__} sees {count}, driver {_driver()}: "
            "install the driver, and a torch that is built for CUDA"
        )
        return (("GPUs", False, said),)
    built = torch.cuda.get_arch_list()
    found = []
    for number in range(count):
        about = torch.cuda.get_device_properties(number)
        passed, said = has_kernels((about.major, about.minor), built, torch.__version__)
        if passed:
            passed, step = _trains(config, chip_size, f"cuda:{number}")
            said += f", {step}"
        memory = f"{about.total_memory / 1e9:.0f} GB, driver {_driver()}"
        found.append((f"GPU {number}", passed, f"{about.name}, {memory}, {said}"))
    return tuple(found)


def _trains(config: TrainingConfig, chip_size: int, device: str) -> tuple[bool, str]:
    try:
        step = training_step(config, chip_size, device)
    except Exception as error:  # noqa: BLE001 - whatever it is, the check is for it
        return False, f"no training step: {one_line(error, 300)}"
    return True, f"a step of {config.batch_size} chips takes {step.seconds:.3f} s"


def has_kernels(
    capability: tuple[int, int], built: Sequence[str], torch_version: str
) -> tuple[bool, str]:
    """Say whether a torch that was built for some architectures runs on a GPU.

    Machine code runs on GPUs of its own major capability with the same minor one or a later;
    `compute_` code is compiled by the driver for any later GPU.

    Parameters
    ----------
    capability : (int, int)
        The GPU's.
    built : sequence of str
        As `torch.cuda.get_arch_list` gives it, such as `sm_70` and `compute_90`.
    torch_version : str
    """
    architecture = f"sm_{capability[0]}{capability[1]}"
    for name in built:
        kind, _, digits = name.partition("_")
        digits = digits.rstrip("af")  # as in sm_90a
        code = (int(digits[:-1]), int(digits[-1]))
        machine = kind == "sm" and code[0] == capability[0] and code[1] <= capability[1]
        if machine or (kind == "compute" and code <= capability):
            return True, f"{architecture} is among what torch {torch_version} was built for"
    said = f"torch {torch_version} has no kernels for {architecture} (it has {', '.join(built)})"
    if capability == (7, 0):
        return False, f"{said}: a V100 needs {LAST_FOR_VOLTA}, the last that have them"
    return False, f"{said}: install a torch that is built for it"


def _driver() -> str:
    """Return the version of the NVIDIA driver."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=True, timeout=SECONDS_OF_NVIDIA_SMI
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.splitlines()[0].strip() if answer.stdout else "unknown"
