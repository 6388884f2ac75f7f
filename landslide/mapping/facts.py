"""What every product of a map must say of itself."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from landslide.cube.events import Event, event_to_attribute

UNVALIDATED = "Unvalidated: made by a model, checked by nobody."


@dataclass(frozen=True)
class Member:
    """One trained model of those that made the map."""

    address: str
    """Folder of its bundle."""
    row_key: str | None = None
    """Its row in the AUPRC table, where the bundle says so."""
    trained_on: str | None = None
    """Address of the cube that it was trained on, where the bundle says so."""


@dataclass(frozen=True)
class Reliability:
    """How far probabilities hold on validation chips, before and after temperature scaling.

    Of several models it is the mean of theirs: that of the map, their mean, is measured nowhere.
    """

    before: float
    """Expected calibration error of the network's own probabilities, 0 to 1."""
    after: float
    """That of the scaled ones."""
    pixels: int
    """Validation pixels that it was measured on; of several models, the fewest of any."""
    bins: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """The reliability diagram, if it is kept: `predicted`, `observed` and `share` a bin."""


@dataclass(frozen=True)
class MapFacts:
    """What a map was made of, and how; it goes into each product."""

    event: Event
    inputs: str
    """Channels, by the name that the paper's table uses, such as `vv+vh`."""
    timesteps: int
    """Images on each side of the event."""
    images_before: tuple[str, ...]
    """Instants of the images used, UTC, as ISO 8601, the earliest first."""
    images_after: tuple[str, ...]
    orbit: str
    """The geometry that they share: a relative orbit, an orbit state, or `any`."""
    cube: str
    """Address of the cube that was mapped."""
    members: tuple[Member, ...]
    """The models; of several the probability is the mean, and the spread a product."""
    threshold: float
    """Probability from which on a pixel is a landslide."""
    threshold_from: str
    """Where the threshold comes from, in words: `maximised F1 on validation`, `given`."""
    opposite_before: tuple[str, ...] = ()
    """Those of the opposite orbit, where the inputs take both."""
    opposite_after: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    """The pairs whose coherence was used: both instants, with a slash between them."""
    temperature: tuple[float, ...] | None = None
    """What the logits of each member were divided by; None: probabilities are not calibrated."""
    reliability: Reliability | None = None
    warnings: tuple[str, ...] = ()
    """Sentences that every product must carry."""
    simulated: bool = False
    """Whether the cube is simulated: then no product shows a real place."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """More to keep, name by name: digests, command line, instant of the run, device."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Version of each library that the result hangs on."""

    @property
    def stem(self) -> str:
        """Event and date, with which the products' names begin: `hokkaido_20180905`."""
        name = "".join(letter if letter.isalnum() else "-" for letter in self.event.name)
        return f"{name}_{str(self.event.start)[:10].replace('-', '')}"

    def statements(self) -> tuple[str, ...]:
        """Return the sentences that every product carries, the gravest first."""
        said = ["Simulated data: no real place, no measurement."] if self.simulated else []
        return (*said, UNVALIDATED, *self._from_which_images(), *self.warnings)

    def _from_which_images(self) -> list[str]:
        said = [
            f"From images{of} before the event of {_days(before)} and after it of {_days(after)}."
            for of, before, after in (
                ("", self.images_before, self.images_after),
                (" of the opposite orbit", self.opposite_before, self.opposite_after),
            )
            if before or after
        ]
        if self.pairs:
            said.append(f"From the coherence of pairs of images of {_days(self.pairs)}.")
        return said or ["From no image."]


def _days(instants: tuple[str, ...]) -> str:
    """Return days, or pairs of them, for people."""
    days = (" and ".join(each[:10] for each in instant.split("/")) for instant in instants)
    return ("; " if "/" in "".join(instants) else ", ").join(days) or "none"


def facts_to_json(facts: MapFacts) -> str:
    """Return all of `facts` as JSON."""
    kept = asdict(facts) | {"event": json.loads(event_to_attribute(facts.event))}
    return json.dumps(kept, indent=1)
