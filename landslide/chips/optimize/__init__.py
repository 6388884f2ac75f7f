"""A cube rewritten for chips: what a chip needs lies together, and is decoded alone."""

from landslide.chips.layout.cube import Layout
from landslide.chips.optimize.plan import optimize_plan
from landslide.chips.optimize.run import optimize_cube

__all__ = ["Layout", "optimize_cube", "optimize_plan"]
