"""What a run's log holds: entries in order, each naming the digest of the one before it.

An effect has two entries, `Intent` before it happens and `Result` when it has; whatever lies between them at a crash is
known to be unknown. Everything is JSON. Entries carry the version of their form, so that a later release reads these.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, Literal

import msgspec
from msgspec import Struct

VERSION: Final = 1
"""The form of entries; kept beside each of them."""
ROOT: Final = bytes(32)
"""What the first entry of a log names as the one before it."""
INLINE_BYTES: Final = 1024
"""A longer body lies in the body store, under its digest; a shorter one beside its entry."""

StepKind = Literal["model", "tool", "step", "check", "timer", "event", "child"]
Effect = Literal["read", "idempotent", "write"]
"""`read` changes nothing; `idempotent` may be repeated under its key; `write` must not be repeated."""
RunState = Literal["running", "waiting", "paused", "parked", "completed", "failed", "stopped", "cancelled"]
"""`waiting` for a review, a timer or an event; `parked` for a person, who must say what became of an effect."""
ENDED: Final[frozenset[str]] = frozenset({"completed", "failed", "stopped", "cancelled"})
Outcome = Literal["ok", "error", "refused", "cancelled"]
ReviewVerdict = Literal["approved", "edited", "rejected", "expired", "superseded"]
Reconciliation = Literal["happened", "did_not_happen", "repeat"]
Order = Literal["pause", "resume", "stop", "cancel"]


class Body(Struct, frozen=True, omit_defaults=True):
    """Bytes by their sha256 (hexadecimal): `inline` where they are short text, else in the body store."""

    digest: str
    size: int
    inline: str | None = None


class Tried(Struct, frozen=True, omit_defaults=True):
    """One line of a step's attempt ledger: `layer` says who tried again, `cause` how the try ended (`ok` or a code)."""

    layer: Literal["transport", "fallback", "repair", "tool", "engine", "driver"]
    cause: str
    at_ns: int
    where: str = ""


class Started(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="started"):
    """A run began. `fork_of` and `fork_seq` name the entry of another run before which this one leaves it.

    `parent` and `parent_seq` name the intent of the run that began it. `through` is `sdk` where a driver holds leases,
    `gateway` where calls alone make it up. `overrides` says what a fork was asked to do otherwise.
    """

    at_ns: int
    task: str = ""
    name: str = ""
    through: Literal["sdk", "gateway"] = "sdk"
    input: Body | None = None
    lock: str = ""
    snapshot: str = ""
    environment: str = ""
    key: str = ""
    parent: str = ""
    parent_seq: int = 0
    fork_of: str = ""
    fork_seq: int = 0
    overrides: dict[str, str] = {}
    conversation: str = ""
    end_user: str = ""
    retention: str = ""


class Leased(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="leased"):
    """A driver took the run; entries of drivers with an older `epoch` are refused from here on."""

    at_ns: int
    epoch: int
    owner: str


class Intent(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="intent"):
    """A step is about to be taken.

    `request` is the digest of its canonical request (volatile parts left out), `input` the request itself. `occurrence`
    counts steps of this run with the same label and digest, from 0. `branch` names the line of control flow it lies in;
    within a branch steps follow each other. `binds` is the digest that a review of it is bound to, `key` what makes the
    effect idempotent, `call` the gateway's call, whose surface is named by `tool`. `after` is the step before it in its
    branch, 0 for the first.
    """

    at_ns: int
    step: StepKind
    label: str
    request: str
    occurrence: int
    epoch: int = 0
    branch: str = ""
    after: int = 0
    effect: Effect = "read"
    key: str = ""
    tool: str = ""
    input: Body | None = None
    binds: str = ""
    lock: str = ""
    call: str = ""


class Result(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="result"):
    """What became of the intent at `of`. `chunk_delays_us` and `chunk_lengths` (base64) are a streamed answer's.

    `headers` are lines of the answer's head, as far as they are not made anew when it is given again. Money in 1e-12 US
    dollars, times in seconds.
    """

    at_ns: int
    of: int
    outcome: Outcome
    output: Body | None = None
    error: str = ""
    detail: str = ""
    took_s: float | None = None
    cost_pusd: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    status: int = 0
    tried: tuple[Tried, ...] = ()
    chunk_delays_us: str = ""
    chunk_lengths: str = ""
    content_type: str = ""
    headers: str = ""


class Checked(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="checked"):
    """A check's verdict on the step at `of`, and what is done about it."""

    at_ns: int
    of: int
    check: str
    passed: bool
    detail: str = ""
    action: Literal["", "repair", "branch", "ask", "fail", "flag"] = ""


class Asked(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="review_asked"):
    """A person is asked whether the step at `of` may happen, or (`sampled`) whether it was right."""

    at_ns: int
    review: str
    of: int
    binds: str
    reason: str = ""
    sampled: bool = False


class Decided(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="review_decided"):
    """What a person said, or what was declared for the case that nobody does. `edited` is what takes the place of the
    proposed arguments, and `binds` then the digest that it is bound to.
    """

    at_ns: int
    review: str
    verdict: ReviewVerdict
    by: str
    reason: str = ""
    edited: Body | None = None
    binds: str = ""


class State(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="state"):
    """A named value of the run has changed."""

    at_ns: int
    name: str
    value: Body


class Arrived(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="event"):
    """An event from outside; one that comes again under the same `id` is not written twice."""

    at_ns: int
    name: str
    id: str
    value: Body | None = None


class Reconciled(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="reconciled"):
    """What became of the effect at `of`, whose outcome was unknown."""

    at_ns: int
    of: int
    found: Reconciliation
    by: str
    reason: str = ""
    output: Body | None = None


class Ordered(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="ordered"):
    """Somebody paused, resumed, stopped or cancelled the run."""

    at_ns: int
    order: Order
    by: str
    reason: str = ""


class Diverged(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="diverged"):
    """A driver asked for something else than what is recorded at `of`."""

    at_ns: int
    of: int
    label: str
    request: str
    difference: str


class Ended(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="ended"):
    """The end of the run."""

    at_ns: int
    state: Literal["completed", "failed", "stopped", "cancelled"]
    output: Body | None = None
    error: str = ""
    detail: str = ""


Entry = (
    Started
    | Leased
    | Intent
    | Result
    | Checked
    | Asked
    | Decided
    | State
    | Arrived
    | Reconciled
    | Ordered
    | Diverged
    | Ended
)

encode = msgspec.json.Encoder(order="deterministic").encode
decode = msgspec.json.Decoder(Entry).decode


class Logged(Struct, frozen=True):
    """An entry with its place in the log: `seq` counts from 1, `digest` is over it and the one before it."""

    seq: int
    entry: Entry
    digest: str


def digest_of(before: bytes, seq: int, content: bytes) -> bytes:
    """The digest of an entry: over the one before it, its place and its bytes."""
    return sha256(b"trimtab/journal/%d\n%d\n" % (VERSION, seq) + before + content).digest()


def body_of(content: bytes) -> Body:
    """The bytes as a `Body`, inline where they are short UTF-8; whoever makes one that is not keeps its bytes."""
    digest = sha256(content).hexdigest()
    if len(content) <= INLINE_BYTES:
        try:
            return Body(digest, len(content), content.decode())
        except UnicodeDecodeError:
            pass
    return Body(digest, len(content))
