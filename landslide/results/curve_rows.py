"""Which rows of a table have curves over labelled chips: those of one sweep, beside few labels."""

import pandas as pd

from landslide.results.labels import AT_RANDOM, COMMON
from landslide.results.order import SECTION, arithmetic
from landslide.results.sections import sections


def curve_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return those rows of a table that curves over labelled chips are drawn of.

    They share all that a curve's points have in common with one that had few labels, or none. Of
    each inputs, timesteps and seed of a section they are those that `sections` keeps.

    Raises
    ------
    ValueError
        Where there are none; or where those of one point differ in their settings, as of several
        sweeps.
    """
    kept = [
        key
        for part in sections(table)
        for rows in (part.scored, part.failed)
        for key in rows["key"]
    ]
    table = table[table["key"].isin(kept)]
    known = table.assign(few=table["labelled_chips"].notna())
    rows = table[known.groupby(list(COMMON), dropna=False)["few"].transform("any")]
    if not len(rows):
        raise ValueError(
            "no row of the table had few labels: sweeps/transfer.py and sweeps/pretraining.py "
            "write such rows"
        )
    scored = rows[rows["error"].isna()].assign(precision=lambda known: arithmetic(known.precision))
    point, settings = [*COMMON, "origin", "labelled_chips"], list(SECTION)
    first = scored.groupby(point, dropna=False)[settings].transform("first")
    alike = (first == scored[settings]) | (first.isna() & scored[settings].isna())
    differing = scored[~alike.all(axis=1)]
    if len(differing):
        row = differing.iloc[0]
        began = row["origin"] if isinstance(row["origin"], str) else AT_RANDOM
        raise ValueError(
            f"the table holds several sweeps over labelled chips, as of {row['inputs']} at "
            f"{row['timesteps']} timesteps, seed {row['seed']}, {began}: each draws its own "
            "where it is run again, and trains nothing for that"
        )
    return rows
