"""What became of a call, as the result of its step."""

from __future__ import annotations

from base64 import b64encode
from typing import Final, Literal

from trimtab.errors import CallError
from trimtab.gateway.exchange import Exchange
from trimtab.gateway.runs.held import HeldAnswer, told_lines
from trimtab.gateway.runs.journaling import Journaling
from trimtab.journal.entries import INLINE_BYTES, Body, Outcome, Result, Tried, body_of
from trimtab.record.events import OK

MAX_DETAIL: Final = 500
REPAIRED: Final = frozenset({"output_invalid", "tool_call_invalid"})
"""How an attempt ended on which another followed as a repair."""


def result_of(
    exchange: Exchange, held: HeldAnswer, of: int, outcome: Outcome, failure: CallError | None, journaling: Journaling
) -> tuple[Result, bool]:
    """The result of the step at `of`, and whether it names bytes that must be on the disk first."""
    output, kept = _output(held, journaling)
    content_type, lines = told_lines(held.head_lines)
    capture, clock = held.capture, journaling.clock
    delays, lengths = (capture.delays_us, capture.lengths) if capture else (b"", b"")
    known = [attempt.cost_pusd for attempt in exchange.attempts if attempt.cost_pusd is not None]
    used = [attempt.usage for attempt in exchange.attempts if attempt.usage is not None]
    result = Result(
        at_ns=clock.wall_ns(),
        of=of,
        outcome=outcome,
        output=output,
        error=failure.code if failure else "",
        detail=str(failure)[:MAX_DETAIL] if failure else "",
        took_s=round(clock.monotonic() - exchange.began_s, 6),
        cost_pusd=sum(known) if known else None,
        input_tokens=sum(one.input + one.cache_read + one.cache_write for one in used) if used else None,
        output_tokens=sum(one.output for one in used) if used else None,
        status=exchange.status,
        tried=tried(exchange),
        chunk_delays_us=b64encode(delays).decode(),
        chunk_lengths=b64encode(lengths).decode() if held.streamed else "",
        content_type=content_type,
        headers=lines,
    )
    return result, kept


def _output(held: HeldAnswer, journaling: Journaling) -> tuple[Body | None, bool]:
    """What the client was sent: short text stands in the entry, the rest goes into the worker's pack."""
    capture = held.capture
    if capture is None or not capture.size:
        return None, False
    if capture.redaction != "full":
        return Body(journaling.bodies.response(capture), capture.size), False
    if capture.size <= INLINE_BYTES:
        short = body_of(capture.held())
        if short.inline is not None:
            return short, False
    return Body(journaling.bodies.response(capture), capture.size), True


def tried(exchange: Exchange) -> tuple[Tried, ...]:
    """The attempts as a ledger, if there was more to them than one good one."""
    attempts = exchange.attempts
    if len(attempts) == 1 and attempts[0].cause == OK:
        return ()
    found: list[Tried] = []
    for number, attempt in enumerate(attempts):
        layer: Literal["repair", "fallback", "transport"] = "transport"
        if number and attempts[number - 1].cause in REPAIRED:
            layer = "repair"
        elif attempt.model != attempts[0].model:
            layer = "fallback"
        found.append(Tried(layer, attempt.cause, attempt.at_ns, attempt.model))
    return tuple(found)
