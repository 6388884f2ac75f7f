"""How a command ends: with what it says, or with one line on what is wrong."""

import atexit
import logging
import sys
import warnings
from collections.abc import Callable

INTERRUPTED = 130
"""Exit status of a command that Ctrl-C ended, as shells have it."""

EXTRAS = (
    "install what it needs, in the project's folder: pip install '.[training,building,mapping]'"
)
MEMORY = "ask for less, or run it where there is more"


def run_command(run: Callable[[], int | None], *, verbose: bool = False) -> int:
    """Run a command; warnings, and what is wrong with the input, are a line on standard error.

    Returns
    -------
    int
        The exit status: what the command returns or 0, 1 for an error, 130 where interrupted.
        A mistake of ours keeps its traceback.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("landslide").setLevel(logging.INFO if verbose else logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # a line for each try; the last is raised
    # zarr reads in tasks: of several that fail, all but one would be told of here.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # a traceback a try; the last is raised
    # Requests that are still under way when a command fails die with it, and without a word.
    atexit.register(setattr, sys, "unraisablehook", lambda _: None)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            return int(run() or 0)
        except ModuleNotFoundError as error:
            print(f"error: {error}: {EXTRAS}", file=sys.stderr)
            return 1
        except (ValueError, OSError, ImportError) as error:  # a library of the system's may lack
            print(f"error: {error}", file=sys.stderr)
            return 1
        except MemoryError as error:
            said = str(error).rstrip(".") or "it is used up"
            print(f"error: not enough memory ({said}): {MEMORY}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return INTERRUPTED


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"warning: {message}", file=sys.stderr)
