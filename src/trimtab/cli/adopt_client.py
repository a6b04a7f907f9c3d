"""Who tells of undeclared calls: control over its socket, or this process while nothing else runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from trimtab.advice.seen import Proposal, UndeclaredShown
from trimtab.cli.answers import Refused
from trimtab.cli.control_client import ControlClient, refusal
from trimtab.cli.own_stores import own_stores
from trimtab.clock import SystemClock
from trimtab.declare.load import load
from trimtab.policy.compile import compile as compile_policy
from trimtab.processes.adoption import Undeclareds
from trimtab.reports.window import since_ns
from trimtab.store.windows import whole_hours

T = TypeVar("T")


def undeclared(root: Path, since: str) -> UndeclaredShown:
    """The clusters of the project in `root`.

    Raises `DeclarationError` for a project that cannot be read, `ControlUnreachable` when something runs there but does
    not answer, and `Refused`.
    """
    target = f"/api/undeclared?{urlencode({'since': since})}"
    return _asked(root, since, lambda found: found.list(), target, UndeclaredShown)


def proposal(root: Path, cluster: str, name: str, since: str) -> Proposal:
    """What is proposed of a cluster; raises as `undeclared`, and `CannotPropose` and `NoCluster`."""
    query = urlencode({"since": since} | ({"name": name} if name else {}))
    target = f"/api/undeclared/{quote(cluster, safe='')}/proposal?{query}"
    return _asked(root, since, lambda found: found.proposal(cluster, name), target, Proposal)


def _asked(root: Path, since: str, question: Callable[[Undeclareds], T], target: str, kind: type[T]) -> T:
    with own_stores(root) as (places, stores):
        if stores is not None:
            now_ns = SystemClock().wall_ns()
            policy = compile_policy(load(root))
            window = whole_hours(since_ns(since, now_ns), now_ns)
            return question(Undeclareds(stores, policy, *window))
    status, body = ControlClient(places.control_socket).ask("GET", target)
    if status != 200:
        raise Refused(detail=refusal(body).message)
    return msgspec.json.decode(body, type=kind)
