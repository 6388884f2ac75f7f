"""A cube rewritten for chips: what a chip needs lies together, and is decoded alone."""

from landslide.chips.optimize.layout import Layout, cube_layout
from landslide.chips.optimize.order import storage_order
from landslide.chips.optimize.plan import optimize_plan
from landslide.chips.optimize.run import optimize_cube

__all__ = ["Layout", "cube_layout", "optimize_cube", "optimize_plan", "storage_order"]
