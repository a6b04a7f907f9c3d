"""Who answers `trimtab signals`: control over its socket, or this process while nothing else runs."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from trimtab.cli.answers import Refused
from trimtab.cli.control_client import ControlClient, refusal
from trimtab.cli.own_stores import own_stores
from trimtab.clock import SystemClock
from trimtab.declare.load import load
from trimtab.policy.compile import compile as compile_policy
from trimtab.processes.signals_api import query_of, wanted
from trimtab.signals.telling import Told, told


class Wish(Struct, frozen=True):
    """What figures are wanted; an empty field narrows nothing."""

    task: tuple[str, ...] = ()
    signal: tuple[str, ...] = ()
    by: str = ""
    only: str = ""
    since: str = ""
    step: str = ""

    def parameters(self) -> list[tuple[str, str]]:
        """The same as parameters of control's route."""
        given = [("task", task) for task in self.task] + [("signal", signal) for signal in self.signal]
        return given + [(name, getattr(self, name)) for name in ("by", "only", "since", "step") if getattr(self, name)]


def told_signals(root: Path, wish: Wish) -> Told:
    """The figures of the project in `root`.

    Raises `DeclarationError` for a project that cannot be read, `ControlUnreachable` when something runs there but
    does not answer, `InvalidRequest` and `Refused` for what cannot be asked.
    """
    with own_stores(root) as (places, stores):
        if stores is not None:
            now_ns = SystemClock().wall_ns()
            asked = {name: value for name, value in wish.parameters() if name not in {"task", "signal"}}
            query = wanted(query_of(asked.get, wish.signal, now_ns), wish.task)
            try:
                return told(stores.telemetry, query, compile_policy(load(root)).tasks)
            except ValueError as wrong:
                raise Refused(detail=str(wrong)) from wrong
    status, body = ControlClient(places.control_socket).ask("GET", f"/api/signals?{urlencode(wish.parameters())}")
    if status != 200:
        raise Refused(detail=refusal(body).message)
    return msgspec.json.decode(body, type=Told)
