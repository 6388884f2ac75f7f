"""How the blocks of a layer are written."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import zarr

from landslide.build.target import Target
from landslide.build.writing import Destination, write_block
from landslide.chips.layout.records import records
from landslide.cube.readers import PIPELINES, pipeline


def test_a_block_to_write_waits_for_its_turn_at_zarrs_configuration(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "vv.zarr", shape=(40, 56), dtype="float32")
    metadata = (tmp_path / "vv.zarr" / "zarr.json").read_text()
    here = Destination(str(tmp_path / "cube.zarr"), "vv", metadata, None, str(tmp_path / "done"))
    Target(here.cube).begin(["vv"])
    values = np.arange(40 * 56, dtype=np.float32).reshape(40, 56)
    before = zarr.config.get("codec_pipeline.path")
    with ThreadPoolExecutor(1) as pool:
        with pipeline("plain"):
            started = threading.Event()
            other = pool.submit(
                lambda: started.set() or write_block(values, (0, 0), "vv/0_0", here)
            )
            assert started.wait(60)
            with pytest.raises(TimeoutError):
                other.result(0.3)
            assert zarr.config.get("codec_pipeline.path") == PIPELINES["plain"]
            assert not records(here.progress)
        written = other.result()
    assert zarr.config.get("codec_pipeline.path") == before
    assert records(here.progress) == {"vv/0_0": written}
    (tmp_path / "cube.zarr" / "vv" / "zarr.json").write_text(metadata)
    stored = zarr.open_array(tmp_path / "cube.zarr", path="vv", mode="r")
    np.testing.assert_array_equal(np.asarray(stored[:]), values)
