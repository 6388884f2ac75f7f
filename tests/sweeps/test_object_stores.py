"""A sweep whose cube, table and checkpoints all lie in an object store."""

import json

import fsspec
import pytest

from landslide import results_table
from sweeps.ablation import main


@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")  # gcsfs does
@pytest.mark.parametrize("chips", ["memory", "store"])
@pytest.mark.parametrize("bucket", ["s3_bucket", "gs_bucket"])
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
