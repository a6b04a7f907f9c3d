"""Signals of infrastructure: whether calls are answered, and how fast."""

from __future__ import annotations

from typing import Final

from trimtab.signals.signal import Ratio, Series, Signal
from trimtab.store.outcomes import CALLERS, DEADLINES, succeeded
from trimtab.store.slices import Slice, Spread

CALLS: Final = "trimtab_calls_total"
NOT_CALLERS: Final = f'outcome!~"{"|".join(sorted(CALLERS))}"'
JUDGED: Final = f"{CALLS}{{{NOT_CALLERS}}}"
AMONG_JUDGED: Final = "calls that did not end by the caller's doing"
CLOCKS: Final = {
    "deadline_connect": "connecting to a replica",
    "deadline_first_token": "the first token",
    "deadline_gap": "the silence between two tokens",
    "deadline_total": "the whole call",
}


def judged(one: Slice, *outcomes: str) -> Ratio:
    """Calls of these outcomes, of those that did not end by the caller's doing."""
    return Ratio(sum(one.outcomes.get(outcome, 0) for outcome in outcomes), succeeded(one.outcomes).n)


def _failed(one: Slice) -> Ratio:
    found = succeeded(one.outcomes)
    return Ratio(found.n - found.of, found.n)


def _deadline(outcome: str, what: str) -> Signal:
    return Signal(
        name=f"{outcome}_share",
        family="infrastructure",
        unit="share",
        better="lower",
        says=f"Calls that ran out of the time allowed for {what}.",
        means=f"Tells which clock runs out where the share of deadlines rises: {what}.",
        ratio=lambda one: judged(one, outcome),
        of=f"calls with outcome `{outcome}`",
        among=AMONG_JUDGED,
        series=Series(f'{CALLS}{{outcome="{outcome}"}}', JUDGED),
        facts=("ends",),
    )


def _time(name: str, spread: Spread, says: str, means: str, metric: str = "") -> Signal:
    return Signal(
        name=name,
        family="infrastructure",
        unit="s",
        better="lower",
        says=says,
        means=means,
        spread=lambda one: one.spreads.get(spread, {}),
        reads=spread,
        level=0.95,
        scale=1e-6,
        of="time of a call",
        among="calls with outcome `ok`" if spread == "total" else "streamed calls that have it",
        series=Series(metric) if metric else None,
        facts=(),
    )


REQUEST_RATE: Final = Signal(
    name="request_rate",
    family="infrastructure",
    unit="calls/s",
    better="neither",
    says="Calls that ended, a second.",
    means="Traffic changed; of a task that went silent nothing else can be told.",
    amount=lambda one: float(one.calls),
    per="second",
    of="calls that ended",
    among="seconds of the window",
    series=Series(CALLS),
    facts=(),
)
AVAILABILITY: Final = Signal(
    name="availability",
    family="infrastructure",
    unit="share",
    better="higher",
    says="Calls that were answered well; what callers spoilt or cancelled counts neither for nor against.",
    means="Replicas, network, deadlines or contracts fail: outcomes tell which.",
    ratio=lambda one: Ratio(*succeeded(one.outcomes)),
    of="calls with outcome `ok`",
    among=AMONG_JUDGED,
    series=Series(f'{CALLS}{{outcome="ok"}}', JUDGED),
    facts=("ends",),
)
ERROR_RATE: Final = Signal(
    name="error_rate",
    family="infrastructure",
    unit="share",
    better="lower",
    says="Calls that failed by our doing: one less availability.",
    means="Replicas, network, deadlines or contracts fail: outcomes tell which.",
    ratio=_failed,
    of="calls with another outcome than `ok` that is not the caller's doing",
    among=AMONG_JUDGED,
    series=Series(f'{CALLS}{{outcome!~"{"|".join(sorted({*CALLERS, "ok"}))}"}}', JUDGED),
    facts=("ends",),
)
OUTCOMES: Final = Signal(
    name="outcomes",
    family="infrastructure",
    unit="share",
    better="neither",
    says="Calls by how they ended: `ok`, an error code, `client_gone` or `abandoned`.",
    means="Tells which code a rise of the error rate is made of.",
    shares=lambda one: one.outcomes,
    of="calls of each outcome",
    among="calls",
    series=Series(CALLS, by="outcome"),
    facts=("ends",),
)
CANCELLED_SHARE: Final = Signal(
    name="cancelled_share",
    family="infrastructure",
    unit="share",
    better="lower",
    says="Calls whose client left before the answer ended.",
    means="Clients lose patience or have shorter deadlines than the task.",
    ratio=lambda one: Ratio(one.outcomes.get("client_gone", 0), one.calls),
    of="calls with outcome `client_gone`",
    among="calls",
    series=Series(f'{CALLS}{{outcome="client_gone"}}', CALLS),
    facts=("ends",),
)
DEADLINE_SHARE: Final = Signal(
    name="deadline_share",
    family="infrastructure",
    unit="share",
    better="lower",
    says="Calls that ran out of one of their clocks.",
    means="Replicas are slower or unreachable, or a deadline was shortened.",
    ratio=lambda one: judged(one, *DEADLINES),
    of="calls with an outcome `deadline_...`",
    among=AMONG_JUDGED,
    series=Series(f'{CALLS}{{outcome=~"{"|".join(DEADLINES)}"}}', JUDGED),
    facts=("ends",),
)
TTFT: Final = _time(
    "ttft",
    "ttft",
    "Time from a call's last byte read to its first content-bearing event written; streamed calls only.",
    "Queues at the engine, longer prompts, or a prefix cache that no longer hits.",
    "trimtab_ttft_seconds",
)
TPOT: Final = _time(
    "tpot",
    "tpot",
    "Time from a call's first token to its last, divided by its output tokens less one; streamed calls only.",
    "More calls at once on a replica, a slower GPU, or a larger model behind the name.",
    "trimtab_tpot_seconds",
)
LONGEST_GAP: Final = _time(
    "longest_gap",
    "gap",
    "The longest silence between two content-bearing events of a call.",
    "Preemptions at the engine, or something on the way that holds chunks back.",
    "trimtab_longest_gap_seconds",
)
TOTAL: Final = _time(
    "total",
    "total",
    "Time from a call's last byte read to its answer's last byte written.",
    "Longer answers, or any of the other times: hold it against output length.",
    "trimtab_call_seconds",
)
RETRY_SHARE: Final = Signal(
    name="retry_share",
    family="infrastructure",
    unit="share",
    better="lower",
    says="Calls that took more than one attempt.",
    means="A replica fails before its first token; callers see it as latency only.",
    ratio=lambda one: Ratio(one.retried, one.calls),
    of="calls with more than one attempt",
    among="calls",
    series=Series("trimtab_retried_calls_total", CALLS),
    facts=("tries",),
)
FALLBACK_SHARE: Final = Signal(
    name="fallback_share",
    family="infrastructure",
    unit="share",
    better="lower",
    says="Calls that were answered by another model than the task's first.",
    means="The first model is down; answers, cost and latency are those of another one.",
    ratio=lambda one: Ratio(one.fallbacks, one.calls),
    of="calls answered by a fallback",
    among="calls",
    series=Series("trimtab_fallback_calls_total", CALLS),
    facts=("tries",),
)
AMPLIFICATION: Final = Signal(
    name="amplification",
    family="infrastructure",
    unit="attempts",
    better="lower",
    says="Attempts at replicas for each call: retries, fallbacks and repairs multiply what is asked of models.",
    means="Above 1 by as much as models get more than was asked: under load, retries make an outage worse.",
    amount=lambda one: float(one.attempts),
    per="call",
    of="attempts of all calls",
    among="calls",
    series=Series("trimtab_call_attempts_total", CALLS),
    facts=("tries",),
)
SIGNALS: Final[tuple[Signal, ...]] = (
    *(REQUEST_RATE, AVAILABILITY, ERROR_RATE, OUTCOMES, CANCELLED_SHARE, DEADLINE_SHARE),
    *(_deadline(outcome, what) for outcome, what in CLOCKS.items()),
    *(TTFT, TPOT, LONGEST_GAP, TOTAL, RETRY_SHARE, FALLBACK_SHARE, AMPLIFICATION),
)
