"""What a preflight says of GPUs, packages, chips and time."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from cluster.preflight import step as preflight_step
from cluster.preflight.checks import (
    PACKAGES,
    TRAINING,
    examine,
    marked,
    same_versions,
    versions,
)
from cluster.preflight.estimate import duration
from cluster.preflight.gpus import gpus, has_kernels
from cluster.preflight.step import STEPS, Step, training_step, trial_step
from landslide.training.config import TrainingConfig, training_config
from landslide.training.run import Run

TORCH_2_10 = ["sm_70", "sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]
TORCH_2_11 = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]


def test_a_node_that_writes_into_a_folder_of_its_own_is_found_out(tmp_path: Path) -> None:
    here = {name: str(tmp_path / "driver" / name) for name in ("table", "storage")}
    there = here | {"storage": str(tmp_path / "node" / "storage")}  # of the same name there
    with marked(here) as marks:
        seen = {n: marks[n].replace(here[n], there[n]) for n in marks}
        found = examine("no-cube.zarr", "auto", "damage", there, seen)
    told = {what: (passed, said) for what, passed, said in found.checks}
    assert told["table"][0]
    assert not told["storage"][0]
    assert "it is another folder than on the driver" in told["storage"][1]
    assert told["storage"][1].endswith("name a folder that every worker may write, with --storage")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


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
    config = training_config("quick")
    ((what, passed, said),) = gpus(2.0, config, 64)
    assert (what, passed) == ("GPUs", False)
    assert "Ray offers 2, torch" in said
    assert gpus(0.0, config, 64) == ()


def test_each_gpu_makes_a_training_step(monkeypatch: pytest.MonkeyPatch) -> None:
    about = SimpleNamespace(major=7, minor=0, total_memory=16e9, name="a GPU, simulated")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: about)
    monkeypatch.setattr("torch.cuda.get_arch_list", lambda: TORCH_2_10)

    def step(config: TrainingConfig, chip_size: int, device: str) -> Step:
        assert (config.batch_size, chip_size) == (8, 64)
        if device == "cuda:1":
            raise RuntimeError("CUDA error: uncorrectable\nECC error encountered")
        return Step(device=device, precision="float16", seconds=0.25, room=8e9, itemsize=2)

    monkeypatch.setattr("cluster.preflight.gpus.training_step", step)
    first, second = gpus(2.0, training_config("quick", batch_size=8), 64)
    assert first[:2] == ("GPU 0", True)
    assert first[2].endswith("a step of 8 chips takes 0.250 s")
    assert second[:2] == ("GPU 1", False)
    assert second[2].endswith("no training step: CUDA error: uncorrectable ECC error encountered")


def test_a_step_counts_its_memory_from_when_the_search_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: told.append("emptied"))
    monkeypatch.setattr("torch.cuda.reset_peak_memory_stats", lambda _: told.append("counts"))
    made = Run.step

    def step(run: Run, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        told.append("step")
        return made(run, x, y)

    monkeypatch.setattr(Run, "step", step)
    forget = preflight_step._forget_search
    monkeypatch.setattr(preflight_step, "_forget_search", lambda _: forget(torch.device("cuda")))
    training_step(training_config("quick", batch_size=2), 32)
    assert told == ["step", "emptied", "counts", "step", *["step"] * STEPS]


def test_a_step_leaves_the_process_its_threads() -> None:
    before = torch.get_num_threads()
    training_step(training_config("quick", batch_size=2, threads=before + 1), 32)
    assert torch.get_num_threads() == before


def test_a_trial_without_a_gpu_makes_no_step_on_one(monkeypatch: pytest.MonkeyPatch) -> None:
    config = training_config("quick", batch_size=2)
    assert trial_step(config, 32, 0).device == "cpu"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    with pytest.raises(ValueError, match="without a GPU, and this process sees one"):
        trial_step(config, 32, 0)


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


def test_weights_that_a_node_lacks_are_found_there(tmp_path: Path) -> None:
    config = training_config("quick", batch_size=2, encoder_weights=str(tmp_path / "weights.pt"))
    with pytest.raises(FileNotFoundError, match=r"weights\.pt"):
        training_step(config, 32)
