"""What a sweep over numbers of labelled chips shows when it has ended."""

from collections.abc import Collection

from landslide.results.labels import label_report
from landslide.results.labels_figure import label_figure
from sweeps.planning import Sweep


def show_curves(sweep: Sweep, keys: Collection[str], name: str) -> None:
    """Print the curves of the rows under `keys`, and draw them as `name`, beside the table."""
    rows = sweep.rows(keys)
    figure = f"{sweep.choices.beside}/{name}"
    print(label_report(rows), end="")
    label_figure(rows, figure)
    print(f"table:  {sweep.choices.table}\nfigure: {figure}")
