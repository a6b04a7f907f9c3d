"""Who draws cases from calls: control over its socket, or this process while nothing else runs."""

from __future__ import annotations

from pathlib import Path

import msgspec

from trimtab.cli.control_client import ControlClient, refusal
from trimtab.cli.own_stores import own_stores
from trimtab.clock import SystemClock
from trimtab.data.drawn import Drawn
from trimtab.errors import InvalidRequest, TrimtabError
from trimtab.processes.draw import Wish, drawn

PATIENCE_S = 300.0


class DrawRefused(TrimtabError):
    """{detail}"""


def draw(root: Path, wish: Wish) -> Drawn:
    """The cases wished for of the project in `root`.

    Raises `DeclarationError` for a project that cannot be read, `DrawRefused` for a wish that is none, and
    `ControlUnreachable` when something runs there but does not answer.
    """
    with own_stores(root) as (places, stores):
        if stores is None:
            return _asked(places.control_socket, wish)
        try:
            return drawn(stores, wish, SystemClock().wall_ns())
        except InvalidRequest as wrong:
            raise DrawRefused(detail=str(wrong.facts["detail"])) from None


def _asked(socket: Path, wish: Wish) -> Drawn:
    status, answer = ControlClient(socket, PATIENCE_S).ask("POST", "/api/data/draw", msgspec.json.encode(wish))
    if status >= 300:
        raise DrawRefused(detail=refusal(answer).message)
    return msgspec.json.decode(answer, type=Drawn)
