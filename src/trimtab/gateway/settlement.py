"""The end of an attempt and of a call as events: what it used, what that costs and what was measured on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from trimtab.cost import gpu, meter
from trimtab.cost.meter import Cost
from trimtab.cost.usage import estimate
from trimtab.errors import OutputInvalid, ToolCallInvalid
from trimtab.gateway.checks import Checks
from trimtab.gateway.contract import UNDECLARED_CONTRACT
from trimtab.gateway.tool_results import tool_results
from trimtab.record.events import OK, Admitted, Attempt, CostLabel, Settled, ToolResult, Usage
from trimtab.record.purposes import REPLAY

if TYPE_CHECKING:
    from trimtab.gateway.exchange import Exchange
    from trimtab.gateway.relay import Relay
    from trimtab.gateway.routing import Choice

NOTHING = Cost(0, "exact")
UNKNOWN = Cost(None, "unknown")
NOTHING_CHECKED = Checks(UNDECLARED_CONTRACT, None, hold=False)
ANSWERED = frozenset({OK, OutputInvalid.code, ToolCallInvalid.code})
"""Attempts whose answer came whole, if we did not stop it, so that what is told of its usage is all there is."""
MAX_TOLD = 200
"""Characters that are kept of what a server calls its answer, its model and how it ended."""
WORST: tuple[CostLabel, ...] = ("exact", "estimated", "unknown")


class OpenAttempt(Struct, eq=False):
    """An attempt that is under way.

    Seconds are monotonic. `tokens` is what it counts for on the board, `in_flight` how many calls the replica has with
    it. `relay` is there as soon as the request is sent.
    """

    choice: Choice
    number: int
    began_s: float
    at_ns: int
    tokens: int
    in_flight: int
    connect_s: float | None = None
    reused: bool = False
    relay: Relay | None = None


def close_attempt(exchange: Exchange, attempt: OpenAttempt, ended_s: float, cause: str, detail: str) -> Attempt:
    """The attempt as an event."""
    relay, choice = attempt.relay, attempt.choice
    used = _usage(exchange, relay)
    cost = _cost(exchange, attempt, used, ended_s, exact=cause in ANSWERED and relay is not None and not relay.stopped)
    first_s = exchange.first_s if relay is not None and relay.started else None
    return Attempt(
        call=exchange.call,
        number=attempt.number,
        at_ns=attempt.at_ns,
        model=choice.model,
        replica=choice.replica,
        cause=cause,
        duration_s=ended_s - attempt.began_s,
        connect_s=attempt.connect_s,
        first_byte_s=None if relay is None or relay.first_byte_s is None else relay.first_byte_s - attempt.began_s,
        ttft_s=None if first_s is None or first_s < attempt.began_s else first_s - attempt.began_s,
        status=relay.status if relay else 0,
        reused_connection=attempt.reused,
        retry_after_s=relay.retry_after_s if relay else None,
        detail=detail,
        usage=used,
        cost_pusd=cost.pusd,
        cost_label=cost.label,
    )


def _usage(exchange: Exchange, relay: Relay | None) -> Usage | None:
    """Tokens of an attempt: as told, else estimated from bytes; None where the replica did no work that counts."""
    if relay is None or relay.status >= 400:
        return None
    facts = relay.facts
    if facts is not None and facts.usage is not None:
        return facts.usage
    if exchange.surface.name == "passthrough":
        return None
    used = estimate(len(exchange.request.body), facts.text_bytes if facts else 0)
    context = exchange.admitted.context if exchange.admitted else None
    return used if context is None else replace(used, input=context.tokens)


def _cost(exchange: Exchange, attempt: OpenAttempt, used: Usage | None, ended_s: float, *, exact: bool) -> Cost:
    snapshot, relay, model = exchange.snapshot, attempt.relay, attempt.choice.model
    if relay is None or relay.status >= 400:
        return NOTHING
    per_second = snapshot.gpu_pusd_per_s.get(model)
    if per_second is not None:
        return gpu.share(per_second, ended_s - attempt.began_s, attempt.in_flight)
    rates = snapshot.rates.get(model)
    if not rates or used is None:
        return UNKNOWN
    told = relay.facts is not None and relay.facts.usage is not None
    return meter.price(used, rates, meter.day(attempt.at_ns), exact=exact and told)


def settle(exchange: Exchange, admitted: Admitted, ended_s: float, at_ns: int, response_body: str) -> Settled:
    """The whole call as one event; cost and tokens are those of all its attempts."""
    facts, capture, choice = exchange.facts, exchange.capture, exchange.choice
    checks = exchange.checks or NOTHING_CHECKED
    answered = facts.usage if facts else None
    made = answered.output + exchange.made_before if answered and exchange.made_before is not None else None
    ttft_s = None if exchange.first_s is None or not admitted.stream else exchange.first_s - exchange.began_s
    spread_s = _spread(exchange) if admitted.stream else None
    tokens_after_first = made - 1 if made else 0
    cost = _total_cost(exchange.attempts)
    return Settled(
        admitted=admitted,
        at_ns=at_ns,
        outcome=exchange.outcome,
        status=exchange.status,
        attempts=len(exchange.attempts),
        model=choice.model if choice else "",
        replica=choice.replica if choice else "",
        total_s=ended_s - exchange.began_s,
        ttft_s=ttft_s,
        tpot_s=spread_s / tokens_after_first if spread_s and tokens_after_first > 0 else None,
        longest_gap_s=exchange.clocks.longest_gap_s if spread_s else None,
        finish_reason=facts.finish_reason[:MAX_TOLD] if facts else "",
        usage=_total_usage(exchange.attempts),
        answer_tokens=made,
        cost_pusd=cost.pusd,
        cost_label=cost.label,
        response_bytes=capture.size if capture else 0,
        response_body=response_body,
        upstream_model=facts.upstream_model[:MAX_TOLD] if facts else "",
        upstream_id=facts.upstream_id[:MAX_TOLD] if facts else "",
        system_fingerprint=facts.system_fingerprint[:MAX_TOLD] if facts else "",
        choices=facts.choices if facts else 0,
        tool_calls=facts.tool_calls if facts else 0,
        logprobs=facts.logprobs if facts else None,
        chunk_delays_us=capture.delays_us if capture else b"",
        chunk_lengths=capture.lengths if capture else b"",
        paused_s=exchange.clocks.paused_s,
        detail=exchange.detail,
        verdict=checks.verdict,
        failing=checks.failing,
        repairs=checks.repairs,
        tool_outcomes=tuple(checks.tool_outcomes),
        repetition=checks.repetition,
        repetition_stopped=checks.repetition_stopped,
        confidence=checks.confidence,
        seams=exchange.seams,
        wire=exchange.snapshot.models[choice.model].wire if choice else "",
        tool_results=_tool_results(exchange),
        first_model=_first_model(exchange),
    )


def _first_model(exchange: Exchange) -> str:
    """The model that was tried first, if the last attempt was at another."""
    tried = [attempt.model for attempt in exchange.attempts]
    return tried[0] if tried and exchange.choice and tried[0] != exchange.choice.model else ""


def _tool_results(exchange: Exchange) -> tuple[ToolResult, ...]:
    """The tools' answers that came with the call; those of a dead letter, and of a call that is replayed, were told
    with the first one.
    """
    if exchange.redrive_of or exchange.purpose == REPLAY:
        return ()
    asked = exchange.came or exchange.asked
    return tool_results(exchange.surface.name, asked, shapes=exchange.task.redaction != "none")


def _spread(exchange: Exchange) -> float | None:
    """Seconds from the first content-bearing event to the last; None where fewer than two came."""
    first_s, last_s = exchange.first_s, exchange.last_s
    return None if first_s is None or last_s is None or last_s <= first_s else last_s - first_s


def _total_cost(attempts: list[Attempt]) -> Cost:
    if not attempts:
        return NOTHING
    if len(attempts) == 1:
        return Cost(attempts[0].cost_pusd, attempts[0].cost_label)
    known = [attempt.cost_pusd for attempt in attempts if attempt.cost_pusd is not None]
    worst = max((attempt.cost_label for attempt in attempts), key=WORST.index)
    return Cost(sum(known) if known else None, worst)


def _total_usage(attempts: list[Attempt]) -> Usage | None:
    used = [attempt.usage for attempt in attempts if attempt.usage is not None]
    if len(used) < 2:
        return used[0] if used else None
    return Usage(
        input=sum(one.input for one in used),
        cache_read=sum(one.cache_read for one in used),
        cache_write=sum(one.cache_write for one in used),
        output=sum(one.output for one in used),
        reasoning=sum(one.reasoning for one in used),
        modalities={
            name: sum(one.modalities.get(name, 0) for one in used)
            for name in {key for one in used for key in one.modalities}
        },
    )
