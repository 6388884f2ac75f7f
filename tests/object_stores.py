"""Object stores on loopback, one of each protocol for a whole run, and who may ask them."""

import functools
import json
import logging
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, override

import pytest

from .serving import QuietHandler, forget, serving


@pytest.fixture
def fresh_s3(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a bucket to which nobody has connected yet."""
    import s3fs

    monkeypatch.setattr(s3fs.S3FileSystem, "_cache", {})
    yield s3_bucket
    forget(s3fs.S3FileSystem)


@pytest.fixture(scope="session")
def s3_bucket() -> Iterator[str]:
    """Address of an empty bucket of Amazon's protocol; the environment says where it is."""
    from moto.moto_server.threaded_moto_server import MotoRequestHandler, ThreadedMotoServer

    MotoRequestHandler.disable_nagle_algorithm = True
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("cubes")
        yield "s3://cubes"
        forget(s3fs.S3FileSystem)
    server.stop()


class TokenHandler(QuietHandler):
    """Gives whoever proves to have a service account's key a token to ask Google's stores with."""

    def __init__(self, *args: Any, token: str, given: list[str]) -> None:
        self.token, self.given = token, given
        super().__init__(*args)

    @override
    def do_POST(self) -> None:
        """Answer with the token."""
        self.given.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.answer(json.dumps({"access_token": self.token, "expires_in": 3600}).encode())


@dataclass
class ServiceAccount:
    """What a client of Google's stores proves itself with, and what must be found nowhere."""

    key: str
    """The private key, of PEM's lines."""
    token: str = field(default_factory=lambda: f"planted{secrets.token_hex(12)}")
    given: list[str] = field(default_factory=list)
    """What was sent for the token."""


@pytest.fixture(scope="session")
def service_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceAccount]:
    """Return a service account; the environment says where its key lies."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = ServiceAccount(key.decode())
    handler = functools.partial(TokenHandler, token=account.token, given=account.given)
    path = tmp_path_factory.mktemp("account") / "key.json"
    with serving(handler) as address, pytest.MonkeyPatch.context() as patch:
        described = {"type": "service_account", "project_id": "cubes", "private_key": account.key}
        described |= {"client_email": "somebody@cubes.test", "token_uri": f"{address}/token"}
        path.write_text(json.dumps(described))
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        yield account


def upload(whole: Callable[..., Any], request: Any, query: Any) -> Any:
    """Read an upload whole, as Google does.

    The emulator parses it as mail: gcsfs ends lines with a byte of 10 alone, and where the content
    ends with 13, the two are one line's end there, and what is stored lacks a byte.
    """
    from gcp_storage_emulator import server

    kind, _, boundary = request.headers.get("Content-Type", "").partition("; boundary=")
    if kind != "multipart/related":
        return whole(request, query)
    raw = server._decode_raw_data(server._read_raw_data(request), request)
    _, described, content, _ = raw.split(b"--" + boundary.strip('"').encode())
    header, body = content.split(b"\n\n", 1)
    return {
        "meta": json.loads(described.split(b"\n\n", 1)[1]),
        "content": body.removesuffix(b"\n"),
        "content-type": header.partition(b": ")[2].decode(),
    }


@pytest.fixture(scope="session")
def gs_bucket(service_account: ServiceAccount) -> Iterator[str]:
    """Address of an empty bucket of Google's protocol; the environment says where it is."""
    from gcp_storage_emulator import server as emulator

    emulator.RequestHandler.disable_nagle_algorithm = True
    logging.getLogger("gcp_storage_emulator").setLevel(logging.ERROR)
    server = emulator.create_server("127.0.0.1", 0, in_memory=True, default_bucket="cubes")
    server.start()
    port = server._api._httpd.server_port  # which it holds: nobody took it meanwhile
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emulator, "_read_data", functools.partial(upload, emulator._read_data))
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        import gcsfs

        gcsfs.GCSFileSystem.clear_instance_cache()
        yield "gs://cubes"
        forget(gcsfs.GCSFileSystem)
    server.stop()
