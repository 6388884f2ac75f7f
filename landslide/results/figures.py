"""The paper's figures: Figure 1 shows a chip, Figure 4 the ablation."""

from landslide.results.ablation_figure import figure4
from landslide.results.chip_figure import figure1

__all__ = ["figure1", "figure4"]
