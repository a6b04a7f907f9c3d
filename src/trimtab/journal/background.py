"""What can be asked of the journal about background calls: those that a client submits and comes back for.

Each is a run of its own (`Started.through` is `background`), and a try at the call a step of it. A worker takes it
under a lease, makes the call, and settles it. What fails for good is parked, which is its dead letter, until somebody
re-drives it or the time is over for which answers are kept. Times are ns since 1970, durations in seconds.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from trimtab.journal.entries import Result, Started

BRANCH: Final = "background"
"""The branch of control flow that the tries of a call lie in, one after the other."""
REDRIVE: Final = "redrive"
"""What the run of a dead letter waits for."""
ABANDONED: Final = "abandoned"
"""The error of a call whose workers died at every try."""

Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
"""How a call stands, in the words of OpenAI's API."""
OVER: Final[frozenset[str]] = frozenset({"completed", "incomplete", "failed", "cancelled"})
Kind = Literal["response", "answer"]
"""Whether its client is told of it by an object of the Responses API, or by the answer itself."""


class Limits(Struct, frozen=True):
    """What holds for a call: how many of its key may wait with it, how often it is tried where tries fail, how long it
    may take until it is over, and how long its answer is kept then.
    """

    most_waiting: int
    most_tries: int
    life_s: float
    keep_s: float


class Submit(Struct, frozen=True, tag_field="ask", tag="submit"):
    """Take a call in, to be made later under the name of `key`. `content` is the request's body where `started.input`
    is not inline.

    `repeat` is what the client calls this submission by: one that comes again under it is the first one, whatever its
    `run`, and one with another request is refused. `shown` is JSON that the client is told meanwhile, `headers` what
    the call is sent with, `receiver` who is told when it is over.
    """

    run: str
    started: Started
    key: str
    kind: Kind
    surface: str
    model: str
    limits: Limits
    content: bytes = b""
    headers: dict[str, str] = {}
    shown: str = "{}"
    repeat: str = ""
    receiver: str = ""


class Take(Struct, frozen=True, tag_field="ask", tag="take"):
    """Take the call that is due for the longest time under a lease, but none of the models in `busy`; `Nothing` where
    none is. `owner` is the gateway worker, as it says in its `Hello`: when that is gone, its leases are over.
    """

    owner: str
    ttl_s: float
    busy: tuple[str, ...] = ()


class Settle(Struct, frozen=True, tag_field="ask", tag="settle"):
    """What became of a try; the lease is given back. `of` is the seq of its step, 0 where it came to none.

    `done`: its result is the answer, which is `incomplete` where it says so. `again`: it is tried again after
    `delay_s`, and counts as a try if it is `counted`. `dead`: it failed for good. `back`: it was not made, somebody
    else is to. An order that ends the run stands above all of them. `told` is the body of an error that came to no
    step.
    """

    run: str
    epoch: int
    how: Literal["done", "again", "dead", "back"]
    of: int = 0
    incomplete: bool = False
    counted: bool = True
    delay_s: float = 0.0
    status: int = 0
    error: str = ""
    detail: str = ""
    told: str = ""


class Redrive(Struct, frozen=True, tag_field="ask", tag="redrive"):
    """Make a call that failed for good again, under its own id and with all its tries and its time."""

    run: str
    by: str


class Poll(Struct, frozen=True, tag_field="ask", tag="poll"):
    """How a call of `key` stands; with `anybody` whoever submitted it. Another one's is told of like one that is not
    there: `BackgroundUnknown`.
    """

    run: str
    key: str = ""
    anybody: bool = False


class FindBackground(Struct, frozen=True, omit_defaults=True, tag_field="ask", tag="find_background"):
    """Calls, the latest submitted first; an empty field narrows nothing. `untold`: those that are over and whose
    receiver is to be told of it. `before` is the last one of the page before.
    """

    statuses: tuple[Status, ...] = ()
    task: str = ""
    key: str = ""
    untold: bool = False
    before: str = ""
    limit: int = 50


class ToldOf(Struct, frozen=True, tag_field="ask", tag="told_of"):
    """Receivers will be told of what is over, by id and when that was."""

    calls: tuple[tuple[str, int], ...]


class CountBackground(Struct, frozen=True, tag_field="ask", tag="count_background"):
    """How many there are."""


class BackgroundCall(Struct, frozen=True, omit_defaults=True):
    """A call as lists and its client see it. `tries` counts those that began; `status_code` and `error` are those of a
    failure. `expires_ns` is when it is forgotten.
    """

    run: str
    key: str
    kind: Kind
    surface: str
    task: str
    model: str
    status: Status
    submitted_ns: int
    deadline_ns: int
    tries: int
    most_tries: int
    shown: str = "{}"
    due_ns: int | None = None
    over_ns: int | None = None
    expires_ns: int | None = None
    status_code: int = 0
    error: str = ""
    detail: str = ""
    told: str = ""
    receiver: str = ""
    order: str = ""
    end_user: str = ""


class Submitted(Struct, frozen=True, tag_field="told", tag="submitted"):
    """The call is on disk; `changed` is false where it was before."""

    call: BackgroundCall
    changed: bool = True


class Taken(Struct, frozen=True, tag_field="told", tag="taken"):
    """A call to be made, under `epoch` until `until_ns`, and before `call.deadline_ns`.

    `after` is the step of the try before it. `content` is None where the request is not kept any more.
    """

    call: BackgroundCall
    epoch: int
    until_ns: int
    after: int
    headers: dict[str, str]
    content: bytes | None


class Polled(Struct, frozen=True, tag_field="told", tag="polled"):
    """How a call stands; where its last try came to an answer, that and its bytes, None if they are not kept."""

    call: BackgroundCall
    result: Result | None = None
    content: bytes | None = None


class BackgroundCalls(Struct, frozen=True, tag_field="told", tag="background_calls"):
    """A page of calls."""

    calls: tuple[BackgroundCall, ...]


class BackgroundCounts(Struct, frozen=True, tag_field="told", tag="background_counts"):
    """How many wait, are being made, and failed for good; and when the oldest that is not over was submitted."""

    queued: int = 0
    in_progress: int = 0
    dead: int = 0
    oldest_ns: int | None = None


BackgroundAsk = Submit | Take | Settle | Redrive | Poll | FindBackground | ToldOf | CountBackground
BackgroundTold = Submitted | Taken | Polled | BackgroundCalls | BackgroundCounts
READS: Final = (Poll, FindBackground, CountBackground)
"""What only reads."""
