"""The paper's figures: Figure 1 shows a chip, Figure 4 the ablation; and label efficiency."""

from landslide.results.ablation_figure import figure4
from landslide.results.chip_figure import figure1
from landslide.results.labels_figure import label_figure

__all__ = ["figure1", "figure4", "label_figure"]
