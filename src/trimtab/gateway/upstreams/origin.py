"""Where a replica is reached."""

from __future__ import annotations

from urllib.parse import urlsplit

from msgspec import Struct

_PORTS = {"http": 80, "https": 443}


class Origin(Struct, frozen=True, cache_hash=True):
    """Scheme, host and port of a replica, and the way to it.

    `ca` is a file of certificates to trust instead of the system's; `proxy` the URL of an HTTP proxy that is asked to
    CONNECT. `base_path` is what stands before every path ("" or like "/v1", without a slash at its end).
    """

    scheme: str
    host: str
    port: int
    ca: str | None = None
    proxy: str | None = None
    base_path: str = ""

    @classmethod
    def parse(cls, url: str, ca: str | None = None, proxy: str | None = None) -> Origin:
        """The origin in an http or https URL; raises ValueError on any other text, and on a proxy that is not http."""
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"{url!r} is not an http or https URL")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError(f"the URL of {parts.hostname} may only have a host, a port and a path")
        if proxy is not None and (urlsplit(proxy).scheme != "http" or not urlsplit(proxy).hostname):
            raise ValueError("a proxy is given as http://[user:password@]host:port")
        port = _PORTS[parts.scheme] if parts.port is None else parts.port
        return cls(parts.scheme, parts.hostname, port, ca, proxy, parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """What belongs into a Host field: the host, and the port unless it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.base_path}"

    def __repr__(self) -> str:
        """Without the proxy's user and password."""
        way = "".join((", own CA" if self.ca else "", ", by proxy" if self.proxy else ""))
        return f"Origin({self}{way})"
