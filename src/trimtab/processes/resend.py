"""A dead letter's request on its way through the gateway again: under its own names, with the operator's key."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final

import msgspec
from msgspec import Struct

from trimtab.declare.project import Listen, Tls
from trimtab.errors import UpstreamError
from trimtab.gateway.pipeline import SURFACES
from trimtab.record.events import Admitted

PATHS: Final = {surface.name: surface.path for surface in SURFACES}
ANSWER_S: Final = 3600.0
"""The longest silence of the gateway; a call's own deadlines end it long before."""
ASKED_S: Final = 120.0
"""The same for a call that control makes itself, which can be made again."""
PIECE_BYTES: Final = 64 << 10
KEPT_BYTES: Final = 64 << 10
"""Of an answer only its end is looked at: a stream that fails says so there."""
MAX_TOLD: Final = 500


class Sent(Struct, frozen=True):
    """How a request that was sent to the gateway ended; `call` is the id it went under, empty if it was not let in."""

    ok: bool
    status: int
    call: str
    detail: str


Send = Callable[[str, dict[str, str], bytes], Sent]
"""POST (path, headers, body) to the gateway; blocks. Raises `UpstreamError` when it cannot be reached."""


def labels(admitted: Admitted) -> dict[str, str]:
    """The headers under which a call keeps its identity."""
    named = {
        "x-trimtab-redrive": admitted.call,
        "x-trimtab-redrive-key": admitted.key,
        "x-trimtab-task": admitted.task,
        "x-trimtab-run": admitted.run,
        "x-trimtab-step": admitted.step,
        "x-trimtab-parent": admitted.parent,
        "x-trimtab-conversation": admitted.conversation,
        "x-trimtab-user": admitted.end_user,
        "traceparent": f"00-{admitted.trace_id}-{admitted.parent_span}-01" if admitted.trace_id else "",
    }
    return {name: value for name, value in named.items() if value}


def gateway_sender(listen: Listen, operator_key: Callable[[], str]) -> Send:
    """A `Send` to the gateway of this host; the key is read each time, since it changes with the gateway's life."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host)  # noqa: S104  compared, not bound
    place = f"the gateway at {host}:{listen.port}"

    def send(path: str, headers: dict[str, str], body: bytes) -> Sent:
        with closing(_connection(host, listen.port, listen.tls)) as connection:
            try:
                secret = {"authorization": f"Bearer {operator_key()}", "content-type": "application/json"}
                connection.request("POST", path, body, {**headers, **secret})
                answer = connection.getresponse()
            except (OSError, http.client.HTTPException) as failure:
                raise UpstreamError(replica=place, detail=_told_by(failure)) from failure
            call = answer.headers.get("x-trimtab-call", "")
            end, is_whole = _end_of(answer)
        ok = is_whole and answer.status == http.client.OK
        return Sent(ok, answer.status, call, "" if ok else message_in(end) or _state(answer.status, whole=is_whole))

    return send


class Told(Struct, frozen=True):
    """What the gateway answered to a call of control's own: status, the call's id, what was read of the body, and how
    many attempts were made; a call of which none was may not have been let in.
    """

    status: int
    call: str
    body: bytes
    attempts: int = 0


Ask = Callable[[dict[str, str], bytes], Told]
"""POST (headers, body) of a chat completion to the gateway; blocks. Raises `UpstreamError` when it does not answer."""


def gateway_asker(
    listen: Listen, operator_key: Callable[[], str], most_bytes: int = KEPT_BYTES, limit_s: float = ASKED_S
) -> Ask:
    """An `Ask` of the gateway of this host, with the operator's key, which is read each time; of an answer `most_bytes`
    are read, and the gateway may be silent for `limit_s`.
    """
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host)  # noqa: S104  compared, not bound
    place = f"the gateway at {host}:{listen.port}"

    def ask(headers: dict[str, str], body: bytes) -> Told:
        with closing(_connection(host, listen.port, listen.tls, limit_s)) as connection:
            try:
                secret = {"authorization": f"Bearer {operator_key()}", "content-type": "application/json"}
                connection.request("POST", PATHS["chat_completions"], body, {**headers, **secret})
                answer = connection.getresponse()
                attempts = answer.headers.get("x-trimtab-attempts", "")
                return Told(
                    answer.status,
                    answer.headers.get("x-trimtab-call", ""),
                    answer.read(most_bytes),
                    int(attempts) if attempts.isdecimal() else 0,
                )
            except (OSError, http.client.HTTPException) as failure:
                raise UpstreamError(replica=place, detail=_told_by(failure)) from failure

    return ask


def message_in(answer: bytes) -> str:
    """What the error at the end of an answer says: of a JSON document, or of the last event of a stream; else ""."""
    text = answer.decode("utf-8", "replace").strip()
    data = [line.removeprefix("data:") for line in text.splitlines() if line.startswith("data:")]
    for candidate in (text, *data[-1:]):
        try:
            found: Any = msgspec.json.decode(candidate)
        except msgspec.DecodeError:
            continue
        for name in ("response", "error"):
            found = found.get(name) or found if isinstance(found, dict) else found
        if isinstance(found, dict) and isinstance(found.get("message"), str):
            return str(found["message"])[:MAX_TOLD]
    return ""


def _connection(host: str, port: int, tls: Tls | None, timeout_s: float = ANSWER_S) -> http.client.HTTPConnection:
    if tls is None:
        return http.client.HTTPConnection(host, port, timeout=timeout_s)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the gateway's own certificate is all that is trusted, whatever name it bears
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(tls.cert)
    return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)


def _end_of(answer: http.client.HTTPResponse) -> tuple[bytes, bool]:
    """The last bytes of an answer, and whether it came whole."""
    end = b""
    try:
        while piece := answer.read(PIECE_BYTES):
            end = (end + piece)[-KEPT_BYTES:]
    except http.client.IncompleteRead as cut:
        return (end + cut.partial)[-KEPT_BYTES:], False
    except (OSError, http.client.HTTPException):
        return end, False
    return end, answer.length in {None, 0}


def _state(status: int, *, whole: bool) -> str:
    return f"HTTP {status}" if whole else "the answer broke off"


def _told_by(failure: Exception) -> str:
    return getattr(failure, "strerror", None) or str(failure) or type(failure).__name__
