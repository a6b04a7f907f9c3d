"""The listening sockets: opened once by the supervisor, handed to a worker and to each of its successors.

Every gateway slot has a socket of its own on the same address (SO_REUSEPORT, socket(7)), so that the kernel spreads
connections over the workers. A connection that no worker has accepted waits in its socket's queue, through a restart
too, because the socket is never closed.
"""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from trimtab.declare.project import Listen
from trimtab.errors import CannotListen

BACKLOG = 4096
OWNER_ONLY = 0o177
"""The umask under which a socket is made that only its owner may open."""


def open_listeners(listen: Listen, count: int, setting: str) -> list[socket.socket]:
    """`count` sockets that listen on one address; port 0 takes a free one, the same for all.

    SO_REUSEPORT alone would quietly share the port with another `trimtab up` of the same user, so it is first made
    sure that nobody listens there. Raises `CannotListen`, which names `setting` as what to change.
    """
    opened: list[socket.socket] = []
    address, port = f"{listen.host}:{listen.port}", listen.port
    try:
        family, _, _, _, place = socket.getaddrinfo(listen.host, port, type=socket.SOCK_STREAM)[0]
        if port:
            _claim(family, place)
        for _ in range(count):
            listener = socket.socket(family, socket.SOCK_STREAM)
            opened.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind((place[0], port, *place[2:]))
            listener.listen(BACKLOG)
            listener.setblocking(False)
            port = listener.getsockname()[1]
    except OSError as failure:
        for listener in opened:
            listener.close()
        detail = "another process listens there" if failure.errno == errno.EADDRINUSE else str(failure)
        raise CannotListen(address=address, detail=detail, setting=setting) from failure
    return opened


def open_unix_listener(path: Path) -> socket.socket:
    """Listens on a socket that only the owner may open; one that a process of an earlier life left is replaced.

    It is bound through its open folder, since a socket's address holds no more than 107 bytes (unix(7)). Raises
    `CannotListen`.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        before = os.umask(OWNER_ONLY)
        try:
            listener.bind(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.umask(before)
            os.close(folder)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as failure:
        listener.close()
        detail = failure.strerror or str(failure)
        raise CannotListen(address=str(path), detail=detail, setting="[data] directory") from failure
    return listener


def _claim(family: int, place: tuple[object, ...]) -> None:
    """Binds and lets go again, without SO_REUSEPORT: fails if any socket listens there."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(place)


def url(listen: Listen, listener: socket.socket) -> str:
    """Where a client reaches a listener; a wildcard address is told as the loopback one."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    shown = f"[{host}]" if ":" in host else host
    return f"{'http' if listen.tls is None else 'https'}://{shown}:{port}"
