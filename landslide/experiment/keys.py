"""What determines a row, as digests: its key, and what it shares with the rows beside it."""

from landslide.experiment.plan import Experiment, digest_of
from landslide.results.row import SCHEMA
from landslide.training.config import TrainingConfig, determining
from landslide.training.start import start_digest

_VARIED = {"inputs", "timesteps", "seed", "start", "threads"}
_COLUMNS = {*SCHEMA.names, "start"}


def row_key(
    experiment: Experiment, config: TrainingConfig, precision: str, *, start: str | None = None
) -> str:
    """Digest what determines a score: data, split, mask and training, but not device or versions.

    Weights to begin with count by their content; where they could not be made, by their address.

    Parameters
    ----------
    experiment : Experiment
    config : TrainingConfig
    precision : str
        `float32` or `mixed`, as the device will resolve `auto`.
    start : str, optional
        What `start_digest` says of the weights to begin with, where that is known.
    """
    training = determining(config) | {"precision": precision}
    if precision == "mixed":
        # On a GPU they do not matter; elsewhere they change less than the kind of device does.
        del training["threads"]
    if config.start != "none":
        training["start"] = start or start_digest(config.start)
    return digest_of(experiment.determined | {"training": training})[:32]


def setup_digest(experiment: Experiment, config: TrainingConfig) -> str:
    """Digest what rows must share to be compared: all that determines a score but what they vary.

    That are inputs, timesteps and seed, and weights to begin with, which are others for each seed:
    what these were trained on must be the same. Settings with a column of their own are compared
    there. The blocks that intervals draw, which a saved split does not say, must be the same, too.
    """
    training = {name: value for name, value in determining(config).items() if name not in _COLUMNS}
    chipping = experiment.chipping
    blocked = chipping.protocol == "blocked"
    blocks = {"blocks": (chipping.block_size, chipping.block_offset)} if blocked else {}
    begun = {"begun_on": config.begun_on} if config.begun_on else {}
    return digest_of(experiment.determined | blocks | begun | {"training": training})[:12]


def origin_digest(experiment: Experiment, config: TrainingConfig) -> str:
    """Digest what trains weights to begin with, but for inputs, timesteps, seed and threads."""
    training = {k: v for k, v in determining(config).items() if k not in _VARIED}
    return digest_of(experiment.determined | {"training": training})[:12]
