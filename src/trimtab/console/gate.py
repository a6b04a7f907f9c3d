"""Who may pass: a key in the Authorization header, or a session's cookie, and what a request that acts must bring."""

from __future__ import annotations

import hmac
import logging
import secrets
from collections import OrderedDict
from typing import Final, Protocol
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from trimtab.access.keys import Key
from trimtab.access.sessions import Session, form_token
from trimtab.clock import Clock
from trimtab.console.endpoint import OWNER, SAFE, Endpoint, Visitor
from trimtab.errors import (
    BodyTooLarge,
    CallError,
    Forbidden,
    InvalidRequest,
    StoreError,
    TooManyWrongKeys,
    Unauthorized,
)

BEARER: Final = "bearer "
FORM_FIELD: Final = "form"
FORM_HEADER: Final = "x-trimtab-form"
MAX_FIELDS: Final = 200
MAX_FORM: Final = 1 << 20
"""Bytes of a form; they are taken apart in the loop that serves everybody."""
WRONG_AT_ONCE: Final = 10
"""How many wrong keys one address may send before it must wait."""
WRONG_EVERY_S: Final = 6.0
"""How long after that until one more is looked at."""
MOST_ADDRESSES: Final = 1024
"""How many addresses are remembered; the one heard of longest ago is forgotten first."""
AGAIN_S: Final = 5.0
"""After how long to ask again where keys cannot be read."""

log = logging.getLogger("trimtab.control")


class KeysUnreadable(CallError):
    """The keys cannot be read, so that nobody can be let in; see whether `state.db` in the data directory is whole and
    its disk has room (control's log says what failed), then try again. `/health` answers meanwhile.
    """

    code = "keys_unavailable"
    status = 503
    may_repeat = True


class KeyFinder(Protocol):
    """The live keys."""

    def refresh(self) -> bool:
        """Reads the keys again if they have changed."""

    def find(self, secret: bytes) -> Key | None:
        """The live key with this secret."""

    def live(self, key: str) -> Key | None:
        """The live key of this id."""


class Sessions(Protocol):
    """Who is signed in."""

    def begin(self, key: Key) -> str:
        """Signs the owner of a key in; returns the token for the cookie."""

    def find(self, token: str) -> Session | None:
        """The session of this token, unless it has ended."""

    def end(self, token: str) -> None:
        """Ends the session of this token, if there is one."""


class Gate(Protocol):
    """Decides who sent a request."""

    def visitor(self, request: Request) -> Visitor | None:
        """Whoever sent it; None for nobody that is known."""


class OwnerGate:
    """For the unix socket, which only the owner of the data directory can open."""

    def visitor(self, request: Request) -> Visitor | None:
        """The owner."""
        return OWNER


class OpenGate:
    """For the demo on loopback: everybody there is an admin."""

    def __init__(self) -> None:
        self._visitor = Visitor("(demo)", "admin", form=secrets.token_urlsafe(16))

    def visitor(self, request: Request) -> Visitor | None:
        """Whoever is on this machine."""
        return self._visitor


class WrongKeys:
    """How many wrong keys each address sent of late. Right keys are never held up: they hold 256 random bits, so what
    is held off is the load and not the guess.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._free_at: OrderedDict[str, float] = OrderedDict()

    def __repr__(self) -> str:
        return f"WrongKeys({len(self._free_at)} addresses)"

    def wait_s(self, address: str) -> float:
        """How long this address must wait before another wrong key of it is looked at."""
        ahead_s = self._free_at.get(address, 0.0) - self._clock.monotonic()
        return max(0.0, ahead_s - (WRONG_AT_ONCE - 1) * WRONG_EVERY_S)

    def count(self, address: str) -> None:
        """One more came."""
        now_s = self._clock.monotonic()
        self._free_at[address] = max(now_s, self._free_at.get(address, now_s)) + WRONG_EVERY_S
        self._free_at.move_to_end(address)
        while len(self._free_at) > MOST_ADDRESSES:
            self._free_at.popitem(last=False)


class KeyGate:
    """For the network: a key in the Authorization header, or else a session's cookie.

    A key that is revoked ends its sessions with the next request, as soon as the database shows it. While that cannot
    be read nobody is let in, because nothing tells whether a key still lives: `KeysUnreadable`.
    """

    def __init__(self, keys: KeyFinder, sessions: Sessions, clock: Clock, cookie: str) -> None:
        self._keys = keys
        self._sessions = sessions
        self._wrong = WrongKeys(clock)
        self._trouble = ""
        self.cookie = cookie

    def visitor(self, request: Request) -> Visitor | None:
        """Whoever sent it; raises `Unauthorized` for a key that is not live, `TooManyWrongKeys` after many of them."""
        sent = request.headers.get("authorization")
        if sent is not None:
            is_bearer = sent[: len(BEARER)].lower() == BEARER
            return Visitor.of(self.key(request, sent[len(BEARER) :].strip() if is_bearer else ""))
        token = request.cookies.get(self.cookie, "")
        return self._signed_in(token) if token else None

    def key(self, request: Request, secret: str) -> Key:
        """The live key with this secret; raises `Unauthorized`, or `TooManyWrongKeys` after many wrong ones."""
        sent = secret.encode("utf-8", "surrogatepass")
        found = self._keys.find(sent)
        address = request.client.host if request.client is not None else ""
        wait_s = self._wrong.wait_s(address)
        if found is None and wait_s:
            raise TooManyWrongKeys(address=address, wait_s=round(wait_s + 0.5), retry_after_s=wait_s)
        self._refresh()
        found = self._keys.find(sent)
        if found is None:
            self._wrong.count(address)
            raise Unauthorized
        return found

    def sign_in(self, key: Key) -> str:
        """Begins a session; returns the token for the cookie."""
        return self._sessions.begin(key)

    def sign_out(self, token: str) -> None:
        """Ends a session."""
        self._sessions.end(token)

    def _refresh(self) -> None:
        """Reads the keys again; what keeps failing is logged once, and told to nobody who has not been let in."""
        try:
            self._keys.refresh()
        except StoreError as failure:
            if str(failure) != self._trouble:
                self._trouble = str(failure)
                log.error("keys_unreadable", extra={"fields": {"error": self._trouble}})  # noqa: TRY400 - it is no bug
            raise KeysUnreadable(retry_after_s=AGAIN_S) from failure
        self._trouble = ""

    def _signed_in(self, token: str) -> Visitor | None:
        session = self._sessions.find(token)
        if session is None:
            return None
        self._refresh()
        key = self._keys.live(session.key)
        if key is None:
            self._sessions.end(token)
            return None
        return Visitor.of(key, form_token(token), token)


async def admit(gate: Gate, endpoint: Endpoint, request: Request) -> Visitor | None:
    """Whoever may use this endpoint; raises `Unauthorized`, `Forbidden` or `TooManyWrongKeys` for others."""
    visitor = gate.visitor(request) if endpoint.least != "anyone" else None
    if endpoint.least != "anyone":
        if visitor is None:
            raise Unauthorized
        if not visitor.may(endpoint.least):
            raise Forbidden(key=visitor.name, what=f"{endpoint.path}: it is for the role {endpoint.least} or more")
        if endpoint.whole and visitor.tasks:
            raise Forbidden(key=visitor.name, what="figures of the whole host")
    if request.method not in SAFE:
        await _hold_to_own_pages(endpoint, request, visitor)
    return visitor


async def _hold_to_own_pages(endpoint: Endpoint, request: Request, visitor: Visitor | None) -> None:
    """A browser sends what it holds with requests that other sites began: those are refused."""
    headers = request.headers
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    foreign = site not in (None, "same-origin") or (origin is not None and _host_of(origin) != headers.get("host"))
    has_key = headers.get("authorization", "")[: len(BEARER)].lower() == BEARER
    if has_key and not foreign:
        return
    name = visitor.name if visitor is not None else "(none)"
    if foreign:
        raise Forbidden(key=name, what=f"{endpoint.path} from a page of another site")
    if visitor is not None and visitor.form and (visitor.session or endpoint.page or site or origin):
        told = headers.get(FORM_HEADER) or (await form_of(request)).get(FORM_FIELD, "")
        if not hmac.compare_digest(told.encode(), visitor.form.encode()):
            raise Forbidden(key=name, what=f"{endpoint.path} with a form of another session; load the page again")


def _host_of(origin: str) -> str | None:
    """The host and port of an origin; None for what is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


async def form_of(request: Request, most: int = MAX_FORM) -> dict[str, str]:
    """The fields of a form; of those given twice the last. Raises `InvalidRequest` for one with too many, and
    `BodyTooLarge` for one over `most` bytes.
    """
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    body = await request.body()
    if len(body) > most:
        raise BodyTooLarge(limit=most)
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), True, max_num_fields=MAX_FIELDS)
    except ValueError as wrong:
        raise InvalidRequest(detail=f"the form has more than {MAX_FIELDS} fields") from wrong
    return dict(pairs)
