"""What goes back to the client besides the answer itself: our headers, errors, and the routes we answer ourselves."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from trimtab.errors import CallError
from trimtab.gateway.exchange import Exchange
from trimtab.gateway.surfaces import openai
from trimtab.policy.snapshot import Snapshot

JSON = b"application/json"
EVENT_STREAM = b"text/event-stream; charset=utf-8"
DEFAULT_RETRY_AFTER_S = 1.0
UNKNOWN_TIME = "1970-01-01T00:00:00Z"
"""When a model was made, in Anthropic's words for a time that is not known."""
NOT_FORWARDED = frozenset(
    b"alt-svc connection content-length content-type date keep-alive proxy-authenticate server set-cookie "
    b"strict-transport-security te trailer transfer-encoding upgrade x-request-id".split()
)
"""Hop-by-hop fields (RFC 9110, section 7.6.1), what our own server writes, and what is about another origin."""


def headers(exchange: Exchange, content_type: bytes, upstream_request_id: bytes = b"") -> bytes:
    """The header block of an answer, our own headers included."""
    snapshot = exchange.snapshot
    block = (
        f"x-trimtab-call: {exchange.call}\r\nx-trimtab-run: {exchange.run}\r\n"
        f"x-trimtab-model: {exchange.choice.model if exchange.choice else ''}\r\n"
        f"x-trimtab-snapshot: {snapshot.digest[:12]}\r\nx-trimtab-lock: {snapshot.lock_id[:12]}\r\n"
        f"x-trimtab-attempts: {len(exchange.tried)}\r\n"
    ).encode("latin-1", "replace")
    if upstream_request_id:
        block += b"x-request-id: %b\r\n" % upstream_request_id
    return b"content-type: %b\r\n%b" % (content_type, block)


def forwarded(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A replica's own header fields for the client: all but what belongs to its connection, its server or to us."""
    return b"".join(
        [
            b"%b: %b\r\n" % (name, value)
            for name, value in fields
            if name not in NOT_FORWARDED and not name.startswith(b"x-trimtab-")
        ]
    )


def error_headers(failure: CallError) -> bytes:
    """`x-should-retry`, and `Retry-After` where sending again is invited."""
    if not failure.may_repeat:
        return b"x-should-retry: false\r\n"
    wait_s = failure.retry_after_s if failure.retry_after_s is not None else DEFAULT_RETRY_AFTER_S
    return b"x-should-retry: true\r\nretry-after: %d\r\n" % max(1, math.ceil(wait_s))


def send_error(exchange: Exchange, failure: CallError, body: bytes) -> None:
    """Answers with the error's status and the given body."""
    exchange.status = failure.status
    block = headers(exchange, JSON) + error_headers(failure)
    exchange.answer.whole(failure.status, block, body)


def protocol_error(failure: CallError) -> tuple[int, bytes, bytes]:
    """Status, header block and body for a request that never became a call."""
    block = b"content-type: %b\r\n%b" % (JSON, error_headers(failure))
    return failure.status, block, openai.error_body(failure)


def models_list(snapshot: Snapshot) -> bytes:
    """The body of `GET /v1/models`: the tasks, then the models, under the names a client may ask for."""
    names = [(name, task.owner or "trimtab") for name, task in snapshot.tasks.items()]
    names += [(name, "trimtab") for name in snapshot.models]
    data = [{"id": name, "object": "model", "created": 0, "owned_by": owner} for name, owner in names]
    return msgspec.json.encode({"object": "list", "data": data})


def anthropic_models_list(snapshot: Snapshot) -> bytes:
    """The same for a client of Anthropic's API, which is known by its `anthropic-version`: one page of all."""
    names = [*snapshot.tasks, *snapshot.models]
    first, last = (names[0], names[-1]) if names else (None, None)
    data = [{"type": "model", "id": name, "display_name": name, "created_at": UNKNOWN_TIME} for name in names]
    return msgspec.json.encode({"data": data, "has_more": False, "first_id": first, "last_id": last})
