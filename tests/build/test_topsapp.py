"""ISCE2: the XML read back, a stand-in for topsApp.py, scenes in passes, orbits."""

import ast
import functools
import io
import stat
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, override
from xml.etree import ElementTree as ET

import asf_search
import numpy as np
import pytest
import s1_orbits.s1_orbits
import shapely
from hypothesis import given
from hypothesis import strategies as st

from landslide.build.insar import processors
from landslide.build.insar.slc import (
    SlcPass,
    consecutive_passes,
    fetch_orbits,
    fetch_scenes,
    overlapping_scenes,
    scene_time,
    search_slc,
)
from landslide.build.insar.topsapp import TopsRun, run_topsapp, write_inputs
from tests.serving import QuietHandler, serving

SCENES = [
    "S1A_IW_SLC__1SDV_20180106T004008_20180106T004035_020029_0221F0_A8A1",
    "S1A_IW_SLC__1SDV_20180106T004033_20180106T004100_020029_0221F0_11AA",
    "S1B_IW_SLC__1SDV_20180112T003925_20180112T003952_009133_01057E_2B65",
    "S1A_IW_SLC__1SDV_20180118T004008_20180118T004035_020204_022780_8D9C",
]
NOON = np.datetime64("2018-01-06T12:00:00", "ns")


def a_run(folder: Path) -> TopsRun:
    return TopsRun(
        tuple(folder / f"{scene}.zip" for scene in SCENES[:2]),
        (folder / f"{SCENES[3]}.zip",),
        folder / "orbits",
        (-99.2, 19.3, -99.0, 19.5),
    )


def properties(element: ET.Element) -> dict[str, Any]:
    """Read properties as ISCE does: Python's literals, else text."""
    found = {}
    for each in element.findall("property"):
        assert each.text
        try:
            found[each.get("name")] = ast.literal_eval(each.text)
        except (SyntaxError, ValueError):
            found[each.get("name")] = each.text
    return found


def test_the_xml_says_what_the_paper_did(tmp_path: Path) -> None:
    path = write_inputs(a_run(tmp_path), tmp_path / "pair & more")
    root = ET.parse(path).getroot()
    assert root.tag == "topsApp"
    insar = root.find("component")
    assert insar.get("name") == "topsinsar"
    said = properties(insar)
    assert (said["azimuth looks"], said["range looks"]) == (1, 5)
    assert said["do unwrap"] is False
    assert said["sensor name"] == "SENTINEL1"
    # South, north, west, east, a little wider than the area.
    assert said["region of interest"] == [19.28, 19.52, -99.22, -98.98]
    assert said["geocode list"] == ["merged/topophase.cor", "merged/topophase.flat"]
    sides = {part.get("name"): part.find("catalog").text for part in insar.findall("component")}
    assert sides == {"reference": "reference.xml", "secondary": "secondary.xml"}
    for side, scenes in (("reference", SCENES[:2]), ("secondary", SCENES[3:])):
        catalogue = ET.parse(path.with_name(sides[side])).getroot()
        assert (catalogue.tag, catalogue.get("name")) == ("component", side)
        said = properties(catalogue)
        assert said["safe"] == [str(tmp_path / f"{scene}.zip") for scene in scenes]
        assert said["orbit directory"] == str(tmp_path / "orbits")
        assert f"{said['output directory']}.xml" not in sides.values()


def test_isce_that_is_not_installed_is_said_at_once(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"topsApp\.py of ISCE2 is not on the PATH"):
        run_topsapp(a_run(tmp_path), tmp_path / "20180106_20180118")
    assert not (tmp_path / "20180106_20180118").exists()


STAND_IN = """#!{python}
import pathlib, sys
from xml.etree import ElementTree as ET
assert sys.argv[1:] == ["topsApp.xml", "--start=startup", "--end=geocode"], sys.argv
assert ET.parse("topsApp.xml").getroot().tag == "topsApp"
merged = pathlib.Path("merged")
merged.mkdir(exist_ok=True)
for name in {names}:
    for ending in (".geo", ".geo.xml", ".geo.vrt"):
        (merged / (name + ending)).write_text("")
print("a line before")
print("{last}")
sys.exit({code})
"""


def stand_in(folder: Path, code: int, names: tuple[str, ...], last: str) -> None:
    command = folder / "topsApp.py"
    command.write_text(STAND_IN.format(python=sys.executable, code=code, names=names, last=last))
    command.chmod(command.stat().st_mode | stat.S_IXUSR)


def test_topsapp_is_run_where_it_is_installed_and_once(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    folder = tmp_path / "20180106T004008_20180118T004008"
    both = ("topophase.cor", "topophase.flat")

    stand_in(tmp_path, 1, both, "no bursts in common")
    with pytest.raises(OSError, match=r"topsApp\.py failed .*\(no bursts in common\): see .*\.log"):
        run_topsapp(a_run(tmp_path), folder)
    stand_in(tmp_path, 0, both[:1], "done")
    with pytest.raises(OSError, match=r"topsApp\.py failed"):
        run_topsapp(a_run(tmp_path), folder)

    stand_in(tmp_path, 0, both, "done")
    pair = run_topsapp(a_run(tmp_path), folder)
    assert str(pair.reference_time)[:19] == "2018-01-06T00:40:08"
    assert pair.coherence_band == 2
    assert pair.interferogram.endswith("merged/topophase.flat.geo")
    stand_in(tmp_path, 1, (), "not asked again")
    assert run_topsapp(a_run(tmp_path), folder) == pair


def test_what_a_killed_run_left_is_processed_anew(tmp_path: Path, monkeypatch: Any) -> None:
    """Its products are made before they are filled."""
    monkeypatch.setenv("PATH", str(tmp_path))
    folder = tmp_path / "20180106T004008_20180118T004008"
    both = ("topophase.cor", "topophase.flat")
    (folder / "merged").mkdir(parents=True)
    for name in both:
        (folder / "merged" / f"{name}.geo").write_text("half")
    stand_in(tmp_path, 0, (), "makes nothing")
    with pytest.raises(OSError, match=r"topsApp\.py failed"):
        run_topsapp(a_run(tmp_path), folder)
    stand_in(tmp_path, 0, both, "done")
    run_topsapp(a_run(tmp_path), folder)
    assert (folder / "merged" / f"{both[0]}.geo").read_text() == ""


def test_scenes_of_one_orbit_are_one_pass_and_passes_pair_with_the_next() -> None:
    pairs = consecutive_passes(SCENES[::-1])
    assert [(a.scenes, b.scenes) for a, b in pairs] == [
        (tuple(SCENES[:2]), (SCENES[2],)),
        ((SCENES[2],), (SCENES[3],)),
    ]
    assert str(pairs[0][0].time)[:19] == "2018-01-06T00:40:08"
    assert scene_time(SCENES[0]) == pairs[0][0].time
    with pytest.raises(ValueError, match="no name of a Sentinel-1 scene"):
        scene_time("holiday.jpg")


def along_track(edges: list[float], scene: str) -> dict[str, shapely.Polygon]:
    """Return scenes of one pass, each from an edge over one degree and a little."""
    return {f"{scene}{n}": shapely.box(0, edge, 2, edge + 1.05) for n, edge in enumerate(edges)}


def test_scenes_cut_at_the_same_places_make_one_pair_each() -> None:
    first, second = along_track([0, 1, 2], "A"), along_track([0.01, 1.01, 2.01], "B")
    chosen = overlapping_scenes(
        SlcPass(NOON, tuple(first)),
        SlcPass(NOON, tuple(second)),
        first | second,
        shapely.box(0, 0, 2, 3),
    )
    assert chosen == [("A0", "B0"), ("A1", "B1"), ("A2", "B2")]


@given(
    shift=st.floats(-1.5, 1.5),
    counts=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    area=st.tuples(st.floats(0.05, 1.5), st.floats(0.2, 2.5)),
)
def test_scenes_cut_elsewhere_cover_all_that_both_passes_saw(
    shift: float, counts: tuple[int, int], area: tuple[float, float]
) -> None:
    first = along_track([float(n) for n in range(counts[0])], "A")
    second = along_track([shift + n for n in range(counts[1])], "B")
    footprints, wanted = first | second, shapely.box(0.1, area[0], 1.9, sum(area))
    passes = SlcPass(NOON, tuple(first)), SlcPass(NOON, tuple(second))
    of_a_burst = [
        ground & wanted
        for ground in (a & b for a in first.values() for b in second.values())
        if ground.area > 0.1 * 2 * 1.05
    ]
    if not any(ground.area > 1e-3 * wanted.area for ground in of_a_burst):
        with pytest.raises(ValueError, match="share nothing of the area that can be processed"):
            overlapping_scenes(*passes, footprints, wanted)
        return
    chosen = overlapping_scenes(*passes, footprints, wanted)
    common = [footprints[one] & footprints[other] for one, other in chosen]
    missed = shapely.union_all(of_a_burst) - shapely.union_all(common)
    assert missed.area <= 1e-3 * wanted.area * len(of_a_burst)
    assert len(chosen) <= sum(counts)


def test_a_catalogue_that_does_not_answer_is_one_line() -> None:
    with pytest.raises(OSError, match="the search for SLC scenes failed") as raised:
        search_slc(
            "POINT(-99 19)", "2018-01-01", "2018-02-01", relative_orbit=78, host="127.0.0.1:1"
        )
    assert "\n" not in str(raised.value)


class Catalogue(list[Any]):
    def raise_if_incomplete(self) -> None:
        pass


@pytest.mark.parametrize("scenes", [SCENES[:0], SCENES[:1], SCENES[:2]])
def test_scenes_of_one_pass_are_no_pair(scenes: list[str], monkeypatch: Any) -> None:
    ground = shapely.geometry.mapping(shapely.box(-99, 19, -98, 20))
    found = Catalogue(SimpleNamespace(properties={"sceneName": s}, geometry=ground) for s in scenes)
    monkeypatch.setattr(asf_search, "geo_search", lambda **_: found)
    said = rf"^the {len(scenes)} SLC scenes of track 78 .* are of one pass or none: .* widen"
    with pytest.raises(ValueError, match=said):
        search_slc("POINT(-99 19)", "2018-01-01", "2018-02-01", relative_orbit=78)


def test_scenes_need_a_login_unless_they_are_there(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delenv("EARTHDATA_TOKEN", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ValueError, match="need an Earthdata login: set EARTHDATA_TOKEN"):
        fetch_scenes(SCENES[:1], tmp_path)
    there = tmp_path / f"{SCENES[0]}.zip"
    there.write_bytes(b"")
    assert fetch_scenes(SCENES[:1], tmp_path) == [there]


class Archive(QuietHandler):
    """Sends an SLC archive, as far as `at_most` lets it."""

    def __init__(self, *args: Any, content: bytes, at_most: list[int]) -> None:
        self.content, self.at_most = content, at_most
        super().__init__(*args)

    @override
    def do_GET(self) -> None:
        if self.at_most[0] < 0:
            self.answer(self.content)
        else:  # and no word of how long it would be
            self.answer(self.content[: self.at_most[0]])


@dataclass
class Found:
    """A scene as ASF's client gives it, with the client's own download."""

    address: str
    properties: dict[str, str]

    def download(self, path: str, filename: str, session: Any) -> None:
        asf_search.download_url(self.address, path, filename, session)


def test_a_scene_that_came_in_part_is_fetched_anew(tmp_path: Path, monkeypatch: Any) -> None:
    """What a killed run left; and what a server sent half of, to its end as it seems."""
    (tmp_path / "netrc").write_text("machine urs.earthdata.nasa.gov login me password word\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("manifest.safe", "x" * 5000)
    at_most = [2000]
    handler = functools.partial(Archive, content=whole.getvalue(), at_most=at_most)
    unfinished, scene = tmp_path / "slc" / ".unfinished", SCENES[0]
    unfinished.mkdir(parents=True)
    (unfinished / f"{scene}.zip").write_bytes(whole.getvalue()[:900])
    with serving(handler) as address:
        about = {"sceneName": scene, "processingLevel": "SLC"}
        found = [Found(f"{address}/scene.zip", about)]
        monkeypatch.setattr(asf_search, "granule_search", lambda _: found)
        with pytest.raises(OSError, match=rf"{scene}\.zip came in part: run again") as raised:
            fetch_scenes([scene], tmp_path / "slc")
        assert "\n" not in str(raised.value)
        assert not (tmp_path / "slc" / f"{scene}.zip").exists()
        at_most[0] = -1
        (path,) = fetch_scenes([scene], tmp_path / "slc")
    assert path.read_bytes() == whole.getvalue()


class Orbits(QuietHandler):
    """Answers as ASF's service of orbits does: with a redirect to the file of a scene."""

    name = "S1A_OPER_AUX_POEORB_OPOD_20180127T122423_V20180105T225942_20180107T005942.EOF"

    def __init__(self, *args: Any, known: str) -> None:
        self.known = known
        super().__init__(*args)

    @override
    def do_GET(self) -> None:
        if self.path == f"/scene/{self.known}":
            self.send(status=302, headers={"Location": f"/AUX_POEORB/{self.name}"})
        else:
            self.answer(b"<orbit/>" if self.path.endswith(".EOF") else None)


@pytest.fixture
def orbits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with serving(functools.partial(Orbits, known=SCENES[0])) as address:
        monkeypatch.setattr(s1_orbits.s1_orbits, "API_URL", f"{address}/scene")
        yield


def test_each_scene_gets_its_orbit(orbits: None, tmp_path: Path) -> None:
    (path,) = fetch_orbits(SCENES[:1], tmp_path / "orbits")
    assert path.name == Orbits.name
    assert path.read_text() == "<orbit/>"
    with pytest.raises(OSError, match=r"fetching orbits failed .*No orbit file .*run again"):
        fetch_orbits(SCENES[3:], tmp_path / "orbits")


def test_an_area_and_a_track_become_isces_pairs(
    orbits: None, tmp_path: Path, monkeypatch: Any
) -> None:
    """Only the search is a stand-in: NASA's catalogue cannot be asked here."""
    monkeypatch.setenv("PATH", str(tmp_path))
    asked = []

    def search(area: str, *window: str, relative_orbit: int) -> dict[str, shapely.Polygon]:
        asked.append((area, window, relative_orbit))
        scenes = [SCENES[0], SCENES[0].replace("20180106", "20180118").replace("20029", "20204")]
        return dict.fromkeys(scenes, shapely.box(0, 0, 1, 1))

    monkeypatch.setattr(processors, "search_slc", search)
    window = ("2018-01-01", "2018-02-01")
    area = (-99.2, 19.3, -99.0, 19.5)
    with pytest.raises(FileNotFoundError, match="is not on the PATH"):
        processors.isce_pairs(area, *window, tmp_path / "work", relative_orbit=78)
    assert not asked  # what is not installed is said first
    stand_in(tmp_path, 0, ("topophase.cor", "topophase.flat"), "done")
    monkeypatch.setattr(Orbits, "do_GET", anything)
    slc = tmp_path / "work" / "slc"
    slc.mkdir(parents=True)
    for scene in search("", *window, relative_orbit=0):
        (slc / f"{scene}.zip").write_bytes(b"")
    (pair,) = processors.isce_pairs(area, *window, tmp_path / "work", relative_orbit=78)
    assert asked[-1] == (shapely.box(*area).wkt, window, 78)
    assert [str(pair.reference_time)[:10], str(pair.secondary_time)[:10]] == [
        "2018-01-06",
        "2018-01-18",
    ]
    work = tmp_path / "work" / "20180106T004008_20180118T004008"
    assert (work / "reference.xml").exists()


def anything(handler: Orbits) -> None:
    """Answer any scene with an orbit."""
    handler.send()
