"""One object read or written whole, on any filesystem that fsspec knows."""

import contextlib
import glob
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from landslide.errors import one_line
from landslide.retries import patiently

type Address = str | os.PathLike[str]
"""A local path, or any address that fsspec knows."""

# What is before the @ of abfs:// alone is a container's name.
_USER = re.compile(r"(?<=://)[^/@]*:[^/@]*@|(?<=http://)[^/@]+@|(?<=https://)[^/@]+@")
# What follows a ? there may be a signature; in other stores it is part of a name, or a version.
_SIGNED = re.compile(r"\b(?:https?|az|abfss?)://")


class StoreError(OSError):
    """What a store raised that is no OSError, in one line; the cause is as the store raised it."""


def without_secrets(uri: str) -> str:
    """Return an address as it may be printed: without the password or the signature it may have."""
    named = _USER.sub("", uri)
    return named.partition("?")[0] if _SIGNED.search(named) else named


def text_without_secrets(text: str) -> str:
    """Return a text with every address in it as it may be printed."""
    return re.sub(r"\w+://[^\s\"']+", lambda found: without_secrets(found[0]), text)


def absolute(uri: Address) -> str:
    """Return `uri` as text, a local path made absolute, so that another process finds it.

    Raises
    ------
    ValueError
        Where it is empty; or carries what may be a secret, which rows, logs and messages would
        tell.
    """
    uri = os.fspath(uri)
    if not uri:
        raise ValueError(
            "an address is empty, perhaps of a shell variable that is not set: give one, . for "
            "this folder"
        )
    bare = without_secrets(uri)
    if bare != uri:
        raise ValueError(
            f"the address {bare} came with a user's name, a password or a query: leave that out, "
            "and give credentials in the environment or in fsspec's configuration"
        )
    if "::" in uri or fsspec.utils.get_protocol(uri) not in {"file", "local"}:
        return uri.rstrip("/")
    path = LocalFileSystem._strip_protocol(uri)  # noqa: SLF001 - what url_to_fs calls
    return os.path.normpath(path)


@contextlib.contextmanager
def _plain_errors(uri: str) -> Iterator[None]:
    """Turn what a store raises into an OSError: each store has errors of its own."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {text_without_secrets(str(error))}".split())
        raise StoreError(
            f"{without_secrets(uri)} cannot be reached ({reason[:200]}); check the address, and "
            "the credentials in the environment or in fsspec's configuration"
        ) from error


def write_whole(uri: str, data: bytes) -> None:
    """Write `data` to `uri` so that a reader sees all of it or nothing.

    An object store replaces an object in one step; on a disk that takes a rename. A store that
    does not answer is asked again for five minutes: what is written has been worked for.

    Raises
    ------
    OSError
        Where the address cannot be written.
    """
    patiently(lambda: _write_whole(uri, data))


def _write_whole(uri: str, data: bytes) -> None:
    with _plain_errors(uri):
        filesystem, path = fsspec.core.url_to_fs(uri)
        if not isinstance(filesystem, LocalFileSystem):
            filesystem.pipe_file(path, data)
            return
    folder, _, name = path.rpartition("/")
    filesystem.makedirs(folder, exist_ok=True)
    unfinished = f"{folder}/.{name}.{uuid.uuid4().hex}"
    try:
        filesystem.pipe_file(unfinished, data)
        os.replace(unfinished, path)  # noqa: PTH105 - `mv` would put it into a folder of that name
    except BaseException:
        if filesystem.exists(unfinished):
            filesystem.rm_file(unfinished)
        raise


def read_bytes(uri: str) -> bytes:
    """Return all bytes of the object at `uri`.

    Raises
    ------
    FileNotFoundError
        Where there is no such object.
    OSError
        Where the address cannot be read.
    """
    with _plain_errors(uri):
        filesystem, path = fsspec.core.url_to_fs(uri)
        return bytes(filesystem.cat_file(path))


def exists(uri: str) -> bool:
    """Return whether there is an object at `uri`; a store that is away is asked patiently.

    Raises
    ------
    OSError
        Where the store cannot be asked.
    """
    with _plain_errors(uri):
        filesystem, path = fsspec.core.url_to_fs(uri)
        return bool(patiently(lambda: filesystem.exists(path)))


def probe_folder(uri: str) -> None:
    """Write, read and remove a small object in a folder, under a name that begins with a dot.

    Raises
    ------
    OSError
        Where any of the three fails.
    """
    probe, content = f"{uri.rstrip('/')}/.probe-{uuid.uuid4().hex}", b"probe"
    _write_whole(probe, content)  # what cannot be reached now is an error now
    if read_bytes(probe) != content:
        raise OSError("a probe came back changed")
    with _plain_errors(probe):
        filesystem, path = fsspec.core.url_to_fs(probe)
        filesystem.rm_file(path)


def require_writable(uri: str, what: str, way_out: str) -> None:
    """Probe a folder before hours are spent on what is to be written there.

    Parameters
    ----------
    uri : str
    what : str
        What cannot be written, as `to the bundle's folder …`.
    way_out : str

    Raises
    ------
    OSError
        Where the probe fails, in one line.
    """
    try:
        probe_folder(uri)
    except OSError as error:
        raise OSError(f"cannot write {what}: {one_line(error)}; {way_out}") from error


def remove(uri: str) -> None:
    """Remove the object at `uri`, if there is one; patiently, as it is written.

    Raises
    ------
    OSError
        Where it stays.
    """
    with contextlib.suppress(FileNotFoundError), _plain_errors(uri):
        filesystem, path = fsspec.core.url_to_fs(uri)
        patiently(lambda: filesystem.rm_file(path))


def remove_all(uri: str, *, patient: bool = True) -> None:
    """Remove all that lies at `uri` and under it, if anything does; patiently, as it is written.

    What another process removes at the same time is gone, too.

    Raises
    ------
    OSError
        Where something stays.
    """
    if patient:
        patiently(lambda: _remove_all(uri))
    else:
        _remove_all(uri)


def _remove_all(uri: str) -> None:
    with _plain_errors(uri):
        filesystem, path = fsspec.core.url_to_fs(uri)
        if isinstance(filesystem, LocalFileSystem):
            _remove_here(Path(path))
            return
        filesystem.invalidate_cache()
        if not filesystem.exists(path):
            return
        if glob.has_magic(path):
            # `rm` would take it for a pattern, and the neighbours that it matches for what is
            # meant.
            for file in filesystem.find(path):
                with contextlib.suppress(FileNotFoundError):
                    filesystem.rm_file(file)
            return
        with contextlib.suppress(FileNotFoundError):
            filesystem.rm(path, recursive=True)


def _remove_here(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onexc=_unless_gone)
    else:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()


def _unless_gone(_function: Callable[..., object], _path: str, error: BaseException) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def replace_folder(new: str | Path, target: str | Path) -> None:
    """Put the folder `new` of a disk in the place of `target`, which goes if it is there.

    Raises
    ------
    OSError
        Where that fails; `target` is as it was.
    """
    new, target = Path(new), Path(target)
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        if target.exists():
            target.rename(aside)
        new.rename(target)
    except BaseException:
        if aside.exists() and not target.exists():
            aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def file_written_whole(uri: str) -> Iterator[str]:
    """Give the path of a local file to write, and put it at `uri` when all went well.

    For what writes files by path only, such as GDAL, and for files larger than memory. On a disk
    it lies beside `uri` under a name that begins with a dot, and is renamed.

    Raises
    ------
    OSError
        Where the address cannot be written.
    """
    with _plain_errors(uri):
        filesystem, path = fsspec.core.url_to_fs(uri)
    folder, _, name = path.rpartition("/")
    ending = name.rpartition(".")[2]  # some writers go by it
    if not isinstance(filesystem, LocalFileSystem):
        with tempfile.TemporaryDirectory() as temporary:
            unfinished = f"{temporary}/unfinished.{ending}"
            yield unfinished
            with _plain_errors(uri):
                patiently(lambda: filesystem.put_file(unfinished, path))
        return
    filesystem.makedirs(folder, exist_ok=True)
    unfinished = f"{folder}/.{uuid.uuid4().hex}.{ending}"
    try:
        yield unfinished
        os.replace(unfinished, path)  # noqa: PTH105
    finally:
        for left in glob.glob(glob.escape(unfinished) + "*"):  # noqa: PTH207 - and what lies beside it
            os.remove(left)  # noqa: PTH107
