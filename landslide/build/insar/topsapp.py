"""ISCE2's topsApp for one pair: the XML that it needs, the run, and what comes out.

As the paper had it: one look in azimuth and five in range, no unwrapping, so that the phase is
wrapped everywhere. ISCE2 is not on PyPI: `conda install -c conda-forge isce2`.
"""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from landslide.build.insar.pairs import Pair, find_pairs

COMMAND = "topsApp.py"
AZIMUTH_LOOKS, RANGE_LOOKS = 1, 5
GEOCODED = ("merged/topophase.cor", "merged/topophase.flat")
LOG = "topsApp.log"
DONE = "topsApp.done"
"""File that a run leaves which went well: its products are there long before they are whole."""
MARGIN_DEGREES = 0.02  # bursts and products reach a little beyond the area


@dataclass(frozen=True)
class TopsRun:
    """One pair to be processed.

    Scenes from before March 2015 need AUX_CAL files, which are not given: ISCE leaves their antenna
    patterns uncorrected, and warns of it in its log alone.
    """

    reference: tuple[Path, ...]
    """The earlier pass's SLC archives (.zip) or .SAFE folders."""
    secondary: tuple[Path, ...]
    """The later pass's."""
    orbits: Path
    """Folder of the orbit files (.EOF)."""
    area: tuple[float, float, float, float]
    """West, south, east, north [degrees]."""


def write_inputs(run: TopsRun, folder: Path) -> Path:
    """Write topsApp.xml, reference.xml and secondary.xml into `folder`; return the first."""
    folder.mkdir(parents=True, exist_ok=True)
    for side, scenes in (("reference", run.reference), ("secondary", run.secondary)):
        _write(folder / f"{side}.xml", _scenes(side, scenes, run))
    west, south, east, north = run.area
    box = [
        south - MARGIN_DEGREES,
        north + MARGIN_DEGREES,
        west - MARGIN_DEGREES,
        east + MARGIN_DEGREES,
    ]
    root = ET.Element("topsApp")
    insar = ET.SubElement(root, "component", name="topsinsar")
    properties: dict[str, object] = {
        "sensor name": "SENTINEL1",
        "azimuth looks": AZIMUTH_LOOKS,
        "range looks": RANGE_LOOKS,
        "do unwrap": False,
        "region of interest": [round(edge, 6) for edge in box],
        "geocode bounding box": [round(edge, 6) for edge in box],
        "geocode list": list(GEOCODED),
    }
    for name, value in properties.items():
        _property(insar, name, value)
    for side in ("reference", "secondary"):
        component = ET.SubElement(insar, "component", name=side)
        ET.SubElement(component, "catalog").text = f"{side}.xml"
    return _write(folder / "topsApp.xml", root)


def _scenes(side: str, scenes: Sequence[Path], run: TopsRun) -> ET.Element:
    root = ET.Element("component", name=side)
    _property(root, "safe", [str(scene.absolute()) for scene in scenes])
    # ISCE writes a file of this name and .xml beside it: it must not be this one's.
    _property(root, "output directory", f"{side}_data")
    _property(root, "orbit directory", str(run.orbits.absolute()))
    return root


def _property(parent: ET.Element, name: str, value: object) -> None:
    """Add a property; ISCE reads lists, numbers and True or False as Python writes them."""
    ET.SubElement(parent, "property", name=name).text = str(value)


def _write(path: Path, root: ET.Element) -> Path:
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return path


def require_isce() -> str:
    """Return the path of topsApp.py.

    Raises
    ------
    OSError
        Where ISCE2 is not installed: before anything is fetched for it.
    """
    command = shutil.which(COMMAND)
    if command is None:
        raise FileNotFoundError(
            f"{COMMAND} of ISCE2 is not on the PATH: install it (conda install -c conda-forge "
            "isce2) and put its applications folder on the PATH, or take pairs from HyP3 or a "
            "folder"
        )
    return command


def run_topsapp(run: TopsRun, folder: Path) -> Pair:
    """Process one pair in `folder`, whose name has both dates, and return what came out.

    What an earlier run finished is returned as it is; the output of ISCE is in topsApp.log.

    Raises
    ------
    OSError
        Where ISCE2 is not installed, or fails; the message is its last line.
    """
    outputs = [folder / f"{product}.geo" for product in GEOCODED]
    if not (folder / DONE).exists():
        command = require_isce()
        write_inputs(run, folder)
        for path in outputs:  # a broken run's must not pass for this one's
            path.unlink(missing_ok=True)
        log = folder / LOG
        with log.open("w") as out:
            done = subprocess.run(  # noqa: S603 - the command is ISCE's own, found on the PATH
                [command, "topsApp.xml", "--start=startup", "--end=geocode"],
                cwd=folder, stdout=out, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
        lines = log.read_text(errors="replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        if done.returncode or not all(path.exists() for path in outputs):
            raise OSError(f"{COMMAND} failed in {folder} ({said[:200]}): see {log}")
        (folder / DONE).touch()
    (pair,) = find_pairs(folder)
    return pair
