"""What is asked of the journal about how long runs are kept, and what it answers: a part of `journal.asks`."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

HoldKind = Literal["pinned", "exported"]


class Retire(Struct, frozen=True, omit_defaults=True, tag_field="ask", tag="retire"):
    """Remove runs that ended longer ago than they are kept, `limit` of them looked at, behind one that ended at
    `after_ns` and has the number `after`.

    `keep` says for how many seconds, by how a run ended, by `reviewed` and `exported`, which only lengthen it, and by
    the class that a run names; `tasks` says so for single tasks. What they do not say is `usual_s`. A run of a class
    that nobody declared stays as long as any. `idle` asks for runs of calls alone, which nobody ends: they count as
    completed when their log was last written, and `after_ns` is when they began.
    """

    usual_s: float
    keep: dict[str, float] = {}
    tasks: dict[str, dict[str, float]] = {}
    after_ns: int = 0
    after: int = 0
    limit: int = 200
    idle: bool = False


class Hold(Struct, frozen=True, omit_defaults=True, tag_field="ask", tag="hold"):
    """Keep a run until somebody lets go of it (`pinned`), or as long as what was exported is kept (`exported`)."""

    run: str
    kind: HoldKind
    by: str
    reason: str = ""
    off: bool = False


class FindHolds(Struct, frozen=True, omit_defaults=True, tag_field="ask", tag="find_holds"):
    """What is held, the latest first: of a run, or of all."""

    run: str = ""
    limit: int = 1000


class Retired(Struct, frozen=True, omit_defaults=True, tag_field="told", tag="retired"):
    """Runs that are gone, and how many rows of those that went before were deleted. `more` says that there is more to
    be done, behind `after_ns` and `after`.
    """

    runs: tuple[str, ...] = ()
    rows: int = 0
    more: bool = False
    after_ns: int = 0
    after: int = 0


class Held(Struct, frozen=True):
    """Why a run is kept."""

    run: str
    kind: HoldKind
    by: str
    at_ns: int
    reason: str


class Holds(Struct, frozen=True, tag_field="told", tag="holds"):
    """What is held."""

    holds: tuple[Held, ...]


KeepingAsk = Retire | Hold | FindHolds
KeepingTold = Retired | Holds
