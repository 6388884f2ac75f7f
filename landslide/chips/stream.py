"""From a cube to chips in one pass that serves every configuration."""

import functools
import logging
from collections.abc import Sequence

import dask.array as da
import numpy as np
import xarray as xr

from landslide.chips.composite import (
    coherence_layers,
    coherence_pairs,
    cumulative_log_means,
    select_images,
)
from landslide.chips.cutting import cut_layers
from landslide.chips.inputs import COHERENCE, PAPER_INPUTS, PAPER_TIMESTEPS, Inputs, union
from landslide.chips.plan import plan_chips
from landslide.chips.split import Chipping
from landslide.cube.events import Event, event_to_attribute
from landslide.cube.labels import read_labels

log = logging.getLogger(__name__)


def stream_chips(
    cube: xr.Dataset,
    event: Event,
    *,
    inputs: str | Sequence[str] = PAPER_INPUTS,
    timesteps: Sequence[int] = PAPER_TIMESTEPS,
    protocol: str = "paper",
    chipping: Chipping | None = None,
    orbit: str | None = None,
    split: str | None = None,
) -> xr.Dataset:
    """Cut the chips of an event out of a cube, lazily; computing them is one pass over it.

    Parameters
    ----------
    cube : Dataset
        As `open_cube` gives it. Its labels are read here, to choose the chips.
    event : Event
    inputs : str or sequence of str
        Input sets such as `vv+vh+dem`; the chips hold every channel that any of them needs.
    timesteps : sequence of int
        Numbers of images on each side to average, all of them kept.
    protocol : str
        `paper` or `blocked`; `chipping` says the same and more, and takes its place.
    chipping : Chipping, optional
        Chip size, overlap, protocol, blocks.
    orbit : str, optional
        A relative orbit, an orbit state or `any`, instead of the event's own.
    split : str, optional
        A saved split (JSON) to use again.

    Returns
    -------
    Dataset
        `sar` (chip, timesteps, sar_channel, y, x) float32, mean natural log of gamma0;
        `static` (chip, static_channel, y, x) float32 in the cube's units; `label` (chip, y, x)
        uint8, 255 where there is no data; `rejected` (chip) samples that were no backscatter.
        Coordinates: `corner_y`, `corner_x` [pixel], `part`, and the channels' names.

    Raises
    ------
    ValueError
        Where the cube cannot give these inputs, or no chip qualifies.
    """
    chipping = chipping or Chipping(protocol=protocol)
    wanted = union([inputs] if isinstance(inputs, str) else inputs)
    counts = tuple(sorted(set(timesteps)))
    if not counts or counts[0] < 1 or any(count != int(count) for count in counts):
        raise ValueError(f"timesteps are whole numbers from 1 on, not {list(timesteps)}")
    require_variables(cube, wanted)
    chips = plan_chips(read_labels(cube), chipping, split)
    corners = np.stack([chips["corner_y"], chips["corner_x"]], axis=1)
    cutter = functools.partial(cut_layers, cube, corners, chipping.chip_size)

    attrs: dict[str, object] = {}
    sar, rejected = cutter((), None, (len(counts),))
    if wanted.polarisations:
        images = select_images(cube, event, counts[-1], orbit)
        used = np.array(sorted({*images.before, *images.after}))
        times = cube["timestep"].to_numpy()
        attrs = {
            "orbit": images.orbit,
            "images_before": [str(times[i])[:19] for i in images.before],
            "images_after": [str(times[i])[:19] for i in images.after],
        }
        log.info("images before %(images_before)s, after %(images_after)s, orbit %(orbit)s", attrs)
        kernel = functools.partial(
            _sar_kernel,
            before=np.searchsorted(used, images.before),
            after=np.searchsorted(used, images.after),
            counts=np.array(counts),
        )
        sar, rejected = cutter(
            wanted.polarisations, kernel, (len(counts),), timestep=used, channels_each=2
        )
    terrain = tuple(name for name in wanted.static if name not in COHERENCE)
    static, _ = cutter(terrain, _terrain_kernel, ())
    if len(terrain) < len(wanted.static):
        before, across = coherence_pairs(cube, event)
        used = np.flatnonzero(before | across)
        kernel = functools.partial(_coherence_kernel, before=before[used], across=across[used])
        layers, _ = cutter(("coherence",), kernel, (), channels_each=len(COHERENCE), timepair=used)
        chosen = [COHERENCE.index(name) for name in wanted.static if name in COHERENCE]
        static = da.concatenate([static, layers[:, chosen]], axis=1)

    chips = chips.assign(
        sar=(("chip", "timesteps", "sar_channel", "y", "x"), sar),
        static=(("chip", "static_channel", "y", "x"), static),
        rejected=("chip", rejected),
    ).assign_coords(
        timesteps=list(counts),
        sar_channel=np.array(wanted.sar_channels, dtype="U24"),
        static_channel=np.array(wanted.static, dtype="U24"),
    )
    source = {k: v for k, v in cube.attrs.items() if k in {"simulated", "title"}}
    return chips.assign_attrs(
        source, event=event_to_attribute(event), protocol=chipping.protocol, **attrs
    )


def require_variables(cube: xr.Dataset, inputs: Inputs) -> None:
    """Raise a ValueError that names the variables which the cube lacks for these inputs."""
    missing = [name for name in inputs.variables if name not in cube]
    if missing:
        raise ValueError(
            f"inputs {inputs.name!r} need {', '.join(missing)}, which the cube lacks: it has "
            f"{', '.join(str(name) for name in cube.data_vars)}; choose other --inputs"
        )


def _sar_kernel(
    power: dict[str, np.ndarray], before: np.ndarray, after: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, int]:
    channels, rejected = [], 0
    for images in power.values():
        for side in (before, after):
            means, count = cumulative_log_means(images[side])
            channels.append(means[counts - 1])
            rejected += count
    return np.stack(channels, axis=1), rejected


def _terrain_kernel(planes: dict[str, np.ndarray]) -> tuple[np.ndarray, int]:
    return np.stack(list(planes.values())).astype(np.float32), 0


def _coherence_kernel(
    planes: dict[str, np.ndarray], before: np.ndarray, across: np.ndarray
) -> tuple[np.ndarray, int]:
    return coherence_layers(planes["coherence"], before, across), 0
