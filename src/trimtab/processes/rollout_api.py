"""The routes of rollouts: viewers see how one stands; only the host's owner begins one, operators may stop it."""

from __future__ import annotations

from typing import TypeVar

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from trimtab.console.endpoint import Endpoint, visitor_of
from trimtab.console.problems import json_answer, json_given
from trimtab.errors import RolloutRefused, StoreError
from trimtab.processes.rollout_desk import NewRollout, RolloutDesk, RolloutShown

T = TypeVar("T")


class Why(Struct, frozen=True, forbid_unknown_fields=True):
    """A reason."""

    why: str = ""


class Promoting(Struct, frozen=True, forbid_unknown_fields=True):
    """On what a candidate may come into force: evaluations that said ship since it was begun, or why there are none."""

    why: str = ""
    evaluations: tuple[str, ...] = ()


class RolloutState(Struct, frozen=True):
    """The latest rollout; None where there never was one."""

    rollout: RolloutShown | None


def rollout_endpoints(desk: RolloutDesk) -> tuple[Endpoint, ...]:
    """The rows of the table of routes."""

    async def shown(_: Request) -> Response:
        """The latest rollout, as it stands."""
        return json_answer(RolloutState(desk.shown))

    async def start(request: Request) -> Response:
        """Begins one."""
        new = await _body(request, NewRollout)
        try:
            return json_answer(RolloutState(desk.start(new, visitor_of(request).name)))
        except StoreError as failure:
            raise RolloutRefused(detail=str(failure)) from failure

    async def stop(request: Request) -> Response:
        """Ends it."""
        given = await _body(request, Why)
        return json_answer(RolloutState(desk.stop(visitor_of(request).name, given.why)))

    async def promote(request: Request) -> Response:
        """Says that it may come into force."""
        given = await _body(request, Promoting)
        return json_answer(RolloutState(desk.promote(visitor_of(request).name, given.why, given.evaluations)))

    path = "/api/rollout"
    return (
        Endpoint("GET", path, "viewer", shown, "the latest rollout", whole=True, answers=RolloutState, query=()),
        Endpoint("POST", path, "owner", start, "begins a rollout", True, True, answers=RolloutState, body=NewRollout,
                 query=()),
        Endpoint("POST", f"{path}/stop", "operator", stop, "ends a rollout", True, True, answers=RolloutState,
                 body=Why, query=()),
        Endpoint("POST", f"{path}/promote", "owner", promote, "lets a rollout come into force", True, True,
                 answers=RolloutState, body=Promoting, query=()),
    )  # fmt: skip


async def _body(request: Request, kind: type[T]) -> T:
    return json_given(await request.body(), kind, f"a {kind.__name__}")
