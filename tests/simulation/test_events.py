"""Simulated events that differ as published cubes do."""

import numpy as np
import pytest

from landslide.simulation import simulate_cube
from landslide.simulation.events import SCENES, scene_like

PUBLISHED = {  # of each cube: mean and spread of log10 VV and VH, and mean coherence
    "hokkaido": ((-0.734, 0.211), (-1.321, 0.189), 0.323),
    "kaikoura": ((-0.986, 0.269), (-1.605, 0.235), 0.466),
}


@pytest.fixture(scope="module")
def cubes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("events")
    how = {"shape": (512, 640), "seed": 1, "descending": (2, 1), "ascending": (0, 0)}
    return {like: simulate_cube(str(folder / f"{like}.zarr"), like=like, **how) for like in SCENES}


@pytest.mark.parametrize("like", PUBLISHED)
def test_a_cube_has_the_statistics_published_of_its_event(cubes, like):
    vv, vh, coherence = PUBLISHED[like]
    for name, (mean, spread) in (("vv", vv), ("vh", vh)):
        logs = np.log10(cubes[like][name].to_numpy().astype(np.float64))
        assert np.nanmean(logs) == pytest.approx(mean, abs=0.02)
        assert np.nanstd(logs) == pytest.approx(spread, rel=0.1)
    assert float(cubes[like]["coherence"][0].mean()) == pytest.approx(coherence, rel=0.1)


def test_only_what_was_published_differs(cubes):
    one, other = cubes["hokkaido"], cubes["kaikoura"]
    for name in ("dem", "landslides", "timestep"):
        np.testing.assert_array_equal(one[name], other[name])
    assert '"simulated"' in one.attrs["event"]
    assert '"simulated_kaikoura"' in other.attrs["event"]
    assert other.attrs["simulated"] == 1


def test_an_event_without_published_statistics_is_one_line():
    with pytest.raises(ValueError, match="no statistics of 'mars' are known: choose hokkaido or"):
        scene_like("mars")
