"""The paper's figures: Figure 1 shows a chip, Figure 2 a place, Figure 4 the ablation."""

from landslide.results.ablation_figure import figure4
from landslide.results.chip_figure import figure1
from landslide.results.place_figure import figure2

__all__ = ["figure1", "figure2", "figure4"]
