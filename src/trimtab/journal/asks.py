"""What can be asked of the journal of runs, and what it answers: the contract that keeper speaks over its socket.

Each ask is one transaction. Asks that wait together are committed together, and answered when they are on disk.
`epoch` is the fencing token of a driver's lease: 0 for calls through a gateway that no driver sent. Times are ns since
1970, durations in seconds.
"""

from __future__ import annotations

from typing import Final, Literal, Protocol

from msgspec import Struct

from trimtab.journal.background import BackgroundAsk, BackgroundTold
from trimtab.journal.entries import (
    Arrived,
    Asked,
    Body,
    Checked,
    Decided,
    Diverged,
    Effect,
    Ended,
    Logged,
    Order,
    Reconciled,
    Result,
    ReviewVerdict,
    RunState,
    Started,
    State,
    StepKind,
    Through,
)
from trimtab.journal.erasing import ErasingAsk, ErasingTold
from trimtab.journal.keeping import KeepingAsk, KeepingTold
from trimtab.journal.run_counts import CountRuns, RunsCounted, Standing, Stands, Verified, Verify

LEASE_S: Final = 30.0
MOST_ENTRIES: Final = 1000
"""Entries that one `Read` gives at the most."""


class Open(Struct, frozen=True, tag_field="ask", tag="open"):
    """Begin a run, or take up one whose lease ran out. `owner` is empty for a run of calls through a gateway alone,
    which has no lease; an `Open` without owner changes nothing of a run that is there. Each driver has an owner of its
    own, made for this ask, so that one that comes again gets the same lease. `content` is the input's bytes where
    `started.input` is not inline.

    `answer` gives a fork another result of the step whose intent is the last entry that it has of its origin;
    `answered` are its output's bytes. `changed` are the bytes of `started.changes` where it is not inline.
    """

    run: str
    started: Started
    owner: str = ""
    ttl_s: float = LEASE_S
    content: bytes = b""
    answer: Result | None = None
    answered: bytes = b""
    changed: bytes = b""


class Claim(Struct, frozen=True, tag_field="ask", tag="claim"):
    """Take over a run whose lease ran out or was given back: that one, or any of these tasks that can go on."""

    owner: str
    run: str = ""
    tasks: tuple[str, ...] = ()
    ttl_s: float = LEASE_S


class Renew(Struct, frozen=True, tag_field="ask", tag="renew"):
    """Keep a lease; the answer tells what was ordered meanwhile."""

    run: str
    epoch: int
    ttl_s: float = LEASE_S


class Release(Struct, frozen=True, tag_field="ask", tag="release"):
    """Give a lease back: the run waits until something it waits for has come, or until `wake_ns`."""

    run: str
    epoch: int
    wake_ns: int | None = None


class Begin(Struct, frozen=True, omit_defaults=True, tag_field="ask", tag="begin"):
    """A step is about to be taken: write its intent, or say what is recorded for it.

    Within a named branch steps follow each other: `after` is the `Begun.seq` of the step before it in this branch, 0
    for the first. The step that is recorded next there is what this one is held against, so that an ask that comes
    again, a run that was taken up again and a fork need nothing else. A branch whose name ends in `#N` is one of
    siblings that began alike. Branch "" is for calls that nobody orders: those are matched by label and digest, each
    recorded one once in an epoch, or once in a `session` where `served` asks in a run of calls alone for recorded
    answers until one is not there; there `call` tells an ask that comes again from another one.

    `holder` is the gateway worker that takes it where no driver does, as it says in its `Hello`: when that is gone, the
    step is closed, and the same request that comes then is taken as this step again.

    A step other than `step` that `binds` needs a review that approved of that binding, and uses it up: `NotApproved` if
    there is none.
    """

    run: str
    epoch: int
    step: StepKind
    label: str
    request: str
    input: Body | None = None
    content: bytes = b""
    branch: str = ""
    after: int = 0
    effect: Effect = "read"
    key: str = ""
    tool: str = ""
    binds: str = ""
    lock: str = ""
    call: str = ""
    served: bool = False
    session: str = ""
    holder: str = ""


class Finish(Struct, frozen=True, omit_defaults=True, tag_field="ask", tag="finish"):
    """The result of an intent. One that comes again with the same output changes nothing.

    `content` is the output's bytes where `result.output` is not inline: keeper puts them into the body store first.
    """

    run: str
    epoch: int
    result: Result
    content: bytes = b""


class Note(Struct, frozen=True, omit_defaults=True, tag_field="ask", tag="note"):
    """Write an entry that is no effect. `Ended` ends the run and gives its lease back."""

    run: str
    epoch: int
    entry: Checked | State | Diverged | Ended
    content: bytes = b""


class Tell(Struct, frozen=True, omit_defaults=True, tag_field="ask", tag="tell"):
    """An event from outside for a run, which wakes it if it waits; needs no lease."""

    run: str
    event: Arrived
    content: bytes = b""


class AskReview(Struct, frozen=True, omit_defaults=True, tag_field="ask", tag="ask_review"):
    """Put the step at `asked.of` before a person; the run waits. Asking again for the same binding gives that review,
    unless another one has taken its place.

    `asked.of` is the intent of a step that only waits (`step`, effect `read`); what it asks about is, once it is
    approved, an intent of its own with the same `binds` (or the decision's, if it was edited). So a crash while a
    person thinks leaves no effect whose outcome is unknown. Told is `Reviews` with that one review.

    `expires_ns` is when `otherwise` is decided by itself, `escalates_ns` when `escalates_to` is told.
    """

    run: str
    epoch: int
    asked: Asked
    proposed: Body
    context: Body | None = None
    content: bytes = b""
    roles: tuple[str, ...] = ()
    expires_ns: int | None = None
    otherwise: ReviewVerdict = "rejected"
    escalates_ns: int | None = None
    escalates_to: str = ""


class Decide(Struct, frozen=True, omit_defaults=True, tag_field="ask", tag="decide"):
    """A decision on a review; needs no lease. `binds` must be what the review is bound to, or it is refused."""

    decided: Decided
    binds: str
    content: bytes = b""


class Reconcile(Struct, frozen=True, omit_defaults=True, tag_field="ask", tag="reconcile"):
    """What became of an effect whose outcome was unknown; the run can go on then."""

    run: str
    reconciled: Reconciled
    content: bytes = b""


class Direct(Struct, frozen=True, omit_defaults=True, tag_field="ask", tag="direct"):
    """Pause, resume, stop or cancel a run, all runs of a task, or (both empty) all runs."""

    order: Order
    by: str
    run: str = ""
    task: str = ""
    reason: str = ""


class Read(Struct, frozen=True, tag_field="ask", tag="read"):
    """Entries of a run from `since` (a seq) on."""

    run: str
    since: int = 1
    limit: int = MOST_ENTRIES


class Load(Struct, frozen=True, tag_field="ask", tag="load"):
    """The bytes of a body that an entry of this run names and that is not inline, wherever they lie."""

    run: str
    digest: str


class Find(Struct, frozen=True, omit_defaults=True, tag_field="ask", tag="find"):
    """Runs, the latest first; an empty field narrows nothing. `before` is the last run of the page before.

    `run` asks for that one, whatever else is said; `RunUnknown` where there is none.
    """

    run: str = ""
    task: str = ""
    states: tuple[RunState, ...] = ()
    waits: Literal["", "review"] = ""
    error: str = ""
    unforked: bool = False
    parent: str = ""
    fork_of: str = ""
    conversation: str = ""
    end_user: str = ""
    through: str = ""
    since_ns: int = 0
    until_ns: int = 0
    before: str = ""
    limit: int = 50


class FindReviews(Struct, frozen=True, omit_defaults=True, tag_field="ask", tag="find_reviews"):
    """Reviews that runs wait for, the oldest first, then samples (or none), then the latest decided (or only these).

    `sampled` asks for samples alone, `since_ns` for those that were asked then or later.
    """

    run: str = ""
    review: str = ""
    task: str = ""
    waiting: bool = True
    limit: int = 50
    samples: bool = True
    decided: bool = False
    sampled: bool = False
    since_ns: int = 0


class Sweep(Struct, frozen=True, tag_field="ask", tag="sweep"):
    """What time alone brings: leases that ran out, timers that are due, reviews that expire or escalate.

    `here` are the gateway workers that are there, None where that is not known, `gone` those known to be gone: what the
    latter, or others than the former, have under way is closed. `dropped` are leases (run, epoch) of drivers that died.
    """

    limit: int = 1000
    here: tuple[str, ...] | None = None
    gone: tuple[str, ...] = ()
    dropped: tuple[tuple[str, int], ...] = ()


class Holding(Struct, frozen=True, tag_field="ask", tag="holding"):
    """The calls of runs that a gateway worker has under way: others that began under its name a minute ago or more have
    lost their end (the journal was away when it was to be written), and are closed. Told is `Swept`.
    """

    holder: str
    calls: tuple[str, ...]


Ask = (
    Open
    | Claim
    | Renew
    | Release
    | Begin
    | Finish
    | Note
    | Tell
    | AskReview
    | Decide
    | Reconcile
    | Direct
    | Read
    | Load
    | Find
    | FindReviews
    | Sweep
    | Holding
    | BackgroundAsk
    | CountRuns
    | Standing
    | Verify
    | KeepingAsk
    | ErasingAsk
)


class Lease(Struct, frozen=True, omit_defaults=True, tag_field="told", tag="lease"):
    """A run that is held until `until_ns` under `epoch`; `head` is its last seq. `order` is what holds now."""

    run: str
    epoch: int
    until_ns: int
    head: int
    state: RunState
    order: Order | None = None


class Nothing(Struct, frozen=True, tag_field="told", tag="nothing"):
    """There is nothing to claim."""


class Begun(Struct, frozen=True, omit_defaults=True, tag_field="told", tag="begun"):
    """What to do about a step: `go` now that its intent is written; or what is `recorded` for it; or an effect whose
    outcome is `unknown` and that only a person or a hook can tell of, which parks the run.

    `again` says that an intent of an earlier driver stands and the step may be sent again under `key`. `changes` are
    those that a step of a fork is to be taken with (`Started.changes`).
    """

    seq: int
    occurrence: int
    found: Literal["go", "recorded", "unknown"]
    key: str = ""
    again: bool = False
    result: Result | None = None
    changes: Body | None = None


class Written(Struct, frozen=True, tag_field="told", tag="written"):
    """An entry is on disk at `seq`; `changed` is false where it was there before."""

    seq: int
    changed: bool = True


class Directed(Struct, frozen=True, tag_field="told", tag="directed"):
    """Runs that an order reached."""

    runs: tuple[str, ...]


class Entries(Struct, frozen=True, tag_field="told", tag="entries"):
    """Entries in order; `last` is the seq of the newest that there is."""

    entries: tuple[Logged, ...]
    last: int


class Loaded(Struct, frozen=True, tag_field="told", tag="loaded"):
    """The bytes of a body."""

    content: bytes


class RunRow(Struct, frozen=True, omit_defaults=True):
    """A run as lists show it.

    `asked` counts steps that asked for something, the same request sent again by its client once; `tried` how often
    they were tried in all layers, `requests` what models' servers got of it, `tokens` those in and out. `open` counts
    calls under way that no driver sent.
    """

    run: str
    task: str
    name: str
    through: Through
    state: RunState
    started_ns: int
    head: int
    steps: int
    cost_pusd: int
    ended_ns: int | None = None
    owner: str = ""
    until_ns: int | None = None
    wake_ns: int | None = None
    waits_for: str = ""
    parent: str = ""
    fork_of: str = ""
    fork_seq: int = 0
    lock: str = ""
    conversation: str = ""
    end_user: str = ""
    error: str = ""
    retention: str = ""
    asked: int = 0
    tried: int = 0
    requests: int = 0
    tokens: int = 0
    open: int = 0

    @property
    def amplification(self) -> float | None:
        """Tries for each thing that was asked; None where nothing was."""
        return self.tried / self.asked if self.asked else None


class Runs(Struct, frozen=True, tag_field="told", tag="runs"):
    """A page of runs."""

    runs: tuple[RunRow, ...]


class Review(Struct, frozen=True, omit_defaults=True):
    """A review as lists show it; `edited` is what took the place of `proposed`.

    `lock_now` is the lock in force where it is another one than the one that was asked under: whoever shows reviews
    knows it, not the journal.
    """

    review: str
    run: str
    of: int
    task: str
    tool: str
    binds: str
    proposed: Body
    asked_ns: int
    reason: str = ""
    context: Body | None = None
    roles: tuple[str, ...] = ()
    expires_ns: int | None = None
    otherwise: ReviewVerdict = "rejected"
    escalates_ns: int | None = None
    escalates_to: str = ""
    escalated: bool = False
    sampled: bool = False
    verdict: ReviewVerdict | None = None
    by: str = ""
    said: str = ""
    decided_ns: int | None = None
    edited: Body | None = None
    lock: str = ""
    lock_now: str = ""


class Reviews(Struct, frozen=True, tag_field="told", tag="reviews"):
    """A page of reviews."""

    reviews: tuple[Review, ...]


class Swept(Struct, frozen=True, tag_field="told", tag="swept"):
    """What a sweep did: runs whose lease ran out, runs that were woken, reviews that expired or were escalated, runs
    with calls that were closed because their gateway worker is gone.
    """

    expired: tuple[str, ...] = ()
    woken: tuple[str, ...] = ()
    decided: tuple[str, ...] = ()
    escalated: tuple[str, ...] = ()
    abandoned: tuple[str, ...] = ()


class Refused(Struct, frozen=True, omit_defaults=True, tag_field="told", tag="refused"):
    """Why an ask was not done: the name of a `journal.refusals` class, and its facts."""

    error: str
    facts: dict[str, str] = {}


Told = (
    Lease
    | Nothing
    | Begun
    | Written
    | Directed
    | Entries
    | Loaded
    | Runs
    | Reviews
    | Swept
    | RunsCounted
    | Stands
    | Verified
    | KeepingTold
    | ErasingTold
    | Refused
    | BackgroundTold
)


class Journal(Protocol):
    """Whoever keeps the journal: a store in this process, or keeper behind its socket. One thread at a time."""

    def do(self, asks: list[Ask]) -> list[Told]:
        """Does all of them in one commit, in order; refuses one by one. Raises `StoreError` when nothing was done."""
        ...
