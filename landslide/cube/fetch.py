"""Fetch a published cube from Zenodo: resumed, verified, unpacked whole or not at all."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pooch
from tqdm import tqdm

from landslide.archives import unpack_zip
from landslide.cube.address import zip_filesystem
from landslide.cube.events import PUBLISHED, ZENODO_STEMS, published_name
from landslide.retries import innermost

ZENODO_API = "https://zenodo.org/api"
RECORD = "7248056"
# Zenodo throttles clients that do not say who they are.
HEADERS = {"User-Agent": f"landslide-sar-datacubes pooch/{pooch.__version__}"}
PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class PublishedFile:
    """One file of a Zenodo record."""

    name: str
    """Its name, such as hokkaido_japan.zip."""
    url: str
    """Where its bytes are."""
    checksum: str
    """What Zenodo publishes, such as md5:…"""
    size: int
    """Bytes."""


class ResumingDownloader:
    """A pooch downloader that goes on from what an earlier one left in `partial`.

    It asks pooch's own HTTP downloader for the missing range. A server that does not serve
    ranges answers with the whole file (status 200 instead of 206), which then starts afresh. A
    connection that breaks is taken up again as long as every attempt brings something.
    """

    def __init__(self, partial: Path, size: int, *, progress: bool) -> None:
        self.partial = partial
        self.size = size
        self.progress = progress

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        """Download `url` to `output_file`, as pooch asks for it."""
        self.partial.touch()
        if self.partial.stat().st_size > self.size:
            self.partial.unlink()
            self.partial.touch()
        while (had := self.partial.stat().st_size) < self.size:
            try:
                self._download_rest(url, had)
                break
            except OSError:  # requests' errors are OSErrors
                if self.partial.stat().st_size <= had:
                    raise
        self.partial.replace(output_file)

    def _download_rest(self, url: str, had: int) -> None:
        rest = f"bytes={had}-" if had else ""
        with (
            self.partial.open("ab") as file,
            tqdm(
                total=self.size - had,
                unit="B",
                unit_scale=True,
                desc=self.partial.name.lstrip("."),
                disable=not self.progress,
            ) as bar,
        ):

            def start_afresh(response: Any) -> None:
                if response.status_code == 200:
                    file.truncate(0)

            _download(
                url, file, bar=bar if self.progress else False, rest=rest, on_answer=start_afresh
            )


def _download(
    url: str,
    file: IO[bytes],
    *,
    bar: Any = False,
    rest: str = "",
    on_answer: Callable[[Any], None] = lambda _: None,
) -> None:
    """Write what `url` answers to `file`; `rest` is a Range header, if any."""
    answers: list[Any] = []

    def remember(response: Any, *_: object, **__: object) -> None:
        answers.append(response)
        on_answer(response)

    headers = HEADERS | ({"Range": rest} if rest else {})
    download = pooch.HTTPDownloader(
        progressbar=bar, chunk_size=PIECE_BYTES, headers=headers, hooks={"response": remember}
    )
    try:
        download(url, file, None)
    finally:
        for answer in answers:  # a broken one keeps its connection otherwise
            answer.close()


def _published_file(name: str, api: str) -> PublishedFile:
    """Return what the record's JSON says of the file `name`."""
    url = f"{api.rstrip('/')}/records/{RECORD}"
    answer = io.BytesIO()
    _download(url, answer)
    try:
        files: list[dict[str, Any]] = json.loads(answer.getvalue())["files"]
        found = {
            file["key"]: PublishedFile(
                file["key"], file["links"]["self"], file["checksum"], int(file["size"])
            )
            for file in files
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{url} does not answer like Zenodo: it lists no files") from error
    if name not in found:
        raise ValueError(
            f"{url} holds no {name} but {', '.join(sorted(found)) or 'nothing'}: "
            "look for a later version of the record on Zenodo, and give the path of its zip"
        )
    return found[name]


def unpack_cube(archive: Path, target: Path, *, progress: bool = False) -> None:
    """Unpack the one cube in the zip `archive` to the folder `target`, whole or not at all.

    Raises
    ------
    ValueError
        Where the archive is damaged, holds no cube, or would write outside its folder.
    """
    try:
        unpack_zip(
            archive,
            target,
            lambda folder: folder / zip_filesystem(str(archive))[1],
            progress=progress,
        )
    except zipfile.BadZipFile as error:
        raise ValueError(f"{archive} is not a whole zip archive: delete it, run again") from error


def fetch_cube(
    event_name: str,
    folder: str | Path,
    *,
    api: str = ZENODO_API,
    progress: bool = True,
) -> Path:
    """Download a published cube into `folder` and return the path of its `.zarr`.

    An interrupted download goes on where it stopped; a cube that is there already is returned
    as it is. The archive is deleted once it is unpacked.

    Parameters
    ----------
    event_name
        hokkaido, kaikoura, puerto_rico or talakmau.
    folder
        Where the cube goes; it is made where it is missing.
    api
        Address of Zenodo's API.
    progress
        Whether to show bars on standard error.

    Raises
    ------
    ValueError
        For an unknown event, an archive whose checksum is not the published one, or an unsafe
        one.
    ConnectionError
        Where Zenodo cannot be reached.
    """
    event = published_name(event_name)
    if event is None:
        raise ValueError(f"no published cube {event_name!r}: name one of {', '.join(PUBLISHED)}")
    stem = ZENODO_STEMS[event]
    folder = Path(folder)
    cube = folder / f"{stem}.zarr"
    if cube.exists():
        return cube
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{stem}.zip.part"
    by_hand = (
        f"download {stem}.zip by hand from https://zenodo.org/records/{RECORD} and give the "
        "path of the zip as the cube"
    )
    try:
        file = _published_file(f"{stem}.zip", api)
        archive = pooch.retrieve(
            file.url,
            known_hash=file.checksum,
            fname=file.name,
            path=folder,
            downloader=ResumingDownloader(partial, file.size, progress=progress),
        )
    except OSError as error:
        said = str(innermost(error)) or type(error).__name__
        reason = " ".join(said.split())[:200]
        raise ConnectionError(
            f"{stem}.zip could not be fetched from {api} ({reason}): "
            f"run again to go on, or {by_hand}"
        ) from error
    except ValueError as error:
        if "does not match the known hash" not in str(error):
            raise
        raise ValueError(
            f"{stem}.zip arrived damaged (its checksum is not {file.checksum}) and was deleted: "
            "run again"
        ) from error
    unpack_cube(Path(archive), cube, progress=progress)
    Path(archive).unlink(missing_ok=True)  # by another that fetches the same
    return cube
