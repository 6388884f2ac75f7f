"""Mean and spread of a section's scores by inputs and timesteps, and the untrained baselines."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from landslide.results.bootstrap import mean_interval, resample
from landslide.results.order import inputs_order
from landslide.results.sections import Section

RANDOM, CHANGE_ONLY = "random", "change only"
UNTRAINED = {
    RANDOM: "prevalence",
    CHANGE_ONLY: "change_auprc",
    "smoothed difference": "smoothed_difference_auprc",
}
_COLUMNS = ["inputs", "timesteps", "mean", "spread", "low", "high", "seeds", "failed"]


def pivot(section: Section) -> pd.DataFrame:
    """Return mean and spread of the AUPRC for each inputs and timesteps of a section.

    Columns: inputs, timesteps, mean, spread (sample standard deviation over seeds, NaN for
    one), low and high (95 % interval of the mean over test chips or blocks and seeds, NaN for one
    seed), seeds (how many have a score) and failed (how many trials have none). DEM alone has
    `timesteps` 0.
    """
    by = ["inputs", "timesteps"]
    scores = section.scored.groupby(by)["auprc"].agg(mean="mean", spread="std", seeds="count")
    bounds = {
        name: mean_interval(resample(rows))
        for name, rows in section.scored.groupby(by)
        if len(rows) > 1
    }
    for end in ("low", "high"):
        found = [getattr(bounds[name], end) if name in bounds else None for name in scores.index]
        scores[end] = np.array(found, dtype=np.float64)
    failed = section.failed.groupby(by).size().rename("failed")
    both = scores.join(failed, how="outer").fillna({"seeds": 0, "failed": 0}).reset_index()
    both = both.astype({"timesteps": int, "seeds": int, "failed": int})
    order = pd.Categorical(both["inputs"], inputs_order(both["inputs"]))
    return both.assign(order=order).sort_values(["order", "timesteps"])[_COLUMNS]


def baselines(section: Section) -> pd.DataFrame:
    """Return what needs no training, in the columns of `pivot`: a random score, and change only.

    A random score's average precision is the prevalence. Change only is named with its inputs
    where it differs between them.
    """
    parts = [_untrained(section, name, column) for name, column in UNTRAINED.items()]
    rows = [row for part in parts for row in part]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _untrained(section: Section, name: str, column: str) -> Iterator[tuple[object, ...]]:
    rows = section.scored[section.scored["timesteps"] > 0]
    rows = (rows if len(rows) else section.scored).dropna(subset=[column])
    means = rows.groupby(["inputs", "timesteps"])[column].mean().round(9)
    same = means.groupby("timesteps").nunique().le(1).all()
    for inputs in [None] if same else inputs_order(rows["inputs"]):
        chosen = means if inputs is None else means.loc[[inputs]]
        label = name if inputs is None else f"{name} ({inputs})"
        for timesteps, value in chosen.groupby("timesteps").first().items():
            yield label, timesteps, value, *[float("nan")] * 3, 0, 0
