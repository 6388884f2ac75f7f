"""What `landslide build` was asked for, whichever machines compute it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from landslide.build.assemble import build_cube, plan_changes
from landslide.build.changes import changes_text
from landslide.build.plan import plan_build
from landslide.build.recipe import load_recipe


def build_asked(
    event: str,
    out: str,
    *,
    until: str,
    dry_run: bool,
    report: Callable[[str], object],
    blocks_at_once: AbstractContextManager[int | None] | None = None,
) -> None:
    """Say what is built from what, build it or say what would become of it, and where it lies.

    Parameters
    ----------
    event : str
        A TOML file with a `[build]` table.
    out, until
        As `build_cube` takes them.
    dry_run : bool
        Search and open the sources; write nothing.
    report : callable
        Is told each line.
    blocks_at_once : context manager, optional
        Is open while the cube is built, and gives how many blocks Dask is given at once: a
        cluster's, which is not waited for before the plan is known to be sound.

    Raises
    ------
    ValueError, OSError
        As `load_recipe`, `plan_build` and `build_cube` do.
    """
    plan = plan_build(load_recipe(event))
    report(plan.text)
    if dry_run:
        report(changes_text(out, plan_changes(plan, out, until=until)))
        return
    with blocks_at_once or nullcontext() as at_once:
        build_cube(plan, out, until=until, blocks_at_once=at_once, report=report)
    report(out)
