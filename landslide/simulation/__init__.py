"""A cube of landslides with known truth, so that all of this runs without a download."""

from landslide.simulation.cube import simulate_cube
from landslide.simulation.scene import Polarisation, Scene

__all__ = ["Polarisation", "Scene", "simulate_cube"]
