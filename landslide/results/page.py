"""The page of the whole experiment: what was run, on what, and what of the paper's claims held."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from landslide.results.causes import HEADER, causes
from landslide.results.claims import PAPER_PREVALENCE, Claim, paper_claims
from landslide.results.layout import apart, pipes
from landslide.results.order import inputs_order
from landslide.results.sections import Section, sections
from landslide.results.setting import Setting, shortfalls, what_was_run
from landslide.results.summary import report

BY_HAND = "<!-- What stands below this line is written by hand, and stays. -->"


def results_page(rows: pd.DataFrame, setting: Setting, earlier: str = "") -> str:
    """Return the page of an experiment's rows, in Markdown.

    Parameters
    ----------
    rows : DataFrame
        As `results_table` gives them, those of the experiment alone.
    setting : Setting
    earlier : str
        The page as it stood: what was written by hand is kept.

    Raises
    ------
    ValueError
        Where no row has a score.
    """
    order = list(setting.chips)
    parts = [part for part in sections(rows) if len(part.scored)]
    parts.sort(key=lambda part: order.index(part.identity["protocol"]))
    if not parts:
        raise ValueError("no row has a score to make a page of; every trial failed")
    _, mark, below = earlier.partition(BY_HAND)
    lines = [
        *_head(parts),
        *what_was_run(parts, setting),
        *shortfalls(parts, setting),
        *_claims(parts, setting),
        "",
        report(rows, "markdown").rstrip(),
        *_detector(setting),
        *_figures(setting),
        *_times(parts),
        *_again(setting),
        "",
        BY_HAND,
    ]
    return "\n".join(lines) + (below if mark else "\n")


def _head(parts: Sequence[Section]) -> Iterator[str]:
    yield "# The paper's experiment, run as a whole"
    yield ""
    if any(part.simulated for part in parts):
        yield (
            "**The cube is simulated.** No radar measured it: terrain, landslides and images were "
            "made by `landslide simulate`, from the statistics published for a real cube. These "
            "numbers show what the pipeline finds of what was put there, and not how well radar "
            "finds landslides."
        )
    else:
        yield f"The cube is of the event {parts[0].identity['event']}."
    yield ""
    yield "`sweeps/experiment.py` wrote this page from the rows of its table."


def _claims(parts: Sequence[Section], setting: Setting) -> Iterator[str]:
    """Set the paper's claims beside what each protocol and the exact detector say of them."""
    named = dict(zip(_names(parts), parts, strict=True))
    columns = {name: paper_claims(part.scored) for name, part in named.items()}
    read = {
        f"exact detector, {protocol} protocol": [
            _pointed_to(*claims)
            for claims in zip(paper_claims(found.alone), paper_claims(found.told), strict=True)
        ]
        for protocol, found in setting.detector.items()
    }
    texts = [claim.text.partition(" (prevalence")[0] for claim in next(iter(columns.values()))]
    said = [[claim.outcome for claim in claims] for claims in columns.values()]
    said += read.values()
    tested = [part.scored for part in named.values()]
    tested += [setting.detector[protocol].alone for protocol in setting.detector]
    prevalences = [f"{rows['prevalence'].mean():.3f}" for rows in tested]
    yield from ("", "## The paper's claims", "")
    yield from pipes(
        ["claim", *columns, *read],
        [
            *[list(line) for line in zip(texts, *said, strict=True)],
            [f"prevalence, a random score (the paper's: {PAPER_PREVALENCE})", *prevalences],
        ],
    )
    yield from ("", *_meaning(parts, sum(map(len, columns.values()))))
    if read:
        yield ""
        yield (
            "The exact detector is not trained. It reads each pixel alone with all that the "
            "simulation knows, the share of landslides on each kind of ground in these very test "
            "chips included. It has no seed, so that its columns say only which way its scores "
            "point; and that is no bound, for a network sees the neighbours, too. Neighbours show "
            "what grows there: *told* the land cover of each pixel, the detector no longer needs "
            "terrain to guess it. A network sees it in part: what terrain adds to it may be near "
            "either."
        )
        yield from _causes(named, setting)


def _names(parts: Sequence[Section]) -> Iterator[str]:
    """Name each section by its protocol, and by what sets it apart from others of the same."""
    for part in parts:
        differing = apart(part, parts, ["protocol"])
        yield f"{part.identity['protocol']} protocol" + (f", {differing}" if differing else "")


def _pointed_to(alone: Claim, told: Claim) -> str:
    """Say what scores of one seed and of no interval say of a claim, told the cover and not."""
    said, other = alone.direction, told.direction
    return said if said == other else f"{said}; told the land cover, {other}"


def _meaning(parts: Sequence[Section], verdicts: int) -> Iterator[str]:
    """Say what a verdict means, and what it leaves out."""
    yield (
        "Held: the 95 % interval lies on the claim's side as a whole. Against: on the other side, "
        "of a claim about k numbers that of any of them at 1 - 0.05 / k. Undecided is no finding: "
        "more seeds, or more ground to test on, would tell. The intervals are over the seeds and, "
        "where rows kept histograms, the test chips or their blocks; differences are paired over "
        "both and averaged over the timesteps named; growth is the least-squares slope; the best "
        "of k is judged at 1 - 0.05 / k, for it was chosen. What another scene, split or choice of "
        f"training chips would give is in none of them, and the {verdicts} verdicts are not "
        "corrected for their number."
    )
    yield ""
    yield (
        f"0.7 and 0.17 are bounds of the paper's prevalence, {PAPER_PREVALENCE}. Where it is much "
        "lower, 0.17 is many times what a random score reaches: that DEM alone keeps below it is "
        "hardly a test there, and 0.7 is a harder one."
    )
    if any(part.simulated for part in parts):
        yield ""
        yield (
            "The simulation was made so that more images average speckle away, VV tells more than "
            "VH, and steep ground slides: that such a claim is held says that the pipeline finds "
            "it again, and nothing about radar."
        )


def _causes(parts: Mapping[str, Section], setting: Setting) -> Iterator[str]:
    """Say of each claim that is not held whether the simulation is why."""
    lines = [
        [name.replace(" protocol", ""), *line]
        for name, part in parts.items()
        if part.identity["protocol"] in setting.detector
        for line in causes(part.scored, setting.detector[str(part.identity["protocol"])])
    ]
    if lines:
        yield from ("", "## Where a claim is not held", "")
        yield from pipes(["protocol", *HEADER], lines)


def _detector(setting: Setting) -> Iterator[str]:
    for protocol, found in setting.detector.items():
        yield from ("", f"## Each pixel alone: the exact detector, {protocol} protocol", "")
        yield (
            "Average precision on the same test chips, without training and without looking at "
            "neighbours; a network that looks at them may score more."
        )
        yield ""
        yield from _by_timesteps(_scores(found.alone), "{:.3f}")
        yield from ("", "Told the land cover of each pixel:", "")
        yield from _by_timesteps(_scores(found.told), "{:.3f}")


def _scores(rows: pd.DataFrame) -> pd.Series:
    return rows.set_index(["inputs", "timesteps"])["auprc"]


def _by_timesteps(values: pd.Series, shown: str) -> Iterator[str]:
    """Return a table of values by inputs and timesteps; 0 timesteps is a line of one number."""
    steps = sorted({n for _, n in values.index if n > 0}) or [0]
    rows = []
    for name in inputs_order(values.index.get_level_values("inputs")):
        mine = {int(n): shown.format(value) for n, value in values[name].items()}
        cells = [mine[0], *[""] * (len(steps) - 1)] if set(mine) == {0} else [
            mine.get(n, "-") for n in steps
        ]  # fmt: skip
        rows.append([name, *cells])
    yield from pipes(["inputs / timesteps", *map(str, steps)], rows)


def _figures(setting: Setting) -> Iterator[str]:
    yield from ("", "## Figures")
    for caption, path in setting.figures.items():
        yield from ("", f"![{caption}]({path})", "", caption)


def _times(parts: Sequence[Section]) -> Iterator[str]:
    yield from ("", "## Times")
    for part in parts:
        rows = part.scored.dropna(subset=["seconds"])
        if not len(rows):
            continue
        began = (rows["written_at"] - pd.to_timedelta(rows["seconds"], unit="s")).min()
        wall = (rows["written_at"].max() - began).total_seconds()
        yield ""
        yield (
            f"Seconds of training a model, mean over seeds, {part.identity['protocol']} protocol. "
            f"{len(rows)} models took {_duration(rows['seconds'].sum())} in all; from the start of "
            f"the first to the last row {_duration(wall)} went by, pauses included."
        )
        yield ""
        yield from _by_timesteps(rows.groupby(["inputs", "timesteps"])["seconds"].mean(), "{:.1f}")


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.2f} h"


def _again(setting: Setting) -> Iterator[str]:
    yield from ("", "## Again", "")
    yield "One command; what its table holds already is not trained again:"
    yield from ("", "```sh", setting.command, "```")
