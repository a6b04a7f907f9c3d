"""The sockets that outlive workers."""

from __future__ import annotations

import socket

import pytest

from trimtab.declare.project import Listen, Tls
from trimtab.errors import CannotListen
from trimtab.processes import listeners


def test_slots_share_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several slots listen on the same port, each on a socket of its own; port 0 takes a free one for all."""
    opened = listeners.open_listeners(Listen("127.0.0.1", 0), 3, "[gateway] listen")
    assert len({listener.getsockname() for listener in opened}) == 1
    assert len({listener.fileno() for listener in opened}) == 3
    for listener in opened:
        listener.close()


def test_port_of_another_listener_is_refused_not_shared() -> None:
    """A port on which somebody listens, with SO_REUSEPORT too, is refused, and the message says which setting."""
    opened = listeners.open_listeners(Listen("127.0.0.1", 0), 1, "[gateway] listen")
    port = opened[0].getsockname()[1]
    with pytest.raises(CannotListen) as refused:
        listeners.open_listeners(Listen("127.0.0.1", port), 1, "[gateway] listen")
    assert str(refused.value) == (
        f"Cannot listen on 127.0.0.1:{port}: another process listens there; stop what listens there, or change"
        " [gateway] listen in trimtab.toml."
    )
    opened[0].close()


def test_port_is_free_again_after_connections_in_time_wait() -> None:
    """A restarted gateway gets its port although closed connections of the one before linger."""
    (first,) = listeners.open_listeners(Listen("127.0.0.1", 0), 1, "[gateway] listen")
    first.setblocking(True)
    address = first.getsockname()
    with socket.create_connection(address) as client:
        served, _ = first.accept()
        served.close()
        assert client.recv(1) == b""
    first.close()
    (second,) = listeners.open_listeners(Listen("127.0.0.1", address[1]), 1, "[gateway] listen")
    second.close()


def test_address_that_is_not_ours_is_refused() -> None:
    """An address that this machine does not have is a `CannotListen` with the system's words."""
    with pytest.raises(CannotListen, match=r"192\.0\.2\.1:1"):
        listeners.open_listeners(Listen("192.0.2.1", 1), 1, "[gateway] listen")


@pytest.mark.parametrize(
    ("host", "tls", "expected"),
    [
        ("127.0.0.1", None, "http://127.0.0.1:{port}"),
        ("0.0.0.0", None, "http://127.0.0.1:{port}"),
        ("127.0.0.1", Tls("c", "k"), "https://127.0.0.1:{port}"),
    ],
)
def test_url_is_one_that_works_here(host: str, tls: Tls | None, expected: str) -> None:
    """The URL that is told can be used as it stands, for a wildcard address too."""
    listen = Listen(host, 0, tls)
    (listener,) = listeners.open_listeners(listen, 1, "[gateway] listen")
    assert listeners.url(listen, listener) == expected.format(port=listener.getsockname()[1])
    listener.close()
