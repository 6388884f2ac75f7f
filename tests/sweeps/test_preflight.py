"""A preflight of a sweep on a small cube: what passes, what fails, and what it estimates."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.preflight.__main__ import main
from cluster.preflight.estimate import decoded_bytes, fit, training_seconds
from landslide import open_cube
from landslide.chips.split import Chipping
from landslide.chips.stream import plan_stream
from landslide.cube.events import find_event
from landslide.training.config import training_config

QUICK = ["--preset", "quick", "--chip-size", "64", "--epochs", "3"]
Answers = Callable[..., tuple[int, dict[tuple[str, str], dict[str, object]]]]


@pytest.fixture
def preflight(cube: str, ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Answers:
    """Run a preflight; return its exit status and each check by place and name."""

    def run(*options: str) -> tuple[int, dict[tuple[str, str], dict[str, object]]]:
        where = ["--table", str(tmp_path / "table")] if "--table" not in options else []
        code = main([cube, *QUICK, *where, "--json", *options])
        told = json.loads(capsys.readouterr().out)
        assert told["passed"] == (code == 0)
        places = {"node": "node", "driver": "driver"}
        return code, {
            (places.get(check["where"].split()[0], check["where"]), check["what"]): check
            for check in told["checks"]
        }

    return run


def test_all_that_a_sweep_needs_is_tried_and_nothing_is_left_behind(
    preflight: Answers, tmp_path: Path
) -> None:
    code, checks = preflight()
    assert code == 0
    for place in ("driver", "node"):
        assert {what for where, what in checks if where == place} == {
            "packages", "cube", "table", "storage",
        }  # fmt: skip
        assert "of vv read at" in str(checks[place, "cube"]["said"])
    assert "a step of 8 chips takes" in str(checks["a trial", "training"]["said"])
    assert "17 of 17 configurations" in str(checks["sweep", "training"]["said"])
    assert "; 2 trials at once, 2 with all nodes" in str(checks["sweep", "training"]["said"])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_folder_that_cannot_be_written_fails_from_every_place(
    preflight: Answers, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    code, checks = preflight("--table", str(tmp_path / "file" / "table"))
    assert code == 1
    for place in ("driver", "node"):
        assert not checks[place, "table"]["passed"]
        assert not checks[place, "storage"]["passed"]
        assert checks[place, "cube"]["passed"]


def test_the_table_of_checks_ends_with_what_failed(
    cube: str, ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    storage = str(tmp_path / "file" / "runs")
    assert main([cube, *QUICK, "--table", str(tmp_path / "table"), "--storage", storage]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == f"2 of {len([x for x in lines if x[:6] in ('ok    ', 'FAILED')])} checks failed"
    assert all(line.startswith("FAILED  ") and "storage" in line for line in lines[-2:])
    assert lines[-3].startswith("ok ")


def test_the_estimates_are_of_what_is_read_and_trained(cube: str) -> None:
    opened = open_cube(cube)
    stream = plan_stream(
        opened,
        find_event(opened),
        inputs="vv+vh+dem",
        timesteps=(1, 2),
        chipping=Chipping(chip_size=64),
    )
    chunks = {  # 512 pixels on a side: the scene is one chunk
        name: opened[name].shape[-2] * opened[name].shape[-1] * opened[name].dtype.itemsize
        for name in ("vv", "vh", "dem", "dem_slope_radians", "dem_aspect", "dem_curvature")
    }
    images = {"vv": 4, "vh": 4}
    assert decoded_bytes(stream) == sum(size * images.get(n, 1) for n, size in chunks.items())

    what, passed, said = fit(stream, "memory", 1e6)
    assert (what, passed) == ("chips", False)
    assert "give --chips store" in said
    assert fit(stream, "auto", 1e6)[1]

    parts = stream.chips["part"]
    config = training_config("quick", epochs=5, batch_size=int((parts == "train").sum()))
    configs = {str(n): config for n in range(7)}
    forward = 0.5 / 3 if (parts == "validation").any() else 0
    assert training_seconds(stream, configs, step=0.5, at_once=3) == pytest.approx(
        3 * 5 * (0.5 + forward)
    )
