"""Where an address leads, and what is said when it leads nowhere."""

import errno
import pickle
from pathlib import Path

import pytest

from landslide.cube.address import is_remote, plain_errors, plain_write_errors

OUT, SOURCE = "memory://out.zarr", "memory://source.zarr"


@pytest.mark.parametrize(
    ("uri", "remote"),
    [
        ("zip::/nowhere/c.zip", False),
        ("zip::file:///nowhere/c.zip", False),
        ("/nowhere/c.zip", False),
        ("zip::memory://nowhere/c.zip", True),
        ("memory://nowhere/c.zip", True),
    ],
)
def test_a_zip_lies_where_its_archive_does_and_is_not_opened_to_say_so(
    uri: str, *, remote: bool
) -> None:
    assert is_remote(uri) is remote


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (OSError("no route"), ConnectionError, f"{SOURCE} cannot be reached (OSError: no route)"),
        (OSError("Forbidden"), PermissionError, f"{SOURCE}: access refused (OSError: Forbidden)"),
        (FileNotFoundError("c"), FileNotFoundError, f"no cube at {SOURCE}: there is no such"),
    ],
)
@pytest.mark.parametrize("around", [plain_errors, plain_write_errors])
def test_what_was_said_of_one_address_is_not_said_of_the_one_around_it(
    error: Exception, kind: type[Exception], said: str, around: type[plain_errors]
) -> None:
    with pytest.raises(kind) as raised, around(OUT), plain_errors(SOURCE):
        raise error
    assert type(raised.value) is kind
    assert str(raised.value).startswith(said)
    assert raised.value.__cause__ is error
    received = pickle.loads(pickle.dumps(raised.value))  # from a worker
    with pytest.raises(kind) as again, around(OUT):
        raise received
    assert again.value is received


def test_a_full_disk_is_said_once(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    disk = str(tmp_path / "c.zarr")
    said = pytest.raises(OSError, match=f"^{disk} cannot be written")
    with said as raised, plain_errors(OUT), plain_write_errors(disk):
        raise full
    assert raised.value.__cause__ is full


def test_an_error_that_only_begins_like_ours_is_turned_into_ours() -> None:
    said = f"^{OUT} cannot be reached .OSError: {OUT} cannot be listed"
    with pytest.raises(ConnectionError, match=said), plain_errors(OUT):
        raise OSError(f"{OUT} cannot be listed")
