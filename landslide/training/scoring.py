"""The last layer of a network that scores, in float32 whatever the rest computes in.

Logits that are rounded tie, and average precision then counts their pixels together.
"""

from typing import Any

import torch
from segmentation_models_pytorch.base import SegmentationHead
from segmentation_models_pytorch.decoders.dpt.decoder import DPTSegmentationHead

from landslide.training.device import whole_float32


class _Scoring(torch.nn.Module):
    def forward(self, features: torch.Tensor) -> Any:
        if self.training:
            return super().forward(features)
        with torch.autocast(features.device.type, enabled=False), whole_float32(torch.float32):
            return super().forward(features.float())


class _Head(_Scoring, SegmentationHead):  # type: ignore[misc]  # untyped
    pass


class _DPTHead(_Scoring, DPTSegmentationHead):  # type: ignore[misc]  # untyped
    pass


OWN: dict[Any, type[_Scoring]] = {SegmentationHead: _Head, DPTSegmentationHead: _DPTHead}


def score_in_float32(network: torch.nn.Module) -> None:
    """Have a network's head compute in float32 in evaluation mode; in training it stays as it is.

    Weights and their names stay as they are.

    Raises
    ------
    ValueError
        Where the head is of a kind that is not known.
    """
    head: Any = network.segmentation_head
    if type(head) not in OWN:
        raise ValueError(f"its head, a {type(head).__name__}, is not known: choose another network")
    head.__class__ = OWN[type(head)]
