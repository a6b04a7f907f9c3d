"""The routes of reviews: whoever may see a task sees them; each says itself who may decide."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from trimtab.console.endpoint import Endpoint, Query, Visitor, visitor_of
from trimtab.console.problems import json_answer, json_given
from trimtab.console.review_desk import ReviewDesk, ReviewShown, SampledAgreement, visible
from trimtab.errors import Forbidden, InvalidRequest
from trimtab.journal.asks import Review
from trimtab.journal.deciding import Choice, Said
from trimtab.journal.refusals import JournalRefusal, NotForYou, ReviewUnknown

T = TypeVar("T")
LIST: Final = (
    Query("task", "a task"),
    Query("run", "a run"),
    Query("all", "true brings those that were decided too", bool),
)


class ReviewList(Struct, frozen=True):
    """Reviews: those that wait, the oldest first, then the latest decided."""

    reviews: tuple[Review, ...]


class Deciding(Struct, frozen=True, forbid_unknown_fields=True):
    """A decision. `binds` is the review's, as it was read; `arguments` are the edited ones, as JSON text."""

    choice: Choice
    binds: str
    reason: str = ""
    arguments: str = ""


def review_endpoints(desk: ReviewDesk) -> tuple[Endpoint, ...]:
    """The rows of the table of routes."""

    async def listed(request: Request) -> Response:
        """Reviews of tasks that the visitor may see."""
        visitor, query = visitor_of(request), request.query_params
        task, run, waiting = query.get("task", ""), query.get("run", ""), query.get("all") != "true"
        return json_answer(ReviewList(await asked(visible(desk, visitor, task, waiting=waiting, run=run))))

    async def shown(request: Request) -> Response:
        """One review with what it is about."""
        return json_answer(await seen(desk, visitor_of(request), request.path_params["review"]))

    async def decide(request: Request) -> Response:
        """Decides one."""
        visitor, wanted = visitor_of(request), decoded(await request.body())
        one = (await seen(desk, visitor, request.path_params["review"])).review
        said = Said(wanted.choice, visitor.name, visitor.role, wanted.binds, wanted.reason, wanted.arguments)
        return json_answer(await asked(desk.decide(one.review, said)))

    async def agreement(request: Request) -> Response:
        """How well people agree on sampled runs of a task."""
        task = request.query_params.get("task", "")
        visitor_of(request).within((task,))
        return json_answer(await asked(desk.agreement(task)))

    return (
        Endpoint("GET", "/api/reviews", "viewer", listed, "reviews that wait", answers=ReviewList, query=LIST),
        Endpoint(
            "GET",
            "/api/reviews-agreement",
            "viewer",
            agreement,
            "how well people agree who looked at sampled runs, and how checks stand against them",
            answers=SampledAgreement,
            query=(Query("task", "a task"),),
        ),
        Endpoint("GET", "/api/reviews/{review}", "viewer", shown, "one review", answers=ReviewShown, query=()),
        Endpoint(
            "POST",
            "/api/reviews/{review}/decided",
            "viewer",
            decide,
            "approves, edits or rejects; the review says who may",
            acts=True,
            answers=Review,
            body=Deciding,
            query=(),
        ),
    )


async def seen(desk: ReviewDesk, visitor: Visitor, review: str) -> ReviewShown:
    """A review of a task that the visitor may see; raises 404."""
    found = await asked(desk.shown(review, visitor.name))
    if not visitor.sees(found.review.task):
        raise HTTPException(404, str(ReviewUnknown(run="", review=review[:80])))
    return found


async def asked(work: Awaitable[T]) -> T:
    """The answer; a refusal is told as HTTP tells it."""
    with _mapped():
        return await work


def decoded(body: bytes) -> Deciding:
    """A decision as it came; raises `InvalidRequest`."""
    return json_given(body, Deciding, "what it should be")


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except ReviewUnknown as unknown:
        raise HTTPException(404, str(unknown)) from unknown
    except NotForYou as refused:
        raise Forbidden(key=refused.facts["by"], what=f"this decision: it is for {refused.facts['roles']}") from refused
    except JournalRefusal as refused:
        raise InvalidRequest(detail=str(refused)) from refused
