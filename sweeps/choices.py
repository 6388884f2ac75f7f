"""What may be chosen of a sweep."""

from dataclasses import dataclass, field

from landslide.chips.inputs import PAPER_INPUTS, PAPER_TIMESTEPS
from landslide.chips.sizes import AUTO as AUTO_CHIPS
from landslide.chips.split import Chipping
from landslide.cube.events import Event
from landslide.cube.opening import DAMAGE
from landslide.cube.readers import AUTO
from landslide.storage import absolute
from landslide.training.config import TrainingConfig


@dataclass(frozen=True)
class SweepChoices:
    """What is swept over the chips of which cube, and where its rows go.

    Raises
    ------
    ValueError
        Where an address is none, or the table is a whole bucket.
    """

    cube: str
    """Its address."""
    table: str = "table"
    """Address of the shared table: a folder, beside which figures and the split lie."""
    base: TrainingConfig = field(default_factory=TrainingConfig)
    """What the configurations have in common."""
    chipping: Chipping = field(default_factory=Chipping)
    inputs: tuple[str, ...] = PAPER_INPUTS
    timesteps: tuple[int, ...] = PAPER_TIMESTEPS
    """Images on either side of the event."""
    seeds: tuple[int, ...] = (0,)
    """Of weights and batches, one trial each."""
    event: Event | str | None = None
    """An event, a published one's name or the path of a TOML file; None: the cube's own."""
    orbit: str | None = None
    """A relative orbit, an orbit state, or `any`; as for `plan_stream`."""
    split: str | None = None
    """A saved split to use again, as JSON."""
    reader: str = AUTO
    missing: str = DAMAGE
    """What a chunk counts as that the store lacks; both as for `open_cube`."""
    chips: str = AUTO_CHIPS
    """Where they go: `auto`, or one of `landslide.chips.sizes.WAYS`."""
    skip_damaged: bool = False
    """Leave out the chips of damaged chunks, rather than stop."""
    force: bool = False
    """Train what the table holds, too."""
    storage: str | None = None
    """Folder of checkpoints and of the chip store; None: `runs`, beside the table."""

    @property
    def beside(self) -> str:
        """Folder that the table lies in."""
        return self.table.rsplit("/", 1)[0]

    @property
    def runs(self) -> str:
        """Address of the checkpoints, and of the chip store."""
        return f"{self.beside}/runs" if self.storage is None else self.storage

    def __post_init__(self) -> None:
        for name in ("inputs", "timesteps", "seeds"):
            given = getattr(self, name)
            several = (given,) if isinstance(given, str | int) else tuple(given)
            object.__setattr__(self, name, several)
        object.__setattr__(self, "table", table_address(self.table))
        object.__setattr__(self, "cube", absolute(self.cube))
        if self.storage is not None:
            object.__setattr__(self, "storage", absolute(self.storage))


def table_address(table: str) -> str:
    """Return the absolute address of a table.

    Raises
    ------
    ValueError
        Where it is a whole bucket.
    """
    address = absolute(table)
    if address.rsplit("/", 1)[0].endswith(":/"):
        raise ValueError(f"the table {address} is a whole bucket: name a folder in it")
    return address
