"""The paper's figures: 1 shows a chip, 4 the ablation, 5 what was predicted."""

from landslide.results.ablation_figure import figure4
from landslide.results.chip_figure import figure1
from landslide.results.prediction_figure import figure5

__all__ = ["figure1", "figure4", "figure5"]
