"""Numbers on a sweep's command line that cannot be."""

import pytest

from sweeps.ablation import options


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--gpus-per-trial", "-1", "-1 GPUs cannot be"),
        ("--gpus-per-trial", "1.5", "1.5 GPUs cannot be"),
        ("--gpus-per-trial", "nan", "nan GPUs cannot be"),
        ("--deadline", "-1", "-1 cannot be"),
        ("--deadline", "inf", "inf cannot be"),
    ],
)
def test_a_number_that_cannot_be_is_one_line(
    option: str, value: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        options(["cube.zarr", option, value])
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.parametrize("gpus", ["0", "0.25", "1", "2"])
def test_gpus_are_a_share_or_whole(gpus: str) -> None:
    assert options(["cube.zarr", "--gpus-per-trial", gpus]).gpus_per_trial == float(gpus)
