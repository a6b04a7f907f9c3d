"""Why the journal of runs refuses an ask: each names the run, and what to do.

TrimtabError
`- JournalRefusal
   |- RunUnknown, RunExists, RunEnded, StepUnknown, BodyUnknown
   |- LeaseHeld, LeaseLost
   |- Halted                  paused, stopped or cancelled by somebody
   |- Divergence, Ambiguous
   |- ResultConflict, OutcomeKnown
   |- BackgroundUnknown, TooManyWaiting, RepeatDiffers
   |- ReviewUnknown, ReviewDone, BindingChanged, NotApproved, NotForYou, EditInvalid
   `- AskInvalid
"""

from __future__ import annotations

from typing import Final

from trimtab.errors import TrimtabError

ANOTHER: Final = "its request is another"
"""The detail of a `Divergence` whose two requests tell how they differ."""


class JournalRefusal(TrimtabError):
    """The journal refuses this for run {run}: {detail}; see `trimtab runs show {run}`."""


class RunUnknown(JournalRefusal):
    """There is no run {run!a}; `trimtab runs list` has those that are kept."""


class RunExists(JournalRefusal):
    """Run {run} was begun before with other facts ({detail}); choose another id, or resume it as it is."""


class RunEnded(JournalRefusal):
    """Run {run} has ended ({state}); fork it with `trimtab runs fork {run}` to go on from one of its steps."""


class StepUnknown(JournalRefusal):
    """Run {run} has no intent at {seq}; `trimtab runs show {run}` lists its steps."""


class BodyUnknown(JournalRefusal):
    """The bytes {digest} of run {run} are not kept any more, or not on this machine; see how long bodies are kept."""


class LeaseHeld(JournalRefusal):
    """Run {run} is held by {owner} for another {left_s} s; wait, or stop that driver first."""


class LeaseLost(JournalRefusal):
    """Another driver has taken run {run} over (lease {epoch}, now {current}); stop here, nothing is lost."""


class Halted(JournalRefusal):
    """Run {run} is to {order}, says {by}: {reason}; `trimtab runs resume {run}` lets a paused one go on."""


class Divergence(JournalRefusal):
    """Run {run} asks for something else than it did at step {seq} ({label}): {detail}; fork it there, or put back what
    was changed.
    """


class Ambiguous(JournalRefusal):
    """Run {run} made {count} identical requests {label!a} with different answers, and nothing tells them apart; give
    its steps labels.
    """


class ResultConflict(JournalRefusal):
    """Step {seq} of run {run} has another result already; only one driver may take a step, see who else runs it."""


class OutcomeKnown(JournalRefusal):
    """It is known what became of step {seq} of run {run}; there is nothing to reconcile."""


class ReviewUnknown(JournalRefusal):
    """There is no review {review!a}; `trimtab reviews list` has those that wait."""


class ReviewDone(JournalRefusal):
    """Review {review} was decided before: {verdict} by {by}; that stands."""


class BindingChanged(JournalRefusal):
    """Review {review} is of another action than this decision: its tool, arguments or lock changed; look again."""


class NotApproved(JournalRefusal):
    """Nobody approved of what run {run} is about to do ({label}), or it was done before; ask for a review of it."""


class NotForYou(JournalRefusal):
    """Review {review} is not for {by}: it is for {roles}; ask one of them."""


class EditInvalid(JournalRefusal):
    """Review {review} cannot be decided so: {detail}; mend it and send it again, nothing was decided."""


class BackgroundUnknown(JournalRefusal):
    """There is no background call {run!a} here that this key may see; it was never submitted, or its time is over."""


class TooManyWaiting(JournalRefusal):
    """The key {key!a} has {limit} background calls waiting already; wait until some of them are done."""


class RepeatDiffers(JournalRefusal):
    """The background call {run} was submitted as {repeat!a} with another request; send another Idempotency-Key."""


class AskInvalid(JournalRefusal):
    """The journal cannot do this for run {run!a}: {detail}; mend the request."""


def _all(kind: type[JournalRefusal] = JournalRefusal) -> dict[str, type[JournalRefusal]]:
    found = {kind.__name__: kind}
    for child in kind.__subclasses__():
        found.update(_all(child))
    return found


BY_NAME = _all()
