"""The fastest reader that fits an address is chosen, and says so."""

import importlib.machinery
import importlib.util
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import numcodecs
import numpy as np
import pytest
import xarray as xr

from landslide.cube.layers import readable
from landslide.cube.opening import DAMAGE, opened_by
from landslide.cube.readers import (
    CONCURRENCY,
    PIPELINES,
    READERS,
    choose_reader,
    fits,
    pipeline,
    tensorstore_error,
)
from landslide.cube.store import open_cube

ELSEWHERE = ("s3://b/c.zarr", "gs://b/c.zarr", "memory://c.zarr")
WAY_OUT = r"choose reader 'auto' \(--reader\)$"
CHUNK = (slice(0, 1), slice(0, 24), slice(0, 32))
ZIPPED = ("c.zip", "zip::s3://b/c.zip", "https://nowhere.invalid/c.zip")


@pytest.fixture
def uninstalled(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make packages look as if they were not installed."""

    def uninstall(*names: str) -> None:
        find = importlib.util.find_spec

        def found(name: str, package: str | None = None) -> importlib.machinery.ModuleSpec | None:
            return None if name in names else find(name, package)

        monkeypatch.setattr(importlib.util, "find_spec", found)

    return uninstall


@pytest.mark.parametrize(
    ("uri", "chosen"),
    [
        *((uri, "tensorstore") for uri in ("c.zarr", "/a/c.zarr", "file:///a/c.zarr")),
        *((uri, "tensorstore") for uri in ("http://127.0.0.1/c.zarr", "https://a.invalid/c.zarr")),
        *((uri, "fused") for uri in ELSEWHERE + ZIPPED),
    ],
)
def test_the_fastest_that_fits_is_chosen_and_named(
    uri: str, chosen: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    for scheme in ("s3", "gs"):
        if uri.rsplit("::", maxsplit=1)[-1].startswith(scheme):
            request.getfixturevalue(f"{scheme}_bucket")  # fsspec wants to know where it is
    with caplog.at_level(logging.INFO, "landslide"):
        assert choose_reader(uri) == chosen
    said = [record.message for record in caplog.records if record.name.startswith("landslide")]
    assert said == [f"{uri} is read by {chosen}"]


def test_what_is_not_installed_gives_way_to_the_next(uninstalled: Callable[..., None]) -> None:
    uninstalled("tensorstore")
    assert choose_reader("c.zarr") == "zarrs"
    assert choose_reader("http://127.0.0.1/c.zarr") == "fused"
    uninstalled("tensorstore", "zarrs")
    assert choose_reader("c.zarr") == "fused"


@pytest.mark.parametrize("name", ["tensorstore", "zarrs"])
def test_a_wanted_reader_that_is_not_installed_is_an_error(
    name: str, uninstalled: Callable[..., None]
) -> None:
    uninstalled("tensorstore", "zarrs")
    with pytest.raises(ValueError, match=f"^c.zarr cannot be read by {name}: .* not installed; "):
        choose_reader("c.zarr", name)


@pytest.mark.parametrize("reader", ["tensorstore", "zarrs"])
@pytest.mark.parametrize("uri", [*ELSEWHERE[2:], *ZIPPED[::2]])
def test_a_wanted_reader_that_does_not_fit_is_one_line(uri: str, reader: str) -> None:
    with pytest.raises(ValueError, match=f"cannot be read by {reader}: .*; {WAY_OUT}"):
        choose_reader(uri, reader)
    assert fits(reader, uri) is not None
    assert all(fits(pipeline, uri) is None for pipeline in ("fused", "plain"))


def test_tensorstore_refuses_stores_that_want_credentials(s3_bucket: str, gs_bucket: str) -> None:
    for bucket in (s3_bucket, gs_bucket):
        with pytest.raises(ValueError, match="it does not take fsspec's credentials; choose"):
            choose_reader(f"{bucket}/c.zarr", "tensorstore")


def test_tensorstore_gives_way_where_fsspec_is_told_how_to_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(fsspec.config.conf, "https", {"headers": {"X-Key": "x"}})
    assert choose_reader("https://a.invalid/c.zarr") == "fused"
    assert choose_reader("c.zarr") == "tensorstore"


def test_an_unknown_reader_is_an_error_that_names_the_known() -> None:
    known = ", ".join(READERS)
    with pytest.raises(ValueError, match=f"^no reader 'h5py': choose auto, {known}$"):
        choose_reader("c.zarr", "h5py")


@pytest.mark.parametrize("layout", ["v2", "v2-plain", "v3", "v3-plain", "sharded"])
def test_all_readers_give_the_same_bits(
    layout: str, cube: xr.Dataset, stored: dict[str, Path]
) -> None:
    for reader in READERS if layout != "sharded" else [r for r in READERS if r != "zarrs"]:
        opened = open_cube(stored[layout], reader=reader)
        assert opened["vv"].encoding["layer"].stored.reader == reader
        for name in ("vv", "dem", "coherence"):
            np.testing.assert_array_equal(opened[name].values, cube[name].values, strict=True)


@pytest.fixture(params=[numcodecs.LZMA(), numcodecs.LZ4()], ids=["lzma", "lz4"])
def odd(cube: xr.Dataset, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A cube whose `vv` has a codec that TensorStore lacks."""
    encoding = {"vv": {"chunks": (1, 24, 32), "compressors": [request.param]}}
    cube.to_zarr(tmp_path / "odd.zarr", zarr_format=2, encoding=encoding)
    return tmp_path / "odd.zarr"


def test_codecs_that_tensorstore_lacks_are_read_by_the_next_which_is_said(
    odd: Path, cube: xr.Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    opened = open_cube(odd)
    np.testing.assert_array_equal(opened["vv"].values, cube["vv"].values, strict=True)
    line = rf"vv of {odd} cannot be read by tensorstore: .* is not registered; it is read by fused"
    assert re.fullmatch(line, caplog.messages[0])


def test_a_reader_that_is_asked_for_by_name_is_not_replaced(
    odd: Path, stored: dict[str, Path]
) -> None:
    refused = f"^vv of {odd} cannot be read by tensorstore: .*; {WAY_OUT}"
    with pytest.raises(ValueError, match=refused):
        open_cube(odd, reader="tensorstore")
    with pytest.raises(ValueError, match="cannot be read by zarrs: it checks no checksum"):
        open_cube(stored["sharded"], reader="zarrs")


@pytest.mark.parametrize("reader", ["auto", "fused"])
def test_a_server_that_ignores_byte_ranges_is_not_a_damaged_cube(
    reader: str,
    cube: xr.Dataset,
    stored: dict[str, Path],
    http_without_ranges: tuple[str, Path],
) -> None:
    address, folder = http_without_ranges
    for layout in ("v2", "sharded"):
        shutil.copytree(stored[layout], folder / layout)
    whole = open_cube(f"{address}/v2", reader=reader)
    np.testing.assert_array_equal(whole["vv"].values, cube["vv"].values, strict=True)
    chunk = readable(open_cube(f"{address}/sharded", reader=reader)["vv"]).start(CHUNK)
    with pytest.raises(ConnectionError, match="/sharded cannot be read: its server ignores"):
        chunk()


@pytest.mark.parametrize("reader", ["tensorstore", "fused"])
def test_an_address_may_be_percent_encoded(
    reader: str, cube: xr.Dataset, stored: dict[str, Path], http_folder: tuple[str, Path]
) -> None:
    address, folder = http_folder
    shutil.copytree(stored["v2"], folder / f"my%20{reader}")  # as it is asked for
    opened = open_cube(f"{address}/my%20{reader}", reader=reader)
    np.testing.assert_array_equal(opened["vv"].values, cube["vv"].values, strict=True)


@pytest.mark.parametrize("reader", PIPELINES)
def test_opening_leaves_zarrs_configuration_as_it_was(
    reader: str, cube: xr.Dataset, stored: dict[str, Path]
) -> None:
    import zarr

    with zarr.config.set({"async.concurrency": 64}):
        before = zarr.config.to_dict()
        assert np.array_equal(open_cube(stored["v3"], reader=reader)["vv"].values, cube["vv"])
        assert zarr.config.to_dict() == before


@pytest.mark.parametrize(("chosen", "used"), [(None, CONCURRENCY), ("64", 64)])
def test_requests_at_once_are_those_the_user_chose_or_else_ours(
    chosen: str | None, used: int, stored: dict[str, Path]
) -> None:
    code = (
        "import sys, zarr, landslide\n"
        "landslide.open_cube(sys.argv[1], reader='fused')['vv'].mean().compute()\n"
        "print(zarr.config.get('async.concurrency'))"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ZARR_")}
    environment |= {} if chosen is None else {"ZARR_ASYNC__CONCURRENCY": chosen}
    done = subprocess.run(
        [sys.executable, "-c", code, str(stored["v3"])],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"{used}\n"


def test_threads_take_turns_at_zarrs_configuration(stored: dict[str, Path]) -> None:
    import zarr

    def of_configuration() -> str:
        return str(zarr.config.get("codec_pipeline.path"))

    before = of_configuration()
    with ThreadPoolExecutor(1) as pool:
        with pipeline("plain"):
            uri = str(stored["v3"])
            started, how = threading.Event(), (uri, "vv", "fused", DAMAGE, "token")
            other = pool.submit(lambda: started.set() or opened_by(*how))
            assert started.wait(60)
            with pytest.raises(TimeoutError):
                other.result(0.3)
            assert of_configuration() == PIPELINES["plain"]
        other.result()
    assert of_configuration() == before


@pytest.mark.parametrize(
    ("said", "meant", "reason"),
    [
        ("PERMISSION_DENIED: Error reading http://a/b/0.0: Forbidden [HTTP code 403]", 0, None),
        ("ABORTED: Error reading http://a/b/0.0: All 6 failed: CURL error Timeout", 1, None),
        ("Error reading http://a/b/0.0: Bad Request [HTTP code 400]", 1, "Bad Request"),
        ('DATA_LOSS: Error reading local file "/a/b": Digest\n mismatch', 2, "Digest mismatch"),
        ("NOT_FOUND: Error reading http://a/b: Gone [HTTP code 410]", 2, "Gone"),
    ],
)  # fmt: skip
def test_what_tensorstore_means_is_told(said: str, meant: int, reason: str | None) -> None:
    error = tensorstore_error(ValueError(said))
    assert type(error) is (PermissionError, ConnectionError, ValueError)[meant]
    assert "\n" not in str(error)
    assert "://" not in str(error)
    assert str(error).startswith(reason or "")
