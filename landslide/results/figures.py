"""The paper's figures: 1 a chip, 2 a place, 4 the ablation, 5 predictions; and label efficiency."""

from landslide.results.ablation_figure import figure4
from landslide.results.chip_figure import figure1
from landslide.results.labels_figure import label_figure
from landslide.results.place_figure import figure2
from landslide.results.prediction_figure import figure5

__all__ = ["figure1", "figure2", "figure4", "figure5", "label_figure"]
