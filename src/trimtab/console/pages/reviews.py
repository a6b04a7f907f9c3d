"""What waits for a person, made for deciding quickly: what will happen, why, what it touches, what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, get_args
from urllib.parse import quote

from markupsafe import Markup
from msgspec import Struct
from starlette.exceptions import HTTPException

from trimtab.console import format as written
from trimtab.console.endpoint import Query
from trimtab.console.page import Action, Asked, Built, Page
from trimtab.console.parts import Parts
from trimtab.console.review_desk import ReviewDesk, ReviewShown, visible
from trimtab.console.tables import Column, Table
from trimtab.console.text import short, shown
from trimtab.errors import Forbidden, InvalidRequest
from trimtab.journal.asks import Review
from trimtab.journal.deciding import USUAL_ROLES, Choice, Said, may_decide
from trimtab.journal.refusals import BindingChanged, JournalRefusal, NotForYou, ReviewDone, ReviewUnknown

NS: Final = 1_000_000_000
CHOICES: Final[tuple[Choice, ...]] = get_args(Choice)
NONE: Final = Markup(
    "Nothing waits for a person. <code>review = {...}</code> in a task.toml says what should "
    "(<code>docs/reviews.md</code>)."
)
NONE_DECIDED: Final = "Nothing was decided yet."


class ReviewsPage(Struct, frozen=True):
    """Those that wait, the oldest first, the latest that were decided, and the one that is open to be decided."""

    waiting: tuple[Review, ...]
    decided: tuple[Review, ...]
    open: ReviewShown | None = None


async def build(asked: Asked, parts: Parts) -> Built[ReviewsPage]:
    """The page of all, with the oldest that waits for the visitor open."""
    desk = _desk(parts)
    found = await _found(asked, desk)
    mine = next((one for one in found if one.verdict is None and _may(asked, one)), None)
    return _built(asked, found, await desk.shown(mine.review) if mine is not None else None, asked.query)


async def build_one(asked: Asked, parts: Parts) -> Built[ReviewsPage]:
    """The page of one. Raises 404 for one that is not there, or of a task that may not be seen."""
    desk = _desk(parts)
    one = await seen(asked, desk, asked.path["review"])
    return _built(asked, await _found(asked, desk), one, asked.query)


async def seen(asked: Asked, desk: ReviewDesk, review: str) -> ReviewShown:
    """A review of a task that the visitor may see."""
    try:
        one = await desk.shown(review, asked.visitor.name)
    except ReviewUnknown as unknown:
        raise HTTPException(404, str(unknown)) from unknown
    if not asked.visitor.sees(one.review.task):
        raise HTTPException(404, str(ReviewUnknown(run="", review=review[:80])))
    return one


async def decide(asked: Asked, parts: Parts, form: Mapping[str, str]) -> str:
    """Decides, and leads to the next; where somebody was quicker, to what became of it."""
    desk, review = _desk(parts), asked.path["review"]
    choice = next((one for one in CHOICES if one == form.get("choice")), None)
    if choice is None:
        raise InvalidRequest(detail=f"choice is none of {', '.join(CHOICES)}")
    await seen(asked, desk, review)
    visitor = asked.visitor
    said = Said(
        choice, visitor.name, visitor.role, form.get("binds", ""), form.get("reason", ""), form.get("arguments", "")
    )
    try:
        decided = await desk.decide(review, said)
    except (ReviewDone, BindingChanged):
        return asked.to(f"/reviews/{quote(review, safe='')}", stale=True)
    except NotForYou as refused:
        raise Forbidden(key=visitor.name, what=f"this decision: it is for {refused.facts['roles']}") from refused
    except JournalRefusal as refused:
        raise InvalidRequest(detail=str(refused)) from refused
    other = bool(decided.lock_now) and choice != "reject"
    return f"{asked.to('/reviews', decided=review, other_lock=other or None)}#open"


def facts_of(asked: Asked, one: ReviewShown) -> dict[str, object]:
    """What the template says of an open review."""
    review = one.review
    left_ns = review.expires_ns - asked.now_ns if review.expires_ns is not None else None
    cost = one.background.cost_usd
    return {
        "run_href": asked.to(f"/runs/{quote(review.run, safe='')}"),
        "roles": " or ".join(review.roles or USUAL_ROLES),
        "left": written.duration(max(0, left_ns) / NS) if left_ns is not None else "",
        "cost": written.money(cost * 1e12) if cost is not None else "",
        "may": review.verdict is None and _may(asked, review),
        "otherwise": {"rejected": "rejected", "approved": "approved"}.get(review.otherwise, "closed undecided"),
    }


def table_of(asked: Asked, name: str, title: str, rows: Sequence[Review], empty: str | Markup) -> Table[Review]:
    """Reviews, one a line."""

    def opens(one: Review) -> str:
        return asked.to(f"/reviews/{quote(one.review, safe='')}")

    columns: tuple[Column[Review], ...] = (
        Column("tool", "action", lambda one: one.tool, lambda one: short(one.tool, 60), opens),
        Column("task", "task", lambda one: one.task, lambda one: shown(one.task), lambda one: asked.task(one.task)),
        Column("reason", "why", lambda one: one.reason, lambda one: short(one.reason, 90) or written.NOTHING),
        Column(
            "asked", "asked", lambda one: one.asked_ns, lambda one: written.ago(one.asked_ns, asked.now_ns, asked.zone)
        ),
        Column(
            "expires",
            "expires",
            lambda one: one.expires_ns,
            lambda one: written.when(one.expires_ns, asked.zone, asked.now_ns),
        ),
        Column("verdict", "decided", _verdict, _verdict),
    )
    return Table(name, title, columns, rows, empty, opens)


def _verdict(one: Review) -> str:
    if one.verdict is None:
        waits = "waits, escalated" if one.escalated else "waits"
        return f"{waits}, asked under another lock" if one.lock_now else waits
    return short(f"{one.verdict} by {one.by}", 60)


def _built(
    asked: Asked, found: Sequence[Review], one: ReviewShown | None, query: Mapping[str, str]
) -> Built[ReviewsPage]:
    waiting = tuple(each for each in found if each.verdict is None)
    decided = tuple(each for each in found if each.verdict is not None)
    tables = (
        table_of(asked, "waiting", "What waits", waiting, NONE),
        table_of(asked, "decided", "Decided", decided[:50], NONE_DECIDED),
    )
    extra = {
        "facts": facts_of(asked, one) if one is not None else {},
        "stale": query.get("stale") == "true",
        "just": query.get("decided", ""),
        "other_lock": query.get("other_lock") == "true",
    }
    title = f"Review: {short(one.review.tool, 40)}" if one is not None and "review" in asked.path else ""
    return Built(ReviewsPage(waiting, decided, one), tables, title=title, extra=extra)


async def _found(asked: Asked, desk: ReviewDesk) -> tuple[Review, ...]:
    return await visible(desk, asked.visitor, asked.query.get("task", ""), waiting=False)


def _may(asked: Asked, one: Review) -> bool:
    return may_decide(one.roles, asked.visitor.role, asked.visitor.name)


def _desk(parts: Parts) -> ReviewDesk:
    if parts.reviews is None:
        raise HTTPException(404, "no journal of runs is kept here; `trimtab up` keeps one")
    return parts.reviews


PAGE: Final = Page(
    "reviews",
    "/reviews",
    "Reviews",
    "what waits for a person to decide: what will happen, why, and what it touches",
    ReviewsPage,
    build,
    "Reviews",
    "w",
    query=(
        Query("task", "a task"),
        Query("decided", "the review that was decided a moment ago"),
        Query("other_lock", "true says that it was approved under another lock than the one in force", bool),
    ),
)
DETAIL: Final = Page(
    "review",
    "/reviews/{review}",
    "Review",
    "one review: what is proposed and what became of it",
    ReviewsPage,
    build_one,
    query=(Query("stale", "true says that somebody else was quicker", bool),),
)
ACTIONS: Final = (
    Action("/reviews/{review}/decided", "approves, edits or rejects; the review says who may", decide, least="viewer"),
)
