"""What is done with reviews: for control's routes, its pages, and the command line."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

from trimtab.clock import Clock
from trimtab.console.review_desk import Held, ReviewShown, SampledAgreement
from trimtab.evals.agreeing import agreement_of
from trimtab.journal.asks import Entries, FindReviews, Load, Loaded, Read, Review, Reviews
from trimtab.journal.client import Asking
from trimtab.journal.deciding import Said, decision
from trimtab.journal.entries import Body, Checked
from trimtab.journal.proposals import background_of
from trimtab.journal.refusals import BodyUnknown, NotForYou

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
        """Those that wait for this visitor among others, the oldest first, and unless only these, those decided."""
        found = await self._found(FindReviews(run=run, task=task, waiting=waiting, limit=MOST_FOUND))
        mine = {(one.run, one.of) for one in found if one.sampled and one.by == visitor}
        if waiting:
            decided = await self._found(FindReviews(run=run, task=task, waiting=False, limit=MOST_COUNTED))
            mine = {(one.run, one.of) for one in decided if one.sampled and one.by == visitor}
        return tuple(_told(found, mine))

    async def shown(self, review: str) -> ReviewShown:
        """One of them with what it is about."""
        one = await self._one(review)
        context = await self._body(one.run, one.context)
        return ReviewShown(
            one,
            _text(await self._body(one.run, one.proposed)),
            background_of(context),
            _text(await self._body(one.run, one.edited)) if one.edited is not None else "",
            self._changed(one),
        )

    async def decide(self, review: str, said: Said) -> Review:
        """Writes a decision; the review as it stands then."""
        one = await self._one(review)
        if one.sampled:
            await self._by_themselves(one, said)
        ask = decision(one, said, await self._all_schemas(one) if said.choice == "edit" else (), self._clock.wall_ns())
        await self._journal.do(ask)
        return await self._one(review)

    async def agreement(self, task: str) -> SampledAgreement:
        """How well those agree who looked at sampled runs, and how checks of these stand against them."""
        found = await self._found(FindReviews(task=task, waiting=False, limit=MOST_COUNTED))
        said: defaultdict[tuple[str, int], dict[str, float]] = defaultdict(dict)
        for one in found:
            if one.sampled and one.verdict in VALUES:
                said[one.run, one.of][one.by] = VALUES[one.verdict]
        checks: defaultdict[str, list[tuple[bool, bool]]] = defaultdict(list)
        for (run, _), values in said.items():
            is_right = sum(values.values()) * 2 > len(values)
            for check, passed in (await self._checks(run)).items():
                checks[check].append((is_right, passed))
        return SampledAgreement(
            agreement_of(list(said.values()), "nominal"),
            tuple(_held(check, pairs) for check, pairs in sorted(checks.items())),
        )

    async def _checks(self, run: str) -> dict[str, bool]:
        """Each check of a run, and whether it passed every time."""
        found: dict[str, bool] = {}
        since = 1
        while True:
            told = await self._journal.do(Read(run, since))
            if not isinstance(told, Entries) or not told.entries:
                return found
            for logged in told.entries:
                if isinstance(logged.entry, Checked):
                    found[logged.entry.check] = found.get(logged.entry.check, True) and logged.entry.passed
            since = told.entries[-1].seq + 1
            if since > told.last:
                return found

    async def _by_themselves(self, one: Review, said: Said) -> None:
        """Nobody looks at one run twice; raises `NotForYou`."""
        others = await self._found(FindReviews(run=one.run, waiting=False, limit=MOST_FOUND))
        if any(other.sampled and other.of == one.of and other.by == said.by for other in others if other != one):
            raise NotForYou(run=one.run, review=one.review, by=said.by, roles="somebody who has not seen that run yet")

    async def _all_schemas(self, one: Review) -> tuple[str, ...]:
        """What edited arguments must hold against: the tool as it was when it was asked, and as it is."""
        then = background_of(await self._body(one.run, one.context)).schema
        now = self._schemas(one.task).get(one.tool, "")
        return tuple(dict.fromkeys(schema for schema in (then, now) if schema))

    def _changed(self, one: Review) -> str:
        now = self._lock()
        if one.verdict is not None or not one.lock or not now or one.lock == now:
            return ""
        return (
            f"It was asked under lock {one.lock[:12]}, and {now[:12]} is in force now. What you approve holds under "
            "the first alone: a run that goes on under another lock asks again."
        )

    async def _one(self, review: str) -> Review:
        return (await self._found(FindReviews(review=review)))[0]

    async def _found(self, ask: FindReviews) -> tuple[Review, ...]:
        told = await self._journal.do(ask)
        return told.reviews if isinstance(told, Reviews) else ()

    async def _body(self, run: str, body: Body | None) -> bytes | None:
        if body is None:
            return None
        if body.inline is not None:
            return body.inline.encode()
        try:
            told = await self._journal.do(Load(run, body.digest))
        except BodyUnknown:
            return None
        return told.content if isinstance(told, Loaded) else None


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


def _held(check: str, pairs: list[tuple[bool, bool]]) -> Held:
    right = [passed for is_right, passed in pairs if is_right]
    wrong = [passed for is_right, passed in pairs if not is_right]
    return Held(check, len(pairs), len(right), right.count(False), len(wrong), wrong.count(True))
