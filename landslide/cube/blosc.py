"""Blosc for zarr's own pipelines that minds how many bytes it was given.

The decoder of numcodecs trusts the length in the header: of a chunk that was cut off it reads on
into whatever lies behind it in memory, and may take that for values.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numcodecs import Blosc
from zarr.abc.buffer import Buffer
from zarr.codecs import BloscCodec, ShardingCodec
from zarr.core.metadata import ArrayV2Metadata, ArrayV3Metadata

_HEADER = 16  # bytes, of which the last four are the length of all


def checked(metadata: ArrayV2Metadata | ArrayV3Metadata) -> ArrayV2Metadata | ArrayV3Metadata:
    """Return an array's metadata, for reading it, with decoders that refuse a cut-off chunk."""
    if isinstance(metadata, ArrayV3Metadata):
        return replace(metadata, codecs=tuple(map(_checked, metadata.codecs)))
    if isinstance(metadata.compressor, Blosc):
        return replace(metadata, compressor=_CheckedBlosc())
    return metadata


def _checked(codec: Any) -> Any:
    if isinstance(codec, BloscCodec):
        return _CheckedBloscCodec.from_dict(codec.to_dict())
    if isinstance(codec, ShardingCodec):
        return replace(codec, codecs=tuple(map(_checked, codec.codecs)))
    return codec


class _CheckedBlosc(Blosc):  # type: ignore[misc]  # numcodecs has no types
    def decode(self, buf: Any, out: Any = None) -> Any:
        _require_whole(buf)
        return super().decode(buf, out)


class _CheckedBloscCodec(BloscCodec):
    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: Any) -> Buffer:
        _require_whole(chunk_bytes.as_numpy_array())
        return super()._decode_sync(chunk_bytes, chunk_spec)


def _require_whole(chunk: Any) -> None:
    content = np.frombuffer(chunk, np.uint8)
    length = int.from_bytes(content[_HEADER - 4 : _HEADER].tobytes(), "little")
    if content.size < max(length, _HEADER):
        raise ValueError(f"only {content.size} of {max(length, _HEADER)} bytes are there")
