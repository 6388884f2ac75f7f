"""HyP3: a real client against an API on loopback, its archives, and who may not log in."""

import functools
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, override

import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.io import MemoryFile

from landslide.build.insar import processors
from landslide.build.insar.hyp3 import connect, fetch, order
from landslide.build.insar.layers import insar_layers
from landslide.build.insar.pairs import find_pairs
from tests.serving import QuietHandler, serving

HERE = GeoBox((20, 30), Affine(40, 0, 480_000, 0, -40, 2_150_000), "EPSG:32614")
SCENES = (
    "S1A_IW_SLC__1SDV_20180106T004008_20180106T004035_020029_0221F0_A8A1",
    "S1A_IW_SLC__1SDV_20180118T004008_20180118T004035_020204_022780_8D9C",
    "S1A_IW_SLC__1SDV_20180130T004008_20180130T004035_020379_022D16_2B65",
)
PAIRS = [(SCENES[0], SCENES[1]), (SCENES[1], SCENES[2])]


@dataclass
class Service:
    """HyP3's API, as far as the client asks for it: `/jobs`, `/jobs/ID`, and the archives."""

    url: str = ""
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    archives: dict[str, bytes] = field(default_factory=dict)
    polls: int = 1
    """How often a job is asked for before it is done."""
    ends: str = "SUCCEEDED"
    expires: str = "2999-01-01T00:00:00+00:00"
    ordered: int = 0
    fetched: int = 0
    tokens: set[str] = field(default_factory=set)
    refuse: str | None = None

    def submit(self, prepared: list[dict[str, Any]]) -> list[dict[str, Any]]:
        made = []
        for job in prepared:
            self.ordered += 1
            number = f"job-{self.ordered}"
            self.jobs[number] = job | {
                "job_id": number, "user_id": "someone", "status_code": "PENDING", "asked": 0,
                "request_time": "2026-01-01T00:00:00+00:00",
            }  # fmt: skip
            made.append(self.jobs[number])
        return made

    def refresh(self, number: str) -> dict[str, Any]:
        job = self.jobs[number]
        job["asked"] += 1
        if job["asked"] >= self.polls:
            job["status_code"] = self.ends
            first, second = (granule[17:32] for granule in job["job_parameters"]["granules"])
            name = f"S1AA_{first}_{second}_VVP012_INT40_G_ueF_{number[-1] * 4}"
            content = self.archives.setdefault(f"{name}.zip", product(name))
            job["expiration_time"] = self.expires
            job["files"] = [
                {"filename": f"{name}.zip", "size": len(content), "url": f"{self.url}/{name}.zip"}
            ]
        return job


class Handler(QuietHandler):
    def __init__(self, *args: Any, service: Service) -> None:
        self.service = service
        super().__init__(*args)

    @override
    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/jobs":
            name = query.removeprefix("name=")
            jobs = [job for job in self.service.jobs.values() if job.get("name") == name]
            self.send(json.dumps({"jobs": jobs}).encode())
        elif path.startswith("/jobs/"):
            self.send(json.dumps(self.service.refresh(path.removeprefix("/jobs/"))).encode())
        elif content := self.service.archives.get(path[1:]):
            self.service.fetched += 1
            self.send(content)
        else:
            self.send(b"{}", 404)

    @override
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.service.tokens.add(self.headers["Authorization"])
        if self.service.refuse:
            self.send(json.dumps({"detail": self.service.refuse}).encode(), 400)
        else:
            self.send(json.dumps({"jobs": self.service.submit(asked["jobs"])}).encode())


def raster(value: float, south: int = 0) -> bytes:
    """Return a GeoTIFF of one value, as many rows south of HERE."""
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", width=30, height=20, count=1, dtype="float32", crs=str(HERE.crs),
            transform=HERE.transform @ Affine.translation(0, south), nodata=0,
        ) as out:  # fmt: skip
            out.write(np.full((1, 20, 30), value, "f4"))
        return bytes(memory.read())


def product(name: str) -> bytes:
    """Return an archive of the shape of HyP3's: one folder, GeoTIFFs named after it.

    Scenes that begin 25 seconds later lie 12 rows further south, and are a little less coherent.
    """
    later = "T004033" in name
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as out:
        for ending, value in (("corr", 0.6), ("unw_phase", 20.0), ("wrapped_phase", 1.5)):
            values = raster(value - 0.1 * later, 12 * later)
            out.writestr(f"{name}/{name}_{ending}.tif", values)
        out.writestr(f"{name}/{name}.README.md.txt", "what this is")
    return packed.getvalue()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Service]:
    monkeypatch.delenv("EARTHDATA_TOKEN", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    stand_in = Service()
    with serving(functools.partial(Handler, service=stand_in)) as stand_in.url:
        yield stand_in


def test_pairs_are_ordered_fetched_and_read(service: Service, tmp_path: Path) -> None:
    client = connect(service.url, token="secret")
    jobs = order(client, PAIRS, "event", tmp_path / "products")
    assert service.tokens == {"Bearer secret"}
    assert [job.job_type for job in jobs] == ["INSAR_GAMMA"] * 2
    assert jobs[0].job_parameters["include_wrapped_phase"] is True
    assert jobs[0].job_parameters["looks"] == "10x2"
    service.polls = 2  # still at work when first asked for
    products = fetch(client, jobs, tmp_path / "products", ask_seconds=0.01)
    assert len(products) == 2
    pairs = find_pairs(tmp_path / "products")
    assert str(pairs[0].reference_time)[:19] == "2018-01-06T00:40:08"
    layers = insar_layers(pairs, HERE).compute()
    np.testing.assert_allclose(layers["coherence"], 0.6, rtol=1e-6)
    np.testing.assert_allclose(np.angle(layers["interferogram"]), 1.5, rtol=1e-6)


def test_scenes_of_one_pass_are_ordered_one_by_one_and_joined(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the search is a stand-in: NASA's catalogue cannot be asked here."""
    later = [
        name.replace("T004008", "T004033").replace("T004035", "T004100") for name in SCENES[:2]
    ]
    ground = {SCENES[0]: (0, 1.1), SCENES[1]: (0, 1.1), later[0]: (-1, 0.1), later[1]: (-1, 0.1)}
    footprints = {name: shapely.box(0, low, 2, high) for name, (low, high) in ground.items()}
    monkeypatch.setattr(processors, "search_slc", lambda *_, **__: footprints)
    pairs = processors.hyp3_pairs(
        (0.5, -0.5, 1.5, 0.5), "2018-01-01", "2018-02-01", tmp_path,
        relative_orbit=78, name="event", api=service.url, token="secret", ask_seconds=0.01,
    )  # fmt: skip
    assert service.ordered == len(pairs) == 2
    layers = insar_layers(pairs, HERE.expand((32, 30))).compute()
    assert layers.sizes["timepair"] == 1
    assert str(layers["reference_time"].values[0])[:19] == "2018-01-06T00:40:08"
    coherence = layers["coherence"].to_numpy()[0]
    np.testing.assert_allclose(coherence[:20], 0.6, rtol=1e-6)  # of the earlier where both are
    np.testing.assert_allclose(coherence[20:], 0.5, rtol=1e-6)
    phase = np.angle(layers["interferogram"].to_numpy()[0])
    np.testing.assert_allclose(phase[:20], 1.5, rtol=1e-6)
    np.testing.assert_allclose(phase[20:], 1.4, rtol=1e-6)


def test_pairs_of_another_track_in_the_folder_are_none_of_it(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the search is a stand-in: NASA's catalogue cannot be asked here."""
    tracks = {
        78: SCENES,
        5: [scene.replace("T0040", "T1240").replace("20180130", "20180124") for scene in SCENES],
    }

    def search(*_: str, relative_orbit: int) -> dict[str, shapely.Polygon]:
        return dict.fromkeys(tracks[relative_orbit], shapely.box(0, -1, 2, 1))

    monkeypatch.setattr(processors, "search_slc", search)
    for track, hour, last in ((78, "00", "30"), (5, "12", "24"), (78, "00", "30")):
        pairs = processors.hyp3_pairs(
            (0.5, -0.5, 1.5, 0.5), "2018-01-01", "2018-02-01", tmp_path, relative_orbit=track,
            name=f"event-{track}", api=service.url, token="secret", ask_seconds=0.01,
        )  # fmt: skip
        times = [(str(p.reference_time)[:13], str(p.secondary_time)[:13]) for p in pairs]
        days = [f"2018-01-{day}T{hour}" for day in ("06", "18", last)]
        assert times == [(days[0], days[1]), (days[1], days[2])]


def test_a_second_run_neither_orders_nor_fetches_again(service: Service, tmp_path: Path) -> None:
    client = connect(service.url, token="secret")
    first = fetch(client, order(client, PAIRS, "event", tmp_path), tmp_path, ask_seconds=0.01)
    again = fetch(client, order(client, PAIRS, "event", tmp_path), tmp_path, ask_seconds=0.01)
    assert again == first
    assert (service.ordered, service.fetched) == (2, 2)
    order(client, PAIRS[:1], "another event", tmp_path)
    assert service.ordered == 3


def test_what_hyp3_keeps_no_longer_is_paid_for_again_only_where_the_folder_lacks_it(
    service: Service, tmp_path: Path
) -> None:
    client = connect(service.url, token="secret")
    service.expires = "2020-01-01T00:00:00+00:00"
    jobs = order(client, PAIRS, "event", tmp_path)
    with pytest.raises(OSError, match="no longer keeps the product of job job-1: run again"):
        fetch(client, jobs, tmp_path, ask_seconds=0.01)
    service.expires = "2999-01-01T00:00:00+00:00"
    first = fetch(client, jobs, tmp_path, ask_seconds=0.01)
    service.expires = "2020-01-01T00:00:00+00:00"
    fetch(client, jobs, tmp_path, ask_seconds=0.01)  # the API says so from now on
    again = order(client, PAIRS, "event", tmp_path)
    assert fetch(client, again, tmp_path, ask_seconds=0.01) == first
    assert (service.ordered, service.fetched) == (2, 2)
    shutil.rmtree(first[1])
    assert len(order(client, PAIRS, "event", tmp_path)) == 2
    assert service.ordered == 3


def test_who_has_no_login_is_told_at_once(
    service: Service, tmp_path: Path, monkeypatch: Any
) -> None:
    with pytest.raises(ValueError, match="needs an Earthdata login: set EARTHDATA_TOKEN"):
        connect(service.url)
    monkeypatch.setenv("EARTHDATA_TOKEN", "from the environment")
    order(connect(service.url), PAIRS, "event", tmp_path)
    assert service.tokens == {"Bearer from the environment"}


def test_what_hyp3_refuses_is_one_line(service: Service, tmp_path: Path) -> None:
    client = connect(service.url, token="secret")
    service.refuse = "Your request needs 30 credits, you have 10"
    with pytest.raises(OSError, match="needs 30 credits") as raised:
        order(client, PAIRS, "event", tmp_path)
    assert "\n" not in str(raised.value)
    service.refuse, service.ends = None, "FAILED"
    with pytest.raises(OSError, match=r"2 of 2 HyP3 jobs failed, such as job-1"):
        fetch(client, order(client, PAIRS, "event", tmp_path), tmp_path, ask_seconds=0.01)


def test_an_archive_with_a_path_outside_its_folder_is_refused(
    service: Service, tmp_path: Path
) -> None:
    client = connect(service.url, token="secret")
    name = "S1AA_20180106T004008_20180118T004008_VVP012_INT40_G_ueF_1111.zip"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as out:
        out.writestr("../../escaped.txt", "outside")
    service.archives[name] = packed.getvalue()
    jobs = order(client, PAIRS[:1], "event", tmp_path / "a" / "b")
    with pytest.raises(ValueError, match=r"holds '\.\./\.\./escaped\.txt'.*not unpacked"):
        fetch(client, jobs, tmp_path / "a" / "b", ask_seconds=0.01)
    assert not list(tmp_path.rglob("escaped.txt"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("a.txt", "inside")
    spoilt = bytearray(packed.getvalue())
    spoilt[35] = 255  # where the compressed bytes begin
    for content in (b"<html>busy</html>", bytes(spoilt)):
        service.archives[name] = content
        with pytest.raises(ValueError, match="not a whole zip and was deleted"):
            fetch(client, jobs, tmp_path / "a" / "b", ask_seconds=0.01)
        assert not list((tmp_path / "a" / "b").iterdir())
