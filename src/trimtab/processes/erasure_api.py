"""The route that takes an end user out: for admins of the whole host."""

from __future__ import annotations

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from trimtab.console.endpoint import Endpoint, visitor_of
from trimtab.console.problems import json_answer, json_given
from trimtab.errors import InvalidRequest
from trimtab.journal.refusals import JournalRefusal
from trimtab.processes.erasure import ErasedPortion, Erasure


class Whose(Struct, frozen=True, forbid_unknown_fields=True):
    """The end user that is to be taken out, as `x-trimtab-user` named them."""

    end_user: str


def erasure_endpoints(erasure: Erasure) -> tuple[Endpoint, ...]:
    """The row of the table of routes."""

    async def erase(request: Request) -> Response:
        """Takes out one portion."""
        whose = json_given(await request.body(), Whose, "what it should be")
        if not whose.end_user or len(whose.end_user) > 1000:
            raise InvalidRequest(detail="end_user names nobody; write the id that calls and runs bear")
        try:
            return json_answer(await erasure.portion(whose.end_user, visitor_of(request).name))
        except JournalRefusal as refused:
            raise InvalidRequest(detail=str(refused)) from refused

    says = "takes out one portion of what an end user left; again until it is done"
    return (
        Endpoint("POST", "/api/erase", "admin", erase, says, True, True, answers=ErasedPortion, body=Whose, query=()),
    )
