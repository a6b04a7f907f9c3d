"""What is done with reviews: for control's routes, its pages, and the command line."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from trimtab.clock import Clock
from trimtab.console.review_desk import ReviewShown, SampledAgreement
from trimtab.evals.agreeing import agreement_of
from trimtab.evals.checked import Looked, check_errors
from trimtab.journal.asks import Entries, FindReviews, Read, Review, Reviews
from trimtab.journal.client import Asking
from trimtab.journal.deciding import Said, decision
from trimtab.journal.entries import Body, Entry
from trimtab.journal.proposals import background_of
from trimtab.journal.refusals import NotForYou, ReviewDone, ReviewUnknown
from trimtab.journal.standing import standing
from trimtab.processes.review_context import cost_usd, given, loaded, steps_before

MOST_FOUND: Final = 200
MOST_COUNTED: Final = 1000
MOST_SHOWN: Final = 64 << 10
VALUES: Final = {"approved": 1.0, "rejected": 0.0}

Schemas = Callable[[str], Mapping[str, str]]
"""The schemas of the arguments of a task's tools as they are now, by tool."""


class ReviewBook:
    """Reviews, whoever has the journal. `schemas` and `lock` tell what is in force."""

    def __init__(self, journal: Asking, schemas: Schemas, lock: Callable[[], str], clock: Clock) -> None:
        self._journal = journal
        self._schemas = schemas
        self._lock = lock
        self._clock = clock

    def __repr__(self) -> str:
        return f"ReviewBook({self._journal!r})"

    async def waiting(self) -> Mapping[str, int]:
        """How many wait, by task; a thousand at most are counted."""
        return Counter(one.task for one in await self._found(FindReviews(limit=MOST_COUNTED)))

    async def find(self, task: str, visitor: str, *, waiting: bool, run: str = "") -> tuple[Review, ...]:
        """Those that wait for this visitor among others, samples last, and unless only these, those decided."""
        found = await self._found(FindReviews(run=run, task=task, limit=MOST_FOUND))
        decided = await self._found(FindReviews(run=run, task=task, limit=MOST_COUNTED, decided=True))
        mine = {(one.run, one.of) for one in decided if one.sampled and one.by == visitor}
        return tuple(_told(found if waiting else (*found, *decided[:MOST_FOUND]), mine))

    async def shown(self, review: str, visitor: str = "") -> ReviewShown:
        """One of them with what it is about; what another said of a sample only once all have said something."""
        one = await self._one(review)
        if await self._is_kept_back(one, visitor):
            one = replace(one, verdict=None, by="", said="", decided_ns=None)
        background = background_of(await self._body(one.run, one.context))
        if background.cost_usd is None:
            background = replace(background, cost_usd=await cost_usd(self._journal, one.run))
        return ReviewShown(
            one,
            _text(await self._body(one.run, one.proposed)),
            background,
            _text(await self._body(one.run, one.edited)) if one.edited is not None else "",
            self._changed(one),
            _text(await given(self._journal, one.run)),
            await steps_before(self._journal, one.run, one.of),
        )

    async def decide(self, review: str, said: Said) -> Review:
        """Writes a decision; the review as it stands then, with the lock in force where it waited under another."""
        one = await self._one(review)
        if one.sampled:
            await self._by_themselves(one, said)
        ask = decision(one, said, await self._all_schemas(one) if said.choice == "edit" else (), self._clock.wall_ns())
        await self._journal.do(ask)
        return replace(await self._one(review), lock_now=one.lock_now)

    async def agreement(self, task: str) -> SampledAgreement:
        """How well those agree who looked at sampled runs, and how checks of these stand against them."""
        found = await self._found(FindReviews(task=task, limit=MOST_COUNTED, decided=True, sampled=True))
        said: defaultdict[tuple[str, int], dict[str, float]] = defaultdict(dict)
        drawn: dict[tuple[str, int], float] = {}
        for one in found:
            if one.verdict in VALUES:
                said[one.run, one.of][one.by] = VALUES[one.verdict]
                drawn[one.run, one.of] = background_of(await self._body(one.run, one.context)).drawn
        looked: list[Looked] = []
        undecided = unknown = 0
        for (run, of), values in said.items():
            votes = sum(values.values()) * 2 - len(values)
            if votes == 0:
                undecided += 1
            elif not drawn[run, of]:
                unknown += 1
            else:
                found_there = standing(await self._log(run))
                checks = {name: (one.passed, one.changed) for name, one in found_there.items()}
                looked.append(Looked(votes > 0, drawn[run, of], checks))
        reviewers = agreement_of(list(said.values()), "nominal")
        return SampledAgreement(reviewers, check_errors(looked), len(said), undecided, unknown)

    async def _log(self, run: str) -> list[Entry]:
        """All entries of a run."""
        found: list[Entry] = []
        while True:
            told = await self._journal.do(Read(run, len(found) + 1))
            if not isinstance(told, Entries) or not told.entries:
                return found
            found += [logged.entry for logged in told.entries]
            if len(found) >= told.last:
                return found

    async def _is_kept_back(self, one: Review, visitor: str) -> bool:
        """Whether this is what another one said of a sample that not all who were asked have looked at."""
        if not one.sampled or one.verdict is None or one.by == visitor:
            return False
        waiting = await self._found(FindReviews(run=one.run, limit=MOST_FOUND))
        return any(other.sampled and other.of == one.of for other in waiting)

    async def _by_themselves(self, one: Review, said: Said) -> None:
        """Nobody looks at one run twice, or is told what another said before all have said something; raises
        `NotForYou` and `ReviewDone`.
        """
        if await self._is_kept_back(one, said.by):
            raise ReviewDone(run=one.run, review=one.review, verdict="looked at", by="somebody else")
        others = await self._found(FindReviews(run=one.run, limit=MOST_FOUND, decided=True))
        if any(other.sampled and other.of == one.of and other.by == said.by for other in others if other != one):
            raise NotForYou(run=one.run, review=one.review, by=said.by, roles="somebody who has not seen that run yet")

    async def _all_schemas(self, one: Review) -> tuple[str, ...]:
        """What edited arguments must hold against: the tool as it was when it was asked, and as it is."""
        then = background_of(await self._body(one.run, one.context)).schema
        now = self._schemas(one.task).get(one.tool, "")
        return tuple(dict.fromkeys(schema for schema in (then, now) if schema))

    def _changed(self, one: Review) -> str:
        """That it was asked under another lock than the one in force."""
        if not one.lock_now:
            return ""
        return (
            f"It was asked under lock {one.lock[:12]}, and {one.lock_now[:12]} is in force now. What you approve holds "
            "under the first alone: a run that goes on under another lock asks again."
        )

    async def _one(self, review: str) -> Review:
        if not review:
            raise ReviewUnknown(run="", review="")
        return (await self._found(FindReviews(review=review)))[0]

    async def _found(self, ask: FindReviews) -> tuple[Review, ...]:
        told = await self._journal.do(ask)
        now = self._lock()
        return tuple(_under(one, now) for one in told.reviews) if isinstance(told, Reviews) else ()

    async def _body(self, run: str, body: Body | None) -> bytes | None:
        return await loaded(self._journal, run, body)


def _under(one: Review, now: str) -> Review:
    """A review that waits with the lock in force, where that is another one."""
    matters = one.verdict is None and not one.sampled
    return replace(one, lock_now=now) if matters and one.lock and now and one.lock != now else one


def _told(found: tuple[Review, ...], mine: set[tuple[str, int]]) -> list[Review]:
    """Without samples that the visitor has looked at already, and what was said of those that still wait."""
    open_ones = {(one.run, one.of) for one in found if one.sampled and one.verdict is None}
    return [
        one
        for one in found
        if not one.sampled or (one.run, one.of) not in (mine if one.verdict is None else open_ones - mine)
    ]


def _text(content: bytes | None) -> str:
    """JSON laid out, anything else as it is; empty where the bytes are not kept any more."""
    if content is None:
        return ""
    text = content.decode("utf-8", "replace")
    if len(text) > MOST_SHOWN:
        return text
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return json.dumps(value, ensure_ascii=False, indent=2)
