"""What a client is told where the journal refuses: the one table between its refusals and the ends of calls."""

from __future__ import annotations

from trimtab.errors import CallError, InvalidRequest, JournalUnavailable, ReplayDivergence, RunStopped
from trimtab.gateway.failures import from_fault
from trimtab.journal.refusals import (
    Ambiguous,
    AskInvalid,
    BodyUnknown,
    Divergence,
    Halted,
    JournalRefusal,
    LeaseHeld,
    LeaseLost,
    RunEnded,
    RunExists,
    RunUnknown,
)

INVALID = (RunUnknown, RunExists, AskInvalid)
DETAILS: dict[type[JournalRefusal], str] = {
    Halted: "it is to {order}, says {by}",
    RunEnded: "it has ended ({state})",
    LeaseLost: "another driver has it (lease {current}, this call is of {epoch})",
    LeaseHeld: "a driver holds it ({owner})",
    Divergence: "step {seq} ({label}): {detail}",
    Ambiguous: "{count} identical requests {label!a} had different answers, and nothing tells them apart; give labels",
    BodyUnknown: "the body {digest} is not kept: its task keeps none (redaction), or it is over its time",
}


def as_call_error(call: str, run: str, fault: BaseException) -> CallError:
    """How a call ends whose journal said this."""
    if not isinstance(fault, JournalRefusal):
        return from_fault(call, fault)
    if isinstance(fault, INVALID):
        return InvalidRequest(detail=str(fault).rstrip("."))
    template = DETAILS.get(type(fault))
    detail = str(fault) if template is None else template.format_map(fault.facts)
    if isinstance(fault, Divergence | Ambiguous | BodyUnknown):
        return ReplayDivergence(run=run, detail=detail)
    return RunStopped(run=run, detail=detail)


def unavailable(fault: BaseException) -> JournalUnavailable:
    """Where what a run's entry names could not be brought to the disk."""
    return JournalUnavailable(detail=str(fault))
