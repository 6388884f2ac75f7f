"""Stop the build of an image whose torch cannot run on a V100; no GPU is needed to see it."""

import re
import sys
from importlib.metadata import version
from pathlib import Path

import torch

NEEDED = "sm_70"
CUDNN = "nvidia-cudnn-cu12"


def main(requirements: str) -> None:
    """Compare torch and cuDNN with what the pins promise."""
    built = torch._C._cuda_getArchFlags().split()  # noqa: SLF001 - get_arch_list() needs a GPU
    if NEEDED not in built:
        sys.exit(f"error: torch {torch.__version__} has no {NEEDED}, only {', '.join(built)}")
    pinned = re.search(rf"^{CUDNN}==(\S+)", Path(requirements).read_text(), re.MULTILINE)
    if pinned is None or version(CUDNN) != pinned[1]:
        sys.exit(f"error: {CUDNN} is {version(CUDNN)}, not as pinned in {requirements}")
    print(f"torch {torch.__version__} with {', '.join(built)}; {CUDNN} {pinned[1]}")


if __name__ == "__main__":
    main(sys.argv[1])
