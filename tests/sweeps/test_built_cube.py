"""A cube that was built goes through the sweep unchanged."""

from collections.abc import Callable
from pathlib import Path

from landslide import open_cube, results_table
from landslide.cli import main as landslide_command
from sweeps.ablation import main

OPTIONS = ["--preset", "quick", "--chip-size", "64", "--epochs", "1", "--inputs", "vv", "vv+vh+dem"]


def test_a_built_cube_goes_through_the_sweep(
    cube: str, ray: None, write_event: Callable[..., Path], tmp_path: Path
) -> None:
    """The simulated event, written out as GeoTIFFs, a DEM and an inventory, and built again."""
    event, built = write_event(open_cube(cube), tmp_path), str(tmp_path / "built.zarr")
    assert landslide_command(["build", str(event), built]) == 0
    table = str(tmp_path / "swept" / "table")
    assert main([built, "--table", table, "--timesteps", "2", *OPTIONS]) == 0
    rows = results_table(table)
    assert set(rows["inputs"]) >= {"vv", "vv+vh+dem"}
    assert rows["error"].isna().all()
    assert rows["auprc"].between(0, 1).all()
