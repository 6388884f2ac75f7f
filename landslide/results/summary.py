"""The table as the paper prints it: inputs by timesteps, the baselines, and the claims."""

import io
from collections.abc import Iterator

import pandas as pd

from landslide.results.claims import Claim, paper_claims
from landslide.results.layout import Form, columns, drawn, one_place, pipes, settings, short, title
from landslide.results.order import MIXED
from landslide.results.pivot import UNTRAINED, baselines, pivot
from landslide.results.sections import Section, sections


def report(table: pd.DataFrame, form: Form = "text") -> str:
    """Return the rows of `results_table` as the pivot, the baselines and the paper's claims.

    Rows that may not be compared stand in sections of their own; of models that began elsewhere,
    or had few labels, the paper claims nothing. `csv` is one tidy table without the claims.
    """
    parts = sections(table)
    if form == "csv":
        return _csv(parts)
    lines = _text if form == "text" else _markdown
    return "\n\n".join("\n".join(lines(part)) for part in parts) + "\n"


def notes(section: Section) -> list[str]:
    """Return what a reader of the numbers must know: seeds, test pixels and failed trials."""
    seeds = ", ".join(str(seed) for seed in section.seeds)
    lines = [f"AUPRC of seed {seeds or 'none'}, no spread"]
    if len(section.seeds) > 1:
        lines = [f"AUPRC, mean over seeds {seeds} [95 % interval over {drawn(section)}]"]
    lines += one_place(section)
    pixels = section.scored["test_pixels"].dropna()
    fewest, most = pixels.min(), pixels.max()
    if len(pixels) and fewest == most:
        lines.append(f"Scored on {most:,} test pixels")
    elif len(pixels):
        lines.append(
            f"Scored on {fewest:,} to {most:,} test pixels: rows of several sweeps, compare "
            "with care"
        )
    if section.scored["change_auprc"].notna().any():
        lines.append("Change only: the absolute log ratio, untrained")
    if section.scored["smoothed_difference_auprc"].notna().any():
        lines.append(
            "Smoothed difference: before minus after over 5 x 5 pixels, untrained; it looks for "
            "what darkens, and is below random where landslides brighten"
        )
    if section.identity["precision"] == MIXED:
        lines.append(f"Mixed precision: {', '.join(sorted(set(section.scored['precision'])))}")
    lines += [
        f"FAILED {row.inputs}, timesteps {row.timesteps}, seed {row.seed}: {row.error}"
        for row in section.failed.itertuples()
    ]
    return lines


def _spread(section: Section) -> str:
    """Say what the claims' numbers are judged by."""
    if len(section.seeds) < 2:
        return "one seed decides nothing"
    return f"95 % intervals over {drawn(section)}, differences paired"


def _cells(section: Section) -> list[list[str]]:
    """Return the pivot and the baselines as rows of text, a header first."""
    numbers = _tidy(section)
    steps = sorted({int(n) for n in numbers["timesteps"] if n > 0}) or [0]
    rows = [["inputs / timesteps", *(str(n) for n in steps)]]
    names = list(dict.fromkeys(numbers["inputs"]))
    last = [name for name in names if name == "dem" or name.startswith(tuple(UNTRAINED))]
    for name in [each for each in names if each not in last] + last:
        mine = numbers[numbers["inputs"] == name].set_index("timesteps")
        # DEM alone knows no timesteps: the same number stands under each.
        places = [0 if n not in mine.index and 0 in mine.index else n for n in steps]
        trained = not name.startswith(tuple(UNTRAINED))
        seeds = len(section.seeds) if trained else 0
        label = f"{name} only" if trained and 0 in mine.index else name
        cells = (_cell(mine.loc[n], seeds) if n in mine.index else "-" for n in places)
        rows.append([label, *cells])
    return rows


def _cell(number: pd.Series, seeds: int) -> str:
    if pd.isna(number["mean"]):
        return "failed"
    spread = "" if pd.isna(number["spread"]) else f" ± {number['spread']:.3f}"
    if not pd.isna(number["low"]):
        spread = f" [{number['low']:.3f}, {number['high']:.3f}]"
    return f"{number['mean']:.3f}{spread}{short(number['seeds'], seeds, number['failed'])}"


def _text(section: Section) -> Iterator[str]:
    yield title(section)
    yield settings(section.identity)
    yield from notes(section)
    yield ""
    cells = _cells(section)
    yield from columns(cells)
    if not section.as_the_paper:
        return
    yield ""
    numbered, lacking = _claims(section)
    yield f"The paper's claims here ({_spread(section)})"
    width = max((len(claim.outcome) for _, claim in numbered), default=0)
    for number, claim in numbered:
        yield f"{number}  {claim.outcome.ljust(width)}  {claim.text}"
        yield from (f"   {' ' * width}    {each}" for each in claim.comparisons)
    yield from lacking


def _claims(section: Section) -> tuple[list[tuple[int, Claim]], list[str]]:
    """Return the claims that the rows say something of, and a line about the others."""
    numbered = list(enumerate(paper_claims(section.scored), 1))
    silent = [str(number) for number, claim in numbered if claim.empty]
    others = f"No rows for {len(silent)} of the {len(numbered)} claims: {', '.join(silent)}"
    return [(n, claim) for n, claim in numbered if not claim.empty], [others] if silent else []


def _markdown(section: Section) -> Iterator[str]:
    yield f"## {title(section)}"
    yield ""
    yield settings(section.identity)
    yield ""
    yield from (f"- {line}" for line in notes(section))
    yield ""
    header, *rows = _cells(section)
    yield from pipes(header, rows)
    if not section.as_the_paper:
        return
    yield ""
    numbered, lacking = _claims(section)
    claims = [
        [claim.text, claim.outcome, "; ".join(str(each) for each in claim.comparisons)]
        for _, claim in numbered
    ]
    yield from pipes(["the paper's claim", "here", f"mean ({_spread(section)})"], claims)
    yield from ["", *lacking] if lacking else []


def _csv(parts: list[Section]) -> str:
    text = io.StringIO()
    pd.concat([_tidy(part) for part in parts]).to_csv(text, index=False, lineterminator="\n")
    return text.getvalue()


def _tidy(section: Section) -> pd.DataFrame:
    """Return pivot and baselines in one frame, what the section has in common beside them."""
    numbers = pd.concat([part for part in (pivot(section), baselines(section)) if len(part)])
    for name, value in section.identity.items():
        numbers[name] = value
    return numbers
