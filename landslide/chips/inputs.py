"""Which channels a model sees, by the names that the paper's table uses."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from landslide.cube.schema import POLARISATIONS

TERRAIN = ("dem", "dem_slope_radians", "dem_aspect", "dem_curvature")
COHERENCE = ("coherence_before", "coherence_event", "coherence_change")

OPPOSITE = "opposite"
"""The term for both orbits: each polarisation from images of the opposite orbit, too."""
FROM_OPPOSITE = {f"{name}_{OPPOSITE}": name for name in POLARISATIONS}
"""What is composed of the opposite orbit's images, and the variable that holds them."""
STATIC_GROUPS: dict[str, tuple[str, ...]] = {
    "dem": TERRAIN,
    "elevation": ("dem",),
    "slope": ("dem_slope_radians",),
    "aspect": ("dem_aspect",),
    "curvature": ("dem_curvature",),
    "coherence": COHERENCE,
}
TERMS = (*POLARISATIONS, OPPOSITE, *STATIC_GROUPS)

UNJUDGED = "dem_aspect"
"""Flat ground has none, which excludes no pixel."""

PAPER_INPUTS = ("vv", "vh", "vv+vh", "vv+vh+dem")
BASELINE = "dem"
PAPER_TIMESTEPS = (1, 2, 3, 4)


@dataclass(frozen=True)
class Inputs:
    """A named set of channels, always in the same order."""

    name: str
    """Canonical name: its terms in the order of `TERMS`, joined by `+`."""
    polarisations: tuple[str, ...]
    """Each gives two channels, the composites before and after the event: `vv` and `vh` of the
    event's orbit, `vv_opposite` and `vh_opposite` of the other one."""
    static: tuple[str, ...]
    """Channels that have no timesteps: terrain and coherence."""
    asked: tuple[str, ...] = field(default=(), compare=False)
    """The names that it is the union of, as they were given; its own is made of channels."""

    @property
    def sar_channels(self) -> tuple[str, ...]:
        """Names of the backscatter channels: `vv_before`, `vv_after` and so on."""
        return tuple(f"{p}_{side}" for p in self.polarisations for side in ("before", "after"))

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of all channels in the order in which a network receives them."""
        return self.sar_channels + self.static

    @property
    def variables(self) -> tuple[str, ...]:
        """The cube's variables that these channels are made of."""
        backscatter = (FROM_OPPOSITE.get(name, name) for name in self.polarisations)
        static = ("coherence" if name in COHERENCE else name for name in self.static)
        return (*dict.fromkeys(backscatter), *dict.fromkeys(static))


def parse_inputs(name: str) -> Inputs:
    """Return the channels that a name such as `vv+vh+dem` stands for.

    `opposite` adds to each polarisation that the name has its composites of the opposite orbit:
    `vv+vh+opposite` are ascending and descending images together.

    Raises
    ------
    ValueError
        For a term that is not known, or given twice, or `opposite` without a polarisation.
    """
    terms = [term.strip().lower() for term in name.split("+")]
    for term in terms:
        if term not in TERMS:
            raise ValueError(
                f"unknown input {term!r} in {name!r}: join terms of {', '.join(TERMS)} with '+'"
            )
    ordered = [term for term in TERMS if term in terms]
    static = [channel for term in ordered for channel in STATIC_GROUPS.get(term, ())]
    if len(ordered) != len(terms) or len(set(static)) != len(static):
        raise ValueError(f"inputs {name!r} name a channel twice: name each once")
    polarisations = tuple(term for term in ordered if term in POLARISATIONS)
    if OPPOSITE in ordered:
        if not polarisations:
            raise ValueError(
                f"inputs {name!r} name no polarisation to take from the {OPPOSITE} orbit: "
                f"add one, such as vv+{OPPOSITE}"
            )
        polarisations += tuple(key for key, of in FROM_OPPOSITE.items() if of in polarisations)
    return Inputs("+".join(ordered), polarisations, tuple(static))


def union(names: str | Iterable[str]) -> Inputs:
    """Return every channel that one or more named inputs need: one pass serves them all.

    Raises
    ------
    ValueError
        As `parse_inputs` does; or where none is named.
    """
    asked = (names,) if isinstance(names, str) else tuple(names)
    parsed = [parse_inputs(name) for name in asked]
    if not parsed:
        raise ValueError(f"no inputs are named: give one or more, such as {PAPER_INPUTS[0]}")
    every = (*POLARISATIONS, *FROM_OPPOSITE)
    polarisations = tuple(p for p in every if any(p in i.polarisations for i in parsed))
    static = tuple(s for s in (*TERRAIN, *COHERENCE) if any(s in i.static for i in parsed))
    return Inputs("+".join((*polarisations, *static)), polarisations, static, asked)


def judged(channels: Iterable[str]) -> list[int]:
    """Return the places of the channels that a pixel needs data in to count."""
    return [place for place, name in enumerate(channels) if name != UNJUDGED]
