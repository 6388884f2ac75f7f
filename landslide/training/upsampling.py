"""Upsampling that keeps the type of what it copies.

CUDA's autocast upsamples in float32. Where the nearest pixel is copied, that changes no value, but
doubles the memory traffic, there and in all that the result is concatenated with. A CPU's autocast
leaves the type as it is.
"""

from collections.abc import Sequence

import torch
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoderBlock
from segmentation_models_pytorch.decoders.unetplusplus.decoder import DecoderBlock
from torch.nn import functional


class _UnetBlock(UnetDecoderBlock):  # type: ignore[misc]  # untyped
    def forward(
        self,
        feature_map: torch.Tensor,
        target_height: int,
        target_width: int,
        skip_connection: torch.Tensor | None = None,
    ) -> torch.Tensor:
        grown = _nearest(feature_map, (target_height, target_width))
        return _joined(self, grown, skip_connection)


class _PlusPlusBlock(DecoderBlock):  # type: ignore[misc]  # untyped
    def forward(self, x: torch.Tensor, skip: torch.Tensor | None = None) -> torch.Tensor:
        height, width = x.shape[2:]
        return _joined(self, _nearest(x, (2 * height, 2 * width)), skip)


def _nearest(x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return functional.interpolate(x, size=size, mode="nearest")


def _joined(
    block: UnetDecoderBlock | DecoderBlock, grown: torch.Tensor, skip: torch.Tensor | None
) -> torch.Tensor:
    """Go on as the block does once its input is upsampled."""
    if skip is not None:
        grown = block.attention1(torch.cat([grown, skip], dim=1))
    return block.attention2(block.conv2(block.conv1(grown)))


OWN: dict[type, type[torch.nn.Module]] = {
    UnetDecoderBlock: _UnetBlock,
    DecoderBlock: _PlusPlusBlock,
}


def keep_type_upsampling(network: torch.nn.Module) -> None:
    """Have the decoder blocks of a U-Net or U-Net++ that copy the nearest pixel keep its type.

    Weights, their names and all values stay as they are; other networks are left alone.
    """
    for block in network.modules():
        own = OWN.get(type(block))
        if own and block.interpolation_mode == "nearest" and block.conv1 is not None:
            block.__class__ = own
