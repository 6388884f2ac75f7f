"""What a preflight says of GPUs, packages, chips and time."""

import pytest

from cluster.preflight.checks import PACKAGES, TRAINING, same_versions, versions
from cluster.preflight.estimate import duration
from cluster.preflight.gpus import gpus, has_kernels

TORCH_2_10 = ["sm_70", "sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]
TORCH_2_11 = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]


@pytest.mark.parametrize(
    ("capability", "built", "runs"),
    [
        ((7, 0), TORCH_2_10, True),
        ((7, 0), TORCH_2_11, False),
        ((7, 5), TORCH_2_10, True),
        ((7, 2), TORCH_2_10, True),  # sm_70 runs on a later minor capability
        ((8, 9), TORCH_2_11, True),
        ((8, 9), ["sm_90"], False),
        ((9, 0), ["sm_90a"], True),
        ((10, 3), ["sm_90", "compute_90"], True),  # which the driver compiles
        ((8, 0), ["sm_86"], False),  # sm_86 does not run on an earlier one
        ((6, 1), TORCH_2_10, False),
    ],
)
def test_a_gpu_runs_what_torch_was_built_for(
    capability: tuple[int, int], built: list[str], runs: bool
) -> None:
    assert has_kernels(capability, built, "2.11.0")[0] == runs


def test_a_v100_is_told_which_torch_it_needs() -> None:
    _, said = has_kernels((7, 0), TORCH_2_11, "2.11.0")
    assert "torch 2.11.0 has no kernels for sm_70" in said
    assert "a V100 needs torch>=2.10,<2.11" in said
    assert "V100" not in has_kernels((6, 1), TORCH_2_11, "2.11.0")[1]


def test_gpus_that_torch_does_not_see_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    ((what, passed, said),) = gpus(2.0)
    assert (what, passed) == ("GPUs", False)
    assert "Ray offers 2, torch" in said
    assert gpus(0.0) == ()


def test_packages_must_be_the_drivers_where_they_are_needed() -> None:
    here = versions()
    assert set(here) == {"python", *PACKAGES}
    assert same_versions(here, here, trains=True)[1]
    lacking = here | dict.fromkeys(TRAINING, "none")
    assert same_versions(here, lacking, trains=False)[1]
    _, passed, said = same_versions(here, lacking, trains=True)
    assert not passed
    assert said.startswith(f"torch none (driver: {here['torch']}), ")
    _, passed, said = same_versions(here, here | {"zarr": "2.18.0"}, trains=False)
    assert not passed
    assert said.startswith(f"zarr 2.18.0 (driver: {here['zarr']}): use one image")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (119, "119 s"), (600, "10 min"), (7200, "2.0 h")]
)
def test_durations_are_for_people(seconds: float, said: str) -> None:
    assert duration(seconds) == said
