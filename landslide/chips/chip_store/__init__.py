"""Chips in a Zarr store of their own, for sets larger than memory."""

from landslide.chips.chip_store.whole import LAYOUT, open_chip_store, write_chip_store

__all__ = ["LAYOUT", "open_chip_store", "write_chip_store"]
