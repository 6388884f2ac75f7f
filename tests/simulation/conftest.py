import pytest

from landslide.simulation import Scene, simulate_cube
from landslide.simulation.truth import simulate_truth


@pytest.fixture(scope="session")
def scene():
    return Scene()


@pytest.fixture(scope="session")
def truth(scene):
    return simulate_truth(scene)


@pytest.fixture(scope="session")
def cube(tmp_path_factory):
    return simulate_cube(str(tmp_path_factory.mktemp("simulation") / "default.zarr"))
