"""Polls and cancellations: which one a request is, and what it is answered with.

GET  /v1/responses/ID            a response, as the official client of OpenAI polls it
POST /v1/responses/ID/cancel     the same, cancelled
GET  /v1/background/ID           202 while it is not there, then the very answer: its status, type and body
GET  /v1/background/ID/status    how it stands, always as JSON
POST /v1/background/ID/cancel    the same, cancelled
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final, Literal, Protocol

from msgspec import Struct

from trimtab.errors import InvalidRequest, MethodNotAllowed, RunStopped
from trimtab.gateway import replies
from trimtab.gateway.background.refused import NoBackgroundCall
from trimtab.gateway.background.shown import response_object, status_lines, status_object
from trimtab.gateway.exchange import Exchange
from trimtab.gateway.surfaces import openai
from trimtab.journal.asks import Ask, Direct, Told
from trimtab.journal.background import OVER, Poll, Polled
from trimtab.journal.refusals import RunEnded

RESPONSES: Final = "/v1/responses/"
BACKGROUND: Final = "/v1/background/"
ACTIONS: Final = {"": "GET", "status": "GET", "cancel": "POST"}
MOST_ID: Final = 200
FAILED: Final = 500
NO_RETRY: Final = b"x-should-retry: false\r\n"


class Keeper(Protocol):
    """Whoever keeps the journal."""

    async def do(self, ask: Ask) -> Told:
        """What is told; raises `JournalRefusal` and `JournalUnavailable`."""
        ...


class Polling(Struct, frozen=True):
    """What a poll asks: for a `response` or the answer itself, or how it stands, or that it be cancelled."""

    id: str
    shape: Literal["response", "answer"]
    action: str = ""


def polling_of(path: str) -> Polling | None:
    """The poll that a path is one of; None for any other."""
    for prefix, shape in ((RESPONSES, "response"), (BACKGROUND, "answer")):
        if path.startswith(prefix):
            name, slash, action = path.removeprefix(prefix).partition("/")
            known = action in ACTIONS and not (action == "status" and shape == "response")
            if name and len(name) <= MOST_ID and bool(slash) == bool(action) and known:
                return Polling(name, shape, action)  # type: ignore[arg-type]
    return None


def check(exchange: Exchange, asked: Polling) -> None:
    """Raises `MethodNotAllowed`, and `InvalidRequest` for a poll that asks for a stream."""
    request, method = exchange.request, ACTIONS[asked.action]
    if request.method != method:
        raise MethodNotAllowed(path=request.path, method=request.method, allowed=method)
    if b"stream=true" in request.target.partition(b"?")[2].lower().split(b"&"):
        raise InvalidRequest(detail="a background call has no stream; poll without `stream`")


async def answer(exchange: Exchange, asked: Polling, keeper: Keeper, *, anybody: bool) -> None:
    """Answers a poll. Raises what the journal does, and `NoBackgroundCall`."""
    poll = Poll(asked.id, exchange.key, anybody)
    polled = await _poll(keeper, poll)
    if asked.action == "cancel" and polled.call.status not in OVER:
        with suppress(RunEnded):  # it may be over in the meantime
            await keeper.do(Direct("cancel", _by(exchange, anybody=anybody), run=polled.call.run))
        polled = await _poll(keeper, poll)
    exchange.run = polled.call.run
    if asked.shape == "response":
        _tell(exchange, 200, response_of(polled), polled)
    elif asked.action:
        _tell(exchange, 200, status_object(polled.call), polled)
    elif polled.call.status not in OVER:
        _tell(exchange, 202, status_object(polled.call), polled)
    else:
        _answer(exchange, polled)


def _by(exchange: Exchange, *, anybody: bool) -> str:
    if anybody:
        return f"the admin {exchange.key}"
    return f"the client {exchange.key}" if exchange.key else "its client"


async def _poll(keeper: Keeper, poll: Poll) -> Polled:
    told = await keeper.do(poll)
    if not isinstance(told, Polled):
        raise TypeError(f"the journal answers a poll with {type(told).__name__}")
    return told


def response_of(polled: Polled) -> bytes:
    """The call as a response; raises `NoBackgroundCall` for one that is none, or whose answer is not kept any more."""
    call = polled.call
    if call.kind != "response" or (call.status in {"completed", "incomplete"} and polled.content is None):
        raise NoBackgroundCall(id=call.run)
    return response_object(polled)


def _answer(exchange: Exchange, polled: Polled) -> None:
    """The answer itself, whether it is good or an error."""
    call, result = polled.call, polled.result
    if call.status == "cancelled":
        stopped = RunStopped(run=call.run, detail=f"it was cancelled ({call.detail or call.order})")
        _tell(exchange, stopped.status, openai.error_body(stopped), polled, NO_RETRY)
    elif result is not None and polled.content:
        more = b"" if call.status != "failed" else NO_RETRY
        content_type = result.content_type.encode("latin-1", "replace") or replies.JSON
        _tell(exchange, result.status or 200, polled.content, polled, more, content_type)
    elif call.status == "failed":
        body = call.told.encode() or openai.told_error(call.error, call.detail or call.error)
        _tell(exchange, call.status_code or FAILED, body, polled, NO_RETRY)
    else:
        raise NoBackgroundCall(id=call.run)


def _tell(
    exchange: Exchange, status: int, body: bytes, polled: Polled, more: bytes = b"", content_type: bytes = replies.JSON
) -> None:
    exchange.status = status
    block = replies.headers(exchange, content_type) + status_lines(polled.call) + more
    exchange.answer.whole(status, block, body)
