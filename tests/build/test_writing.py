"""How the blocks of a layer are written."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zarr

from landslide.build.target import Target
from landslide.build.writing import Destination, _array
from landslide.cube.readers import PIPELINES, pipeline


def test_an_array_to_write_waits_for_its_turn_at_zarrs_configuration(tmp_path: Path) -> None:
    made = zarr.create_array(tmp_path / "vv.zarr", shape=(40, 56), dtype="float32")
    metadata = (tmp_path / "vv.zarr" / "zarr.json").read_text()
    here = Destination(str(tmp_path / "cube.zarr"), "vv", metadata, None, str(tmp_path / "done"))
    Target(here.cube).begin(["vv"])
    before = zarr.config.get("codec_pipeline.path")
    with ThreadPoolExecutor(1) as pool:
        with pipeline("plain"):
            started = threading.Event()
            other = pool.submit(lambda: started.set() or _array(here))
            assert started.wait(60)
            with pytest.raises(TimeoutError):
                other.result(0.3)
            assert zarr.config.get("codec_pipeline.path") == PIPELINES["plain"]
        assert other.result().shape == made.shape
    assert zarr.config.get("codec_pipeline.path") == before
