"""What a trained model predicts for some of its test chips, beside what was mapped there."""

import logging
from dataclasses import replace

import numpy as np
import torch
import xarray as xr

from landslide.chips.inputs import judged, parse_inputs
from landslide.chips.loading import load_chips
from landslide.chips.passing import ChipStream
from landslide.chips.split import TEST, Chipping, split_from_json, split_to_json
from landslide.chips.stream import plan_stream
from landslide.chips.survey import survey
from landslide.chips.windows import corners_of, cut
from landslide.cube.events import Event
from landslide.cube.labels import NO_DATA, keep_labels, read_labels
from landslide.mapping.inference.models import model_of
from landslide.results.prediction_figure import PredictedChips
from landslide.storage import absolute, read_bytes
from landslide.training.bundle import SPLIT, load_bundle
from landslide.training.calibration import probability
from landslide.training.normalization import select_channels

log = logging.getLogger(__name__)


def predict_chips(
    model: str, cube: xr.Dataset, event: Event, count: int = 6, *, skip_damaged: bool = False
) -> PredictedChips:
    """Predict some test chips of a bundle; only the blocks that hold them are read.

    They are test chips with landslides, at even steps through all of them, so that nobody chose.

    Parameters
    ----------
    model : str
        Folder of the bundle.
    cube : Dataset
        The one that it was trained on, as `open_cube` gives it.
    event : Event
    count : int
        How many, at most.
    skip_damaged : bool
        Choose among those alone that need no chunk that is missing or cannot be decoded. Which
        those are shows as all of them are read.

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is no bundle, or its test chips do not lie in this cube or hold no landslide.
    """
    if count < 1:
        raise ValueError(f"{count} chips cannot be drawn: ask for 1 or more")
    bundle = load_bundle(model)
    described = bundle.description
    size = int(described["chip_size"])
    chipping = Chipping(protocol=described["protocol"], chip_size=size)
    corners, parts = split_from_json(read_bytes(f"{bundle.address}/{SPLIT}").decode(), chipping)
    cube = keep_labels(cube)
    labels = read_labels(cube)
    corners = corners[parts == TEST]
    if (corners >= labels.shape).any():
        raise ValueError(
            f"the model's test chips lie outside this scene of {labels.shape[0]} x "
            f"{labels.shape[1]} pixels: give the cube that it was trained on"
        )
    source = cube.encoding.get("source")
    trained_on, here = described.get("cube"), absolute(str(source)) if source else "memory"
    if trained_on != here:
        log.warning(
            "the model was trained on %s: its test chips are in %s only if that is a copy",
            trained_on,
            here,
        )
    slid = (cut(labels, corners, size, NO_DATA) == 1).any(axis=(1, 2))
    corners = corners[slid]
    if not len(corners):
        raise ValueError("no test chip of the model holds a landslide: there is nothing to draw")
    config = bundle.config
    inputs = parse_inputs(config.inputs)
    stream = plan_stream(
        cube,
        event,
        inputs=config.inputs,
        timesteps=[max(config.timesteps, 1)],
        chipping=chipping,
        orbit=described.get("orbit"),
        split=split_to_json(corners, np.full(len(corners), TEST), chipping),
        skip_damaged=skip_damaged,
    )
    if skip_damaged:
        stream = _whole(stream)
    last = stream.chips.sizes["chip"] - 1
    chosen = np.linspace(0, last, min(count, last + 1)).round().astype(int)
    chips = load_chips(stream.only(chosen))
    planes = select_channels(chips, inputs, max(config.timesteps, 1))
    valid = np.isfinite(planes[:, judged(inputs.channels)]).all(axis=1)
    # In float32, so that the picture is the same on every machine.
    whole = replace(bundle, config=replace(config, precision="float32"))
    network = model_of(whole, torch.device("cpu"))
    logits = network.logits(torch.from_numpy(planes), config.batch_size)
    predicted = probability(logits, network.temperature).numpy()
    names = tuple(f"row {y}, column {x}" for y, x in corners_of(chips).tolist())
    images = "" if not inputs.polarisations else f", {config.timesteps} before and after"
    return PredictedChips(
        np.where(valid, predicted, np.float32(np.nan)),
        chips["label"].to_numpy(),
        names,
        f"{event.name}, {chipping.protocol} protocol, {inputs.name}{images}: test chips, "
        "unvalidated",
        bool(cube.attrs.get("simulated", False)),
    )


def _whole(stream: ChipStream) -> ChipStream:
    """Return those chips of a stream that are of use, after a pass over all of them."""
    known = survey(stream).chips
    used = (known["part"] == TEST) & (known["label"] == 1).any(("y", "x"))
    if not used.any():
        raise ValueError(
            "no test chip of the model whose chunks are whole holds a landslide: there is nothing "
            "to draw; fetch the cube again"
        )
    return stream.only(np.flatnonzero(used))
