"""How well landslides can be told in a simulated cube's chips from each pixel alone."""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from landslide.chips.images import Images, select_images
from landslide.chips.inputs import BASELINE, PAPER_INPUTS, parse_inputs
from landslide.chips.windows import corners_of, cut
from landslide.cube.events import Event
from landslide.cube.labels import NO_DATA
from landslide.simulation.backscatter import expected_season
from landslide.simulation.detector import detect, terrain_kinds
from landslide.simulation.landcover import COVERS
from landslide.simulation.scene import Scene
from landslide.simulation.truth import Truth

type Odds = NDArray[np.float64]


def detector_odds(
    scene: Scene,
    truth: Truth,
    images: xr.Dataset,
    chips: xr.Dataset,
    inputs: Sequence[str],
    event: Event,
    orbit: str | None = None,
) -> Iterator[tuple[str, int, bool, Odds, NDArray[np.bool_]]]:
    """Read chips with the exact detector, for the paper's inputs among these.

    It knows the scene's laws and seasons, and how often each land cover occurs, with terrain on
    each kind of it, and looks at no neighbour: a network that does may score more. A network may
    see what grows there, in part: the detector reads twice, the second time told the land cover.

    Parameters
    ----------
    scene, truth : Scene, Truth
        What the cube was simulated from.
    images : Dataset
        The cube, as `open_cube` gives it, for its dates.
    chips : Dataset
        In memory, as `load_chips` gives them.
    inputs : sequence of str
        Those with other channels than backscatter and terrain are passed over.
    event, orbit
        As for `select_images`.

    Yields
    ------
    inputs, timesteps : str, int
        Timesteps are 0 for the terrain alone.
    told : bool
        Whether it is told the land cover of each pixel, where there is backscatter to show it.
    odds : float (pixel)
        Log odds of a landslide, for each pixel that is scored.
    label : bool (pixel)
    """
    label = chips["label"].to_numpy()
    scored = label != NO_DATA
    slid = label[scored] == 1
    corners = corners_of(chips)
    size = label.shape[-1]
    covers = cut(truth.cover, corners, size, 0)
    cover = covers[scored]
    terrain = terrain_kinds(cut(truth.inventory.susceptibility, corners, size, 0)[scored])
    for name in (*PAPER_INPUTS, BASELINE):
        if name not in inputs:
            continue
        known = parse_inputs(name)
        kind = terrain if known.static else np.zeros_like(terrain)
        finer = kind * len(COVERS) + cover if known.polarisations else kind
        for count in chips["timesteps"].to_numpy().tolist() if known.polarisations else [0]:
            change = np.empty((slid.size, len(known.polarisations)))
            if count:
                season = _season(covers, images, select_images(images, event, count, orbit))
                sar = chips["sar"].sel(timesteps=count)
                for place, each in enumerate(known.polarisations):
                    before, after = (
                        sar.sel(sar_channel=f"{each}_{s}") for s in ("before", "after")
                    )
                    change[:, place] = (after.to_numpy() - before.to_numpy() - season)[scored]
            polarisations = list(known.polarisations)
            for told, kinds in ((False, kind), (True, finer)):
                odds = detect(change, scene, cover, slid, kinds, count, polarisations)
                yield name, count, told, odds, slid


def _season(cover: NDArray[np.uint8], images: xr.Dataset, chosen: Images) -> NDArray[np.float32]:
    """Return what the season changes between the composites [ln], like `cover`."""
    dates = images["timestep"].to_numpy()
    before, after = (
        np.mean([expected_season(cover, dates[i]) for i in side], axis=0)
        for side in (chosen.before, chosen.after)
    )
    return np.asarray(after - before, dtype=np.float32)
