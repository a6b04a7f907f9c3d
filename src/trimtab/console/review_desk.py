"""What the pages of reviews ask for and do: handed in by control, so that this room need not know the processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from trimtab.console.endpoint import Visitor
from trimtab.errors import TrimtabError
from trimtab.evals.agreeing import SetAgreement
from trimtab.evals.checked import CheckErrors
from trimtab.journal.asks import Review
from trimtab.journal.deciding import Choice, Said
from trimtab.journal.proposals import Background


class Before(Struct, frozen=True):
    """A step that was over before a review was asked for: its place, what it was, how it ended, and what it gave."""

    seq: int
    kind: str
    label: str
    state: str
    gave: str = ""


class ReviewShown(Struct, frozen=True):
    """A review as whoever decides sees it: what is proposed as text, what is known about it, and what took its place.

    `changed` says in words what is not any more as it was when it was asked, empty where nothing is known to be.
    `given` is what the run was begun with, as text, and `before` are its latest steps that were over.
    """

    review: Review
    proposed: str
    background: Background
    edited: str = ""
    changed: str = ""
    given: str = ""
    before: tuple[Before, ...] = ()


class SampledAgreement(Struct, frozen=True):
    """How well people agree who looked at the same runs by themselves, and how checks stand against them.

    Of `runs` that were looked at, checks are held against those that most found right or wrong: not against those on
    which as many say the one as the other (`undecided`), and those of which it is not known how they were drawn.
    """

    reviewers: SetAgreement
    checks: tuple[CheckErrors, ...]
    runs: int = 0
    undecided: int = 0
    unknown: int = 0


class LinkRefused(TrimtabError):
    """This link decides nothing: it is not whole, its time is over, it was revoked, or its rule takes links no more.
    Sign in to the console to see what waits.
    """


class Linked(Struct, frozen=True):
    """What a signed link leads to: a review, whom the link was sent to, and what a form of its page brings along."""

    shown: ReviewShown
    receiver: str
    form: str


class LinkDesk(Protocol):
    """Links that decide. Both raise `LinkRefused` for a link that does not hold."""

    async def opened(self, token: str) -> Linked:
        """What it leads to."""

    async def decide(self, token: str, choice: Choice, reason: str, form: str) -> Linked:
        """Decides unless that was done; what is decided then. Raises `JournalRefusal`."""


class ReviewDesk(Protocol):
    """Reviews of a journal. Every operation raises `JournalRefusal`, and `JournalUnavailable`."""

    async def waiting(self) -> Mapping[str, int]:
        """How many wait, by task."""

    async def find(self, task: str, visitor: str, *, waiting: bool, run: str = "") -> tuple[Review, ...]:
        """Those that wait, the oldest first and samples last; and unless only these are meant, the latest decided.

        Of samples, what others said is not among them before all who were asked have said something.
        """

    async def shown(self, review: str, visitor: str = "") -> ReviewShown:
        """One of them with what it is about; of a sample what the visitor may know of it, as in `find`."""

    async def decide(self, review: str, said: Said) -> Review:
        """Writes a decision; the review as it stands then."""

    async def agreement(self, task: str) -> SampledAgreement:
        """How well those agree who looked at sampled runs."""


async def visible(desk: ReviewDesk, visitor: Visitor, task: str, *, waiting: bool, run: str = "") -> tuple[Review, ...]:
    """What `find` gives of the tasks that a visitor may see; those of other tasks take no place from them."""
    tasks = tuple(one for one in visitor.tasks if task in {"", one}) if visitor.tasks else (task,)
    found = [one for name in tasks for one in await desk.find(name, visitor.name, waiting=waiting, run=run)]
    waits = sorted(
        (one for one in found if one.verdict is None), key=lambda one: (one.sampled, one.asked_ns, one.review)
    )
    decided = sorted((one for one in found if one.verdict is not None), key=_decided, reverse=True)
    return (*waits, *decided)


def _waits(one: Review) -> tuple[bool, int, str]:
    return one.sampled, one.asked_ns, one.review


def _decided(one: Review) -> tuple[int, str]:
    return one.decided_ns or 0, one.review
