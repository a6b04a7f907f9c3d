"""How a connection to a replica comes about: addresses, TLS, a proxy."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from trimtab.clock import Clock
from trimtab.errors import ConnectFailed, ConnectTimeout
from trimtab.gateway.upstreams.connection import UpstreamConnection
from trimtab.gateway.upstreams.origin import Origin

_ADDRESSES_LAST_S = 5.0
_MAX_NAMES = 256
_MAX_PROXY_HEAD = 16 << 10
_PROXY_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")

Address = tuple[int, str, int]
Protocol = Callable[[], UpstreamConnection]
Made = TypeVar("Made")


class Dialer:
    """Opens connections. Addresses are kept for 5 s and TLS contexts until their CA file changes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._addresses: dict[tuple[str, int], tuple[float, list[Address]]] = {}
        self._contexts: dict[str | None, tuple[int, ssl.SSLContext]] = {}

    async def dial(self, origin: Origin, timeout_s: float, protocol: Protocol) -> UpstreamConnection:
        """A connection to `origin`; raises `ConnectTimeout` after `timeout_s` seconds in all, else `ConnectFailed`."""
        try:
            async with asyncio.timeout(timeout_s) as limit:
                return await self._open(origin, protocol, timeout_s)
        except TimeoutError as error:
            if limit.expired():
                raise ConnectTimeout(origin=str(origin), limit_s=timeout_s) from None
            raise ConnectFailed(origin=str(origin), detail=_detail(error)) from None
        except (OSError, _ProxyRefusedError) as error:
            raise ConnectFailed(origin=str(origin), detail=_detail(error)) from None

    async def _open(self, origin: Origin, protocol: Protocol, timeout_s: float) -> UpstreamConnection:
        context = await self._context(origin.ca) if origin.scheme == "https" else None
        name = None if context is None else origin.host
        loop = asyncio.get_running_loop()
        if origin.proxy is not None:
            sock = await self._tunnel(origin, origin.proxy, timeout_s)
            return (await loop.create_connection(protocol, sock=sock, ssl=context, server_hostname=name))[1]

        async def connect(family: int, host: str, port: int) -> UpstreamConnection:
            made = await loop.create_connection(protocol, host, port, family=family, ssl=context, server_hostname=name)
            return made[1]

        return await self._first(origin.host, origin.port, timeout_s, connect)

    async def _first(
        self, host: str, port: int, timeout_s: float, connect: Callable[[int, str, int], Awaitable[Made]]
    ) -> Made:
        """What `connect` makes of the first address that answers.

        Every address but the last gets its share of the time, so that one that swallows packets does not take it all.
        """
        addresses = await self._resolve(host, port)
        for left in range(len(addresses), 1, -1):
            try:
                async with asyncio.timeout(timeout_s / left):
                    return await connect(*addresses[-left])
            except OSError:
                continue
        try:
            return await connect(*addresses[-1])
        except OSError:
            self._addresses.pop((host, port), None)
            raise

    async def _resolve(self, host: str, port: int) -> list[Address]:
        known = self._addresses.get((host, port))
        now = self._clock.monotonic()
        if known is not None and known[0] > now:
            return known[1]
        literal = _literal(host)
        if literal is not None:
            return [(literal, host, port)]
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses: list[Address] = [(entry[0], str(entry[4][0]), port) for entry in found]
        if len(self._addresses) >= _MAX_NAMES:
            self._addresses.clear()
        self._addresses[host, port] = (now + _ADDRESSES_LAST_S, addresses)
        return addresses

    async def _context(self, ca: str | None) -> ssl.SSLContext:
        """Verifies host and chain. Reading certificates takes tens of milliseconds, hence not on the loop."""
        return await asyncio.get_running_loop().run_in_executor(None, self._read_context, ca)

    def _read_context(self, ca: str | None) -> ssl.SSLContext:
        changed = 0 if ca is None else os.stat(ca).st_mtime_ns  # noqa: PTH116  a Path would be made to be thrown away
        known = self._contexts.get(ca)
        if known is not None and known[0] == changed:
            return known[1]
        context = ssl.create_default_context(cafile=ca)
        context.set_alpn_protocols(["http/1.1"])
        self._contexts[ca] = (changed, context)
        return context

    async def _tunnel(self, origin: Origin, proxy: str, timeout_s: float) -> socket.socket:
        """A socket that the proxy has connected to the origin (RFC 9110, section 9.3.6)."""
        parts = urlsplit(proxy)
        sock = await self._first(parts.hostname or "", parts.port or 80, timeout_s, _connected_socket)
        try:
            await _ask_proxy(sock, origin, parts.username, parts.password)
        except BaseException:
            sock.close()
            raise
        return sock


async def _connected_socket(family: int, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, (host, port))
    except BaseException:
        sock.close()
        raise
    return sock


class _ProxyRefusedError(Exception):
    """The proxy does not connect us."""


async def _ask_proxy(sock: socket.socket, origin: Origin, user: str | None, password: str | None) -> None:
    loop = asyncio.get_running_loop()
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    lines = [f"CONNECT {host}:{origin.port} HTTP/1.1", f"Host: {host}:{origin.port}"]
    if user is not None:
        credentials = b64encode(f"{unquote(user)}:{unquote(password or '')}".encode()).decode("ascii")
        lines.append(f"Proxy-Authorization: Basic {credentials}")
    await loop.sock_sendall(sock, "\r\n".join([*lines, "", ""]).encode("latin-1"))
    head = b""
    while b"\r\n\r\n" not in head:
        more = await loop.sock_recv(sock, 4096)
        head += more
        if not more or len(head) > _MAX_PROXY_HEAD:
            raise _ProxyRefusedError("the proxy did not answer the CONNECT")
    status = _PROXY_STATUS.match(head)
    if status is None or not head.endswith(b"\r\n\r\n"):
        raise _ProxyRefusedError("the proxy's answer to the CONNECT is not HTTP/1.1")
    if not status[1].startswith(b"2"):
        raise _ProxyRefusedError(f"the proxy answered the CONNECT with {status[1].decode('ascii')}")


def _literal(host: str) -> socket.AddressFamily | None:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return family
    return None


def _detail(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not hold ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or type(error).__name__})"
    if isinstance(error, socket.gaierror):
        return f"its name has no address ({error.strerror})"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
