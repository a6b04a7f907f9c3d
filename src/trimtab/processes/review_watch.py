"""Tells receivers of reviews that wait and of those that escalate, and has people look at some of the runs that ended.

Each telling has an id of its own that follows from the review, so that none is made twice, whoever restarts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from hashlib import sha256
from typing import Final, Protocol

from trimtab.clock import Clock
from trimtab.declare.reviewing import ReviewRule, ReviewSample
from trimtab.errors import JournalUnavailable, StoreError
from trimtab.journal.asks import AskReview, Entries, Find, FindReviews, Read, Review, Reviews, RunRow, Runs
from trimtab.journal.client import Asking
from trimtab.journal.entries import Asked, Body, Ended, Intent, Result, body_of
from trimtab.journal.outbox import Letter
from trimtab.journal.proposals import Background, context_of
from trimtab.journal.refusals import JournalRefusal
from trimtab.policy.watch import TaskWatch, Watch
from trimtab.processes.deliver import Ready, written
from trimtab.processes.logs import event
from trimtab.processes.review_links import allowed, link_to
from trimtab.signals.alerts.alert import Severity
from trimtab.signals.alerts.telling import receiving
from trimtab.signals.notify.message import REVIEW, Message

LOOK_S: Final = 2.0
SAMPLE_S: Final = 60.0
MOST: Final = 1000
MOST_REMEMBERED: Final = 100_000
LAST_ENTRIES: Final = 200
"""Entries at a log's end among which the last step of a run is looked for."""
DAY_NS: Final = 86_400 * 1_000_000_000

log = logging.getLogger("trimtab.control")


class Box(Protocol):
    """What is to be delivered."""

    def put(self, letters: Iterable[Letter]) -> None:
        """Takes letters in, each once; raises `StoreError`."""


class ReviewWatch:
    """One of control's works."""

    def __init__(
        self,
        journal: Asking,
        box: Box,
        watch: Callable[[], Watch],
        clock: Clock,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._journal = journal
        self._box = box
        self._watch = watch
        self._clock = clock
        self._pause = pause
        self._told: set[str] = set()
        self._looked: set[str] = set()
        self._sampled_s = -SAMPLE_S

    def __repr__(self) -> str:
        return f"ReviewWatch({len(self._told)} told)"

    async def run(self) -> None:
        """Looks until it is cancelled; a journal that does not answer is waited for."""
        while True:
            try:
                await self.look()
            except (JournalUnavailable, StoreError) as failure:
                event(log, logging.WARNING, "reviews_unread", detail=str(failure))
            await self._pause(LOOK_S)

    async def look(self) -> None:
        """Tells what is to be told by now, and samples runs now and then."""
        watch = self._watch()
        told = await self._journal.do(FindReviews(limit=MOST, samples=False))
        waiting = told.reviews if isinstance(told, Reviews) else ()
        letters = [one for review in waiting for one in letters_of(review, watch)]
        new = [one for one in letters if one.id not in self._told]
        if new:
            self._box.put(new)
        self._told = {one.id for one in letters}
        if self._clock.monotonic() - self._sampled_s >= SAMPLE_S:
            self._sampled_s = self._clock.monotonic()
            for task, of in watch.tasks.items():
                if of.review_sample is not None:
                    await self._sample(task, of.review_sample)

    async def _sample(self, task: str, sample: ReviewSample) -> None:
        now_ns = self._clock.wall_ns()
        told = await self._journal.do(
            Find(task=task, states=("completed", "failed"), since_ns=now_ns - DAY_NS, limit=MOST)
        )
        runs = told.runs if isinstance(told, Runs) else ()
        drawn = [row for row in runs if row.run not in self._looked and is_drawn(row.run, sample.share)]
        if len(self._looked) > MOST_REMEMBERED:
            self._looked.clear()
        self._looked |= {row.run for row in runs} - {row.run for row in drawn}
        if not drawn:
            return
        today = await self._today(task, now_ns)
        for row in drawn:
            if row.run not in today and len(today) >= sample.runs_a_day:
                break
            today.add(row.run)
            self._looked.add(row.run)
            await self._ask(row, sample)

    async def _today(self, task: str, now_ns: int) -> set[str]:
        """The runs of a task that were sampled today (UTC)."""
        today_ns = now_ns - now_ns % DAY_NS
        wanted = FindReviews(task=task, waiting=False, sampled=True, since_ns=today_ns, limit=MOST)
        told = await self._journal.do(wanted)
        return {one.run for one in told.reviews} if isinstance(told, Reviews) else set()

    async def _ask(self, row: RunRow, sample: ReviewSample) -> None:
        told = await self._journal.do(Read(row.run, max(1, row.head - LAST_ENTRIES + 1), LAST_ENTRIES))
        of, did = _last(told) if isinstance(told, Entries) else (0, None)
        for seat in range(sample.reviewers if of else 0):
            binds = sha256(f"sample\n{row.run}\n{of}\n{seat}".encode()).hexdigest()
            asked = Asked(self._clock.wall_ns(), "", of, binds, sample.question, sampled=True)
            about = context_of(Background(drawn=sample.share))
            try:
                await self._journal.do(AskReview(row.run, 0, asked, did or body_of(b"null"), about))
            except JournalRefusal as refused:
                event(log, logging.WARNING, "run_not_sampled", run=row.run, detail=str(refused))
                return


def is_drawn(run: str, share: float) -> bool:
    """Whether a run is among a share of all; the same for whoever asks."""
    return int.from_bytes(sha256(f"sample\n{run}".encode()).digest()[:8], "big") < share * 2**64


def letters_of(review: Review, watch: Watch) -> Iterator[Letter]:
    """What is to be told of a review that waits: that it was asked, and that it escalated."""
    of = watch.tasks.get(review.task, TaskWatch())
    rule = next((one for one in of.reviews if not one.tools or review.tool in one.tools), ReviewRule())
    lists = (rule.receivers, watch.alerting.owners.get(of.owner, ()), watch.alerting.fallback)
    for name in receiving(lists, watch.alerting, "ticket"):
        yield _letter(review, "opened", "ticket", name, of.owner, watch)
    if review.escalated:
        named = (review.escalates_to,) if review.escalates_to in watch.alerting.receivers else ()
        for name in named or receiving(lists, watch.alerting, "page"):
            yield _letter(review, "escalated", "page", name, of.owner, watch)


def _letter(review: Review, kind: str, severity: Severity, receiver: str, owner: str, watch: Watch) -> Letter:
    identity = f"{review.review}.{kind}.{receiver}"
    lead = "Still undecided: " if kind == "escalated" else ""
    url = watch.alerting.console_url
    message = Message(
        id=identity,
        group=review.review,
        kind=kind,
        environment=watch.environment,
        severity=severity,
        title=f"{lead}{review.task or 'a run'} waits for a person to decide on {review.tool[:64]}",
        lines=(f"run {review.run}, step {review.of}", f"review {review.review}", *_expiry(review)),
        causes=(),
        calls=(),
        task=review.task,
        owner=owner,
        signal=REVIEW,
        link=f"{url}/reviews/{review.review}" if url else "",
        began_ns=review.asked_ns,
    )
    link = link_to(review) if url and allowed(watch, review.task, review.tool) else None
    at_ns = review.asked_ns if kind == "opened" else review.escalates_ns or review.asked_ns
    body = written(Ready(message, link))
    return Letter(identity, review.review, kind, receiver, body, at_ns, at_ns, 0, "waiting", "")  # type: ignore[arg-type]


def _expiry(review: Review) -> tuple[str, ...]:
    if review.expires_ns is None:
        return ()
    hours = (review.expires_ns - review.asked_ns) / 3.6e12
    return (f"{review.otherwise} by itself {hours:.3g} h after it was asked",)


def _last(told: Entries) -> tuple[int, Body | None]:
    """The last step of a log's end, and what the run gave."""
    of, did = 0, None
    for logged in told.entries:
        entry = logged.entry
        if isinstance(entry, Intent):
            of = logged.seq
        elif isinstance(entry, Result | Ended) and entry.output is not None:
            did = entry.output
    return of, did
