"""What a request asks for that is to be made in the background, and what of it the call is sent with later."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from trimtab.declare.background import Background
from trimtab.errors import InvalidRequest
from trimtab.gateway.admission import label
from trimtab.gateway.background.refused import BackgroundTooLarge
from trimtab.gateway.exchange import Exchange
from trimtab.gateway.surfaces.surface import Asked
from trimtab.guard.deadlines import asked_total_s
from trimtab.journal.background import Kind, Limits, Submit
from trimtab.journal.entries import Started, body_of
from trimtab.policy.snapshot import UNDECLARED
from trimtab.record.events import JUDGE_TASK

HEADER: Final = b"x-trimtab-background"
RECEIVER: Final = b"x-trimtab-receiver"
REPEAT: Final = b"idempotency-key"
DEADLINE: Final = b"x-trimtab-deadline-ms"
RUN: Final = b"x-trimtab-run"
REPLAY: Final = b"x-trimtab-replay"
NOT_KEPT: Final = frozenset(
    b"x-trimtab-background x-trimtab-receiver x-trimtab-task x-trimtab-run x-trimtab-deadline-ms x-trimtab-branch "
    b"x-trimtab-lease x-trimtab-after x-trimtab-replay-session x-trimtab-replay-speed x-trimtab-evaluation "
    b"x-trimtab-redrive x-trimtab-redrive-key".split()
)
"""Headers of ours that belong to the submission, or that its run sets itself."""
KEPT: Final = frozenset({b"traceparent", b"anthropic-version", b"anthropic-beta"})
ONCE: Final = frozenset({"count_tokens", "passthrough"})
"""Surfaces whose calls are over before anybody could poll them."""
ECHOED: Final = ("model", "metadata", "temperature", "top_p", "tool_choice", "parallel_tool_calls", "max_output_tokens")
"""Fields of a request that a response tells while it is not there yet."""
MOST_ECHOED: Final = 8192
PREFIX: Final[dict[Kind, str]] = {"response": "resp_", "answer": "bg_"}


class Wanted(Struct, frozen=True):
    """A call to be made later: how its client is told of it, and the ask that takes it in."""

    kind: Kind
    submit: Submit


def kind_of(exchange: Exchange) -> Kind | None:
    """Whether the call is to be made in the background; raises `InvalidRequest` for one that cannot be."""
    headers, asked = exchange.request.headers, exchange.asked
    said = headers.get(HEADER)
    if said not in (None, b"true", b"false"):
        raise InvalidRequest(detail="x-trimtab-background is neither true nor false; send one of them")
    by_field = asked.background and not asked.stream
    if not by_field and said != b"true":
        return None
    if asked.stream:
        raise InvalidRequest(detail="a background call has no stream; leave out `stream`, and poll for its answer")
    if exchange.purpose or exchange.redrive_of or exchange.key == JUDGE_TASK:
        raise InvalidRequest(detail="a call that is not a client's own is not made in the background")
    if REPLAY in headers:
        raise InvalidRequest(
            detail="a background call has no x-trimtab-replay; leave it out, or ask without background"
        )
    if exchange.surface.name in ONCE:
        raise InvalidRequest(detail=f"{exchange.request.path} is answered at once; leave out x-trimtab-background")
    return "response" if by_field else "answer"


def without_background(exchange: Exchange) -> None:
    """Raises `InvalidRequest` for a call that is to wait where there is no journal to wait in."""
    if kind_of(exchange) is not None:
        raise InvalidRequest(detail="a background call needs a journal of runs and this gateway has none; leave it out")


def wanted(exchange: Exchange, kind: Kind, settings: Background, receivers: Collection[str]) -> Wanted:
    """The ask that takes a call in. Raises `InvalidRequest`, and `BackgroundTooLarge`."""
    task, asked = exchange.task, exchange.asked
    if task.redaction != "full":
        raise InvalidRequest(
            detail=f"calls of {task.name} cannot wait: its redaction is {task.redaction}, so that no request is kept; "
            "ask without background, or declare redaction = full"
        )
    body = body_kept(asked) if asked.background else exchange.request.body
    if len(body) > settings.max_request:
        raise BackgroundTooLarge(limit=settings.max_request)
    receiver = label(exchange, RECEIVER)
    if receiver and receiver not in receivers:
        raise InvalidRequest(detail=f"there is no receiver {receiver!a}; name one that [receivers] declares")
    kept = body_of(body)
    deadline = exchange.request.headers.get(DEADLINE)
    life_s = settings.deadline_s if deadline is None else min(settings.deadline_s, asked_total_s(deadline))
    submit = Submit(
        run=PREFIX[kind] + exchange.call,
        started=Started(
            at_ns=exchange.at_ns,
            task=task.name,
            through="background",
            input=kept,
            lock=exchange.snapshot.lock_id,
            snapshot=exchange.snapshot.digest,
            environment=exchange.snapshot.environment,
            parent=label(exchange, RUN),
            conversation=label(exchange, b"x-trimtab-conversation"),
            end_user=label(exchange, b"x-trimtab-user"),
        ),
        key=exchange.key,
        kind=kind,
        surface=exchange.surface.name,
        model=task.models[0],
        limits=Limits(settings.waiting, settings.attempts, life_s, settings.keep_s),
        content=body if kept.inline is None else b"",
        headers=headers_kept(exchange),
        shown=echoed(asked) if kind == "response" else "{}",
        repeat=label(exchange, REPEAT),
        receiver=receiver,
    )
    return Wanted(kind, submit)


def body_kept(asked: Asked) -> bytes:
    """The request as it is sent later: that it may wait, and that its answer is kept, was asked of us alone."""
    fields = dict(asked.fields)
    del fields["background"]
    if bytes(fields.get("store", b"")) == b"true":
        del fields["store"]
    return msgspec.json.encode(fields)


def headers_kept(exchange: Exchange) -> dict[str, str]:
    """What the call is sent with later, its task among it; never a key."""
    found = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in exchange.request.headers.items()
        if name in KEPT or (name.startswith(b"x-trimtab-") and name not in NOT_KEPT)
    }
    if exchange.task.name != UNDECLARED:
        found["x-trimtab-task"] = exchange.task.name
    return found


def echoed(asked: Asked) -> str:
    """The fields of a request that its response tells, as JSON; a large one is left out."""
    found: dict[str, Any] = {}
    for name in ECHOED:
        value: Raw | None = asked.fields.get(name)
        if value is not None and len(bytes(value)) <= MOST_ECHOED:
            found[name] = value
    return msgspec.json.encode(found).decode()
