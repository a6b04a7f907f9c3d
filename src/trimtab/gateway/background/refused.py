"""How submissions and polls are refused, and what refusals of the journal come to."""

from __future__ import annotations

from typing import Final

from trimtab.errors import CallError, InvalidRequest, NotFound, PayloadTooLarge
from trimtab.gateway.failures import from_fault
from trimtab.journal.refusals import (
    AskInvalid,
    BackgroundUnknown,
    BodyUnknown,
    JournalRefusal,
    RepeatDiffers,
    RunEnded,
    RunExists,
    RunUnknown,
    TooManyWaiting,
)

WAIT_S: Final = 10.0
INVALID: Final = (AskInvalid, RepeatDiffers, RunExists, RunUnknown, RunEnded)


class TooManyInBackground(CallError):
    """The key {key} has {limit} background calls waiting; wait for the time in Retry-After, until some are done."""

    code = "rate_limited"
    status = 429
    may_repeat = True


class BackgroundTooLarge(PayloadTooLarge):
    """The request's body is over {limit} bytes, the most of a background call; send less, or without background."""


class NoBackgroundCall(NotFound):
    """There is no background call {id} of this key; it was never submitted, was of another key, or its time is over."""


def as_call_error(call: str, fault: BaseException) -> CallError:
    """How a submission or poll ends of which the journal said this."""
    if isinstance(fault, TooManyWaiting):
        return TooManyInBackground(retry_after_s=WAIT_S, **fault.facts)
    if isinstance(fault, BackgroundUnknown | BodyUnknown):
        return NoBackgroundCall(id=fault.facts["run"])
    if isinstance(fault, INVALID):
        return InvalidRequest(detail=str(fault).rstrip("."))
    if isinstance(fault, JournalRefusal):
        return from_fault(call, RuntimeError(str(fault)))
    return from_fault(call, fault)
