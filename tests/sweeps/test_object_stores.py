"""A sweep whose cube, table and checkpoints all lie in an object store."""

import json
import shutil
from pathlib import Path
from typing import Any

import fsspec
import pytest

from landslide import results_table
from landslide.cli import main as command
from landslide.command import run_command
from sweeps.ablation import main


@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")  # gcsfs does
@pytest.mark.parametrize(
    ("bucket", "chips"),
    [
        ("s3_bucket", "memory"),
        ("gs_bucket", "store"),
        pytest.param("s3_bucket", "store", marks=pytest.mark.long),
        pytest.param("gs_bucket", "memory", marks=pytest.mark.long),
    ],
)
def test_a_sweep_lives_in_a_bucket_alone(
    cube: str,
    ray: None,
    bucket: str,
    chips: str,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = f"{request.getfixturevalue(bucket)}/swept-{chips}"
    filesystem, path = fsspec.core.url_to_fs(place)
    filesystem.put(cube, f"{path}/cube.zarr", recursive=True)
    arguments = [f"{place}/cube.zarr", "--table", f"{place}/auprc/table", "--chips", chips]
    arguments += ["--inputs", "vv", "--timesteps", "1", "--preset", "quick", "--epochs", "1"]
    arguments += ["--chip-size", "64"]
    assert main(arguments) == 0
    (row,) = results_table(f"{place}/auprc/table").itertuples()
    assert row.cube == f"{place}/cube.zarr"
    assert 0 < row.auprc < 1
    beside = {name.removeprefix(f"{path}/auprc/") for name in filesystem.find(f"{path}/auprc")}
    assert {f"table/{row.key}.parquet", "figure4.png"} < beside
    assert not [name for name in beside if name.endswith(".checkpoint")]
    (split,) = [name for name in beside if name.startswith("split-")]
    assert json.loads(filesystem.cat_file(f"{path}/auprc/{split}"))["chips"]
    assert main(arguments) == 0
    assert "1 configurations, 1 in the table already" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")  # gcsfs does
def test_a_service_account_s_key_and_token_are_found_nowhere(
    cube: str,
    ray: None,
    gs_bucket: str,
    service_account: Any,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ray._private import worker

    monkeypatch.setattr("landslide.training.run.CHECKPOINT_SHARE", 1e9)  # leaves a checkpoint
    monkeypatch.setattr("landslide.bundling.remove", lambda _: None)  # and keeps it

    place = f"{gs_bucket}/planted"
    filesystem, path = fsspec.core.url_to_fs(place)
    filesystem.put(cube, f"{path}/cube.zarr", recursive=True)
    options = ["--preset", "quick", "--epochs", "2", "--chip-size", "64", "--timesteps", "1"]
    options += ["--table", f"{place}/table", "--inputs", "vv"]
    assert main([f"{place}/cube.zarr", *options]) == 0
    train = ["train", f"{place}/cube.zarr", *options, "--protocol", "paper", "--epochs", "10"]
    assert command([*train, "--out", f"{place}/model"]) == 0
    assert run_command(lambda: main([f"{place}/no-such-cube.zarr", *options])) == 1
    assert service_account.given  # the token was what the stores were asked with
    secrets = [service_account.token, service_account.key.splitlines()[1]]
    printed = "".join(capfd.readouterr())
    assert f"no cube at {place}/no-such-cube.zarr" in printed
    logs = Path(worker._global_node.get_logs_dir_path())
    assert len([name for name in logs.rglob("*") if name.is_file()]) > 5
    suffixes = {Path(name).suffix for name in filesystem.find(path)}
    assert {".parquet", ".png", ".safetensors", ".checkpoint"} < suffixes

    def telling(secret: str) -> list[str]:
        told = {str(name): name.read_bytes() for name in logs.rglob("*") if name.is_file()}
        told |= {name: filesystem.cat_file(name) for name in filesystem.find(path)}
        return [name for name, content in told.items() if secret.encode() in content]

    for secret in secrets:
        assert secret not in printed
        assert not telling(secret)
    # The search itself can find something.
    planted, token = logs / "planted" / "log", service_account.token
    planted.parent.mkdir()
    try:
        planted.write_text(f"a line\n{token}\n")
        filesystem.pipe_file(f"{path}/planted", f"an object {token}".encode())
        assert telling(token) == [str(planted), f"{path}/planted"]
    finally:
        shutil.rmtree(planted.parent)
