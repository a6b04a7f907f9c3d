"""The routes of labels: a viewer labels, an operator makes sets and puts rows in.

Nobody is told what another reviewer said of a row before as many as the set asks for have labelled it.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, TypeVar

from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from trimtab.console.endpoint import Endpoint, Query, Visitor, visitor_of
from trimtab.console.label_desk import Added, SetDetail, SetShown
from trimtab.console.problems import json_answer, json_given
from trimtab.errors import InvalidRequest
from trimtab.journal.labels import MOST_ROWS, Kind, Labelling, Row
from trimtab.processes.label_book import LabelBook

MOST_AT_ONCE: Final = MOST_ROWS
REVIEWER: Final = (Query("reviewer", "who asks, for the owner of the data directory, who may ask for others"),)
T = TypeVar("T")


class Sets(Struct, frozen=True):
    """The sets, by name."""

    sets: tuple[SetShown, ...]


class NewSet(Struct, frozen=True, forbid_unknown_fields=True):
    """A set to be made; `pairwise` ones have a scale of 3."""

    name: str
    task: str
    question: str
    kind: Kind = "rubric"
    scale: int = 2
    reviewers: int = 2


class NewRows(Struct, frozen=True, forbid_unknown_fields=True):
    """Rows to be labelled: `rows`, or `count` answers of an evaluation, drawn at random."""

    rows: tuple[dict[str, Any], ...] = ()
    source: str = ""
    evaluation: str = ""
    count: int = 100
    seed: int = 0


class Said(Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody says of a row: the key of the answer (y, n, 1 to 9). `reviewer` is for the socket's owner alone."""

    item: str
    key: str
    note: str = ""
    reviewer: str = ""


class Labelled(Struct, frozen=True):
    """Rows that have all their labels, as a data set of labels has them."""

    rows: tuple[dict[str, Any], ...]


def label_endpoints(book: LabelBook) -> tuple[Endpoint, ...]:
    """The rows of the table of routes."""
    return (*_reading(book), *_acting(book))


def _reading(book: LabelBook) -> tuple[Endpoint, ...]:
    async def listed(request: Request) -> Response:
        """The sets of tasks that the visitor may see."""
        visitor = visitor_of(request)
        found = book.sets(visitor.reviewer)
        return json_answer(Sets(tuple(one for one in found if visitor.sees(one.labelling.task))))

    async def detail(request: Request) -> Response:
        """One set as the visitor sees it: ?reviewer= names somebody else, on the socket."""
        visitor = visitor_of(request)
        return json_answer(
            book.detail(_seen(book, request).name, _named(visitor, request.query_params.get("reviewer")))
        )

    async def labelled(request: Request) -> Response:
        """The rows that have all their labels."""
        return json_answer(Labelled(book.labelled(_seen(book, request).name)))

    return (
        Endpoint("GET", "/api/labels", "viewer", listed, "sets of answers that people label", answers=Sets, query=()),
        Endpoint(
            "GET",
            "/api/labels/{name}",
            "viewer",
            detail,
            "one set: the row that waits, how well reviewers agree, what is disputed",
            answers=SetDetail,
            query=REVIEWER,
        ),
        Endpoint(
            "GET",
            "/api/labels/{name}/labelled",
            "viewer",
            labelled,
            "the rows that have all their labels, as a data set of labels",
            answers=Labelled,
            query=(),
        ),
    )


def _acting(book: LabelBook) -> tuple[Endpoint, ...]:
    async def make(request: Request) -> Response:
        """Makes a set of a task that the visitor may see."""
        visitor, wanted = visitor_of(request), await _body(request, NewSet)
        visitor.within((wanted.task,))
        made = Labelling(wanted.name, wanted.task, wanted.question, wanted.kind, wanted.scale, wanted.reviewers)
        return json_answer(book.make(made, visitor.name))

    async def add(request: Request) -> Response:
        """Puts rows into a set."""
        labelling, wanted = _seen(book, request), await _body(request, NewRows)
        rows, source = list(wanted.rows), wanted.source[:200]
        if wanted.evaluation:
            if not 0 < wanted.count <= MOST_AT_ONCE:
                raise InvalidRequest(detail=f"count is not from 1 to {MOST_AT_ONCE:,}")
            evaluation = await asyncio.to_thread(book.evaluation, wanted.evaluation)
            rows = await asyncio.to_thread(book.answers, labelling, evaluation, wanted.count, wanted.seed)
            source = f"evaluation {evaluation}"
        return json_answer(book.add(labelling.name, rows, source))

    async def put(request: Request) -> Response:
        """Keeps what somebody says of a row; answers with it as they may see it now."""
        visitor, name, said = visitor_of(request), _seen(book, request).name, await _body(request, Said)
        reviewer = _named(visitor, said.reviewer)
        who = said.reviewer or visitor.name
        return json_answer(book.put(name, said.item, said.key, said.note, reviewer, who))

    shared: dict[str, Any] = {"acts": True, "query": ()}
    return (
        Endpoint("POST", "/api/labels", "operator", make, "makes a set", answers=Labelling, body=NewSet, **shared),
        Endpoint(
            "POST", "/api/labels/{name}/rows", "operator", add, "puts rows in", answers=Added, body=NewRows, **shared
        ),
        Endpoint("POST", "/api/labels/{name}/given", "viewer", put, "labels a row", answers=Row, body=Said, **shared),
    )


def _seen(book: LabelBook, request: Request) -> Labelling:
    """A set that the visitor may see."""
    name = request.path_params["name"]
    found = book.find(name)
    if found is None or not visitor_of(request).sees(found.task):
        raise HTTPException(404, f"there is no set {name[:80]} of labels; `trimtab label list` has those there are")
    return found


def _named(visitor: Visitor, reviewer: str | None) -> str:
    """Who is meant: only the owner of the data directory speaks for others."""
    if not reviewer:
        return visitor.reviewer
    if visitor.role != "owner":
        raise InvalidRequest(detail="a reviewer is whoever the key belongs to; leave reviewer out")
    return reviewer[:120]


async def _body(request: Request, kind: type[T]) -> T:
    return json_given(await request.body(), kind, "what it should be")
