"""Where no Ray cluster is, one line says so, and soon."""

import socket

import pytest

from cluster.head import cluster_status, host_and_port


def test_an_address_where_nothing_answers_is_one_line() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        said = rf"^no Ray cluster answers at {address} \(unavailable\): is its head running"
        with pytest.raises(OSError, match=said):
            cluster_status(address)


def test_a_server_that_says_nothing_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.head.ANSWER_SECONDS", 0.2)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with pytest.raises(OSError, match=r"^no Ray cluster answers at"):
            cluster_status(f"127.0.0.1:{mute.getsockname()[1]}")


@pytest.mark.parametrize(
    "address",
    [
        "cluster",
        "cluster:",
        ":6379",
        "cluster:99999",
        "http://cluster:8265",
        "ray://cluster:10001",
        "auto",
    ],
)
def test_other_addresses_are_one_line(address: str) -> None:
    with pytest.raises(ValueError, match="is no address of a Ray cluster: give HOST:PORT"):
        host_and_port(address)


def test_a_heads_address_is_taken() -> None:
    assert host_and_port("cluster.example:6379") == "cluster.example:6379"
    assert host_and_port("[::1]:6379") == "[::1]:6379"
