"""Who signs an archive's addresses.

A signature lasts an hour and a cube may take longer, so addresses travel unsigned and are signed
where a pixel is read, on whichever worker that is.
"""

from collections.abc import Callable

import planetary_computer
import requests
from planetary_computer.sas import TOKEN_CACHE

from landslide.errors import one_line
from landslide.storage import without_secrets

Signer = Callable[[str, bool], str]
"""From an address, and whether the last signature was refused, to a signed address."""


def unsigned(address: str, _refused: bool) -> str:
    """Return an address that needs no signature."""
    return address


def sign_azure(address: str, refused: bool) -> str:
    """Return an address in the Planetary Computer's store signed; any other as it is.

    Its client keeps signatures until they expire; a refused one is thrown away.

    Raises
    ------
    PermissionError, ConnectionError
        Where it signs nothing for us, or cannot be reached.
    """
    if refused:
        TOKEN_CACHE.clear()
    try:
        return str(planetary_computer.sign_url(address))
    except requests.RequestException as error:
        plain = without_secrets(address)
        status = error.response.status_code if error.response is not None else None
        if status in (401, 403):
            raise PermissionError(
                f"{plain}: the Planetary Computer does not sign it (HTTP {status}): set "
                "PC_SDK_SUBSCRIPTION_KEY to the key of your account there"
            ) from error
        if status == 404:
            raise PermissionError(
                f"{plain}: the Planetary Computer signs nothing there (HTTP 404): set "
                '`signing = "none"` where it needs no signature'
            ) from error
        said = one_line(error, 160)
        raise ConnectionError(
            f"{plain}: the Planetary Computer's signatures cannot be had ({said}): run again "
            "to go on"
        ) from error


SIGNERS: dict[str, Signer] = {"planetary-computer": sign_azure, "none": unsigned}
"""By the names that an event file has for them."""
