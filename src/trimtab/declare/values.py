"""Single values of a declaration: each function reads one form and raises `Wrong` for anything else.

The message of `Wrong` continues "KEY is ..."; a value that may hold a secret is never repeated in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final, TypeVar, cast
from urllib.parse import SplitResult, urlsplit

from trimtab.declare.keys import PATTERNS
from trimtab.declare.mistakes import nearest, one_of
from trimtab.declare.project import Listen, Route, Secret

T = TypeVar("T")
Word = TypeVar("Word", bound=str)
Read = Callable[[object], T]

NAME: Final = PATTERNS["<name>"]
INPUT: Final = PATTERNS["<input>"]
DURATION: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
SIZE: Final = re.compile(r"([0-9]{1,12})(B|KiB|MiB|GiB|TiB)")
ENVIRONMENT_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
ROUTE: Final = re.compile(r"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (/[^\s]*)")
PATH: Final = re.compile(r"(/[A-Za-z0-9._~!$&'()+,;=:@-]+)+/?|/")
LISTEN: Final = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253}):([0-9]{1,5})")
HOST: Final = re.compile(r"[A-Za-z0-9._:-]{1,253}")
VISIBLE: Final = re.compile(r"[!-~]{1,2048}")
SECONDS: Final = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}
BYTES: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
LONGEST_S: Final = 10 * 366 * 86_400
DURATION_GRAMMAR: Final = 'write a number and one of ms, s, m, h, d, such as "5s" or "250ms"'
SIZE_GRAMMAR: Final = 'write a whole number and one of B, KiB, MiB, GiB, TiB, such as "32MiB"'
OWN_PATHS: Final = frozenset(
    {
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/responses",
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1/models",
        "/health",
        "/ready",
    }
)
"""Paths the gateway answers itself, which no model's server can be reached by."""


class Wrong(Exception):
    """A value that will not do: what it is, and what to write instead."""

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(what, instead)
        self.what = what
        self.instead = instead


def show(value: object) -> str:
    """A value as it might stand in the file, cut short."""
    if isinstance(value, str):
        return json.dumps(value if len(value) <= 60 else value[:57] + "...", ensure_ascii=False)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value) if abs(value) < 10**30 else "a very large number"
    if isinstance(value, Decimal):
        return f"{value:.30g}"
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    return "a table" if isinstance(value, dict) else "a list"


def text(value: object) -> str:
    """A string of 1 to 1,000 printable characters."""
    if not isinstance(value, str):
        raise Wrong(f"{show(value)}, not a string", "write it in quotes")
    if not value or len(value) > 1000 or not value.isprintable():
        raise Wrong("empty, longer than 1,000 characters or not printable", "write a plain string of one line")
    return value


def name(value: object) -> str:
    """A name: 1 to 64 of a-z, 0-9 and `. _ -`."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise Wrong(f"{show(value)}, not a name", "use 1 to 64 of the characters a-z 0-9 . _ -")
    return value


def truth(value: object) -> bool:
    """`true` or `false`."""
    if not isinstance(value, bool):
        raise Wrong(f"{show(value)}, neither true nor false", "write true or false, without quotes")
    return value


def choice(*known: Word) -> Read[Word]:
    """One of some words."""

    def read(value: object) -> Word:
        for word in known:
            if word == value:
                return word
        close = nearest(value, known) if isinstance(value, str) else None
        raise Wrong(show(value), f"write {show(close) if close else one_of(map(show, known))}")

    return read


def whole(low: int, high: int) -> Read[int]:
    """A whole number from `low` to `high`."""

    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Wrong(f"{show(value)}, not a whole number from {low} to {high}", "write one within these bounds")
        return value

    return read


def number(low: float, high: float, *, above: bool = False) -> Read[float]:
    """A number from `low` to `high`; with `above`, `low` itself is too low."""

    def read(value: object) -> float:
        found = decimal(value)
        if not low <= found <= high or (above and found == low):
            bounds = f"{'above' if above else 'from'} {low:g} {'and up ' if above else ''}to {high:g}"
            raise Wrong(f"{show(value)}, not a number {bounds}", "write one within these bounds")
        return float(found)

    return read


def decimal(value: object) -> Decimal:
    """A finite number of at most 30 digits, exact."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise Wrong(f"{show(value)}, not a number", "write a number without quotes")
    found = Decimal(value) if not isinstance(value, int) or abs(value) < 10**30 else Decimal("NaN")
    if not found.is_finite() or len(found.as_tuple().digits) > 30 or abs(found.adjusted()) > 60:
        raise Wrong("not a number that money or time is counted in", "write a finite number of at most 30 digits")
    return found


def duration(low_s: float = 0.001, high_s: float = LONGEST_S) -> Read[float]:
    """Seconds, from a string such as `5s`, `250ms`, `2m`, `1h` or `30d`."""

    def read(value: object) -> float:
        match = DURATION.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise Wrong(f"{show(value)}, not a duration", DURATION_GRAMMAR)
        seconds = float(Decimal(match[1]) * SECONDS[match[2]])
        if not low_s <= seconds <= high_s:
            raise Wrong(f"{show(value)}, which is out of bounds", f"write from {low_s:g}s to {high_s:.10g}s")
        return seconds

    return read


def size(low: int, high: int) -> Read[int]:
    """Bytes, from a string such as `32MiB`."""

    def read(value: object) -> int:
        match = SIZE.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise Wrong(f"{show(value)}, not a size", SIZE_GRAMMAR)
        found = int(match[1]) * BYTES[match[2]]
        if not low <= found <= high:
            raise Wrong(f"{show(value)}, which is out of bounds", f"write from {bytes_text(low)} to {bytes_text(high)}")
        return found

    return read


def bytes_text(count: int) -> str:
    """A size in the largest unit that divides it."""
    unit = max((unit for unit in BYTES if count % BYTES[unit] == 0), key=BYTES.__getitem__)
    return f"{count // BYTES[unit]}{unit}"


def digest(value: object) -> str:
    """`sha256:` and 64 hexadecimal digits."""
    if not isinstance(value, str) or not DIGEST.fullmatch(value):
        raise Wrong(f"{show(value)}, not a digest", "write sha256: and 64 digits of 0-9 a-f")
    return value


def hexadecimal(value: object) -> str:
    """A digest, without its `sha256:`."""
    return digest(value).removeprefix("sha256:")


def day(value: object) -> date:
    """A date without a time."""
    if isinstance(value, datetime) or not isinstance(value, date):
        raise Wrong(f"{show(value)}, not a date", "write year-month-day without quotes, such as 2026-09-01")
    return value


def secret(value: object) -> Secret:
    """Where a secret lies: `env:NAME` or `file:PATH`."""
    kind, _, place = value.partition(":") if isinstance(value, str) else ("", "", "")
    if kind == "env" and ENVIRONMENT_NAME.fullmatch(place):
        return Secret("env", place)
    if kind == "file" and place and place.isprintable():
        return Secret("file", place)
    raise Wrong(
        "not a place where a secret lies (it is not repeated here)",
        'never write the secret itself but "env:NAME" or "file:/path/to/it"; a secret that stood here is known now',
    )


def listen(value: object) -> Listen:
    """`host:port`, an IPv6 address in brackets; port 0 lets the system choose."""
    match = LISTEN.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[2]) > 65535:
        raise Wrong(f"{show(value)}, not an address", 'write "host:port", such as "127.0.0.1:8400" or "[::1]:8400"')
    return Listen(match[1].strip("[]"), int(match[2]))


def route(value: object) -> Route:
    """A method and an exact path, such as `GET /tokenize`."""
    match = ROUTE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Wrong(f"{show(value)}, not a route", 'write a method and a path, such as "GET /tokenize"')
    path = match[2]
    if not PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise Wrong(f"{show(value)}, whose path is not plain", "write it without query, wildcard, escapes and dots")
    if path.rstrip("/") in OWN_PATHS:
        raise Wrong(f"{show(value)}, a route that the gateway itself serves", "leave it out")
    return Route(match[1], path)


def replica(value: object) -> str:
    """The base URL of a model's server, without `/v1` and without a slash at its end."""
    parts = _url(value, ("http", "https"), 'write its base URL, such as "http://10.0.0.11:8000"')
    if parts.username is not None or parts.password is not None:
        raise Wrong("a URL with credentials (not repeated here)", 'take them out and use api_key = "env:NAME"')
    base = parts.path.rstrip("/")
    if base and not PATH.fullmatch(base):
        raise Wrong(f"{show(value)}, whose path is not plain", "write it without escapes and doubled slashes")
    if base.endswith("/v1"):
        raise Wrong(f"{show(value)}, which ends in /v1", "leave /v1 out: the gateway adds the route")
    return f"{parts.scheme}://{_authority(parts)}{base}"


def server(value: object) -> str:
    """The URL of a server with a path, such as an MCP server's; no credentials stand in it."""
    parts = _url(value, ("http", "https"), 'write its URL, such as "http://10.0.0.11:9000/mcp"')
    if parts.username is not None or parts.password is not None:
        raise Wrong("a URL with credentials (not repeated here)", "take them out")
    if parts.path and not PATH.fullmatch(parts.path):
        raise Wrong(f"{show(value)}, whose path is not plain", "write it without escapes and doubled slashes")
    return f"{parts.scheme}://{_authority(parts)}{parts.path}"


def proxy(value: object) -> str:
    """The URL of an HTTP proxy."""
    parts = _url(value, ("http",), 'write the proxy\'s URL, such as "http://proxy:3128"')
    if parts.username is not None or parts.password is not None:
        raise Wrong("a URL with credentials (not repeated here), which is not available yet", "take them out")
    if parts.path not in {"", "/"}:
        raise Wrong(f"{show(value)}, which has a path", "leave the path out")
    return f"http://{_authority(parts)}"


def telemetry(value: object) -> str:
    """`chdb`, or the URL of a ClickHouse server."""
    if value == "chdb":
        return "chdb"
    parts = _url(value, ("http", "https"), 'write "chdb" or the server\'s URL, such as "http://user@host:8123/trimtab"')
    if parts.password is not None:
        raise Wrong("a URL with a password (not repeated here)", 'take it out; telemetry_password = "env:NAME"')
    return cast(str, value)


def _url(value: object, schemes: tuple[str, ...], instead: str) -> SplitResult:
    """Any URL of these schemes with a host and neither query nor fragment."""
    if not isinstance(value, str) or not VISIBLE.fullmatch(value):
        raise Wrong("not a URL", instead)
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise Wrong("a URL whose host or port is malformed", instead) from None
    if parts.scheme not in schemes:
        raise Wrong(f"not a URL that begins with {one_of(f'{scheme}://' for scheme in schemes)}", instead)
    if not parts.hostname or not HOST.fullmatch(parts.hostname) or port == 0:
        raise Wrong("a URL whose host or port is malformed", instead)
    if "?" in value or "#" in value:
        raise Wrong("a URL with a query or a fragment", "leave out what follows the path")
    return parts


def _authority(parts: SplitResult) -> str:
    host = parts.hostname or ""
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if parts.port is None else f"{bracketed}:{parts.port}"
