"""Training one model for a bundle, its row beside those of a sweep."""

from dataclasses import replace

from landslide.bundling import sweep_around
from tests.quake import EVENT, SMALL, make_cube


def test_a_row_is_of_the_sweep_that_the_cube_can_give() -> None:
    assert sweep_around(make_cube(), EVENT, SMALL, None) == (
        ["vv", "vh", "vv+vh", "vv+vh+dem", "dem"],
        [1, 2],
    )


def test_a_cube_without_images_gives_the_terrain_alone() -> None:
    terrain = make_cube().drop_dims("timestep")
    config = replace(SMALL, inputs="dem", timesteps=0)
    assert sweep_around(terrain, EVENT, config, None) == (["dem"], [])
