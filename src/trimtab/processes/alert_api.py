"""The routes of alerts: a viewer sees them, an operator acts on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

import msgspec
from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from trimtab.clock import Clock
from trimtab.console.endpoint import Endpoint, Query, Visitor, visitor_of
from trimtab.console.problems import json_answer, json_given
from trimtab.errors import CallError, Forbidden, InvalidRequest
from trimtab.journal.alerts import AlertsAsked
from trimtab.policy.watch import Watch
from trimtab.processes.alert_book import AlertBook
from trimtab.processes.alert_test import Tested, tested
from trimtab.processes.alert_watch import AlertWatch
from trimtab.reports.window import since_ns
from trimtab.signals.alerts.alert import Act, Silence
from trimtab.signals.alerts.evaluation import MAX_MONITORS
from trimtab.signals.alerts.life import AlertRefused
from trimtab.signals.alerts.shown import AlertDetail, AlertShown, RulesShown, narrowed, rules_shown

MAX_LIMIT: Final = 1000
MAX_DIGITS: Final = 9
"""Of a number in an address; a longer one is none that a route takes."""
MOST_S: Final = 1e9
"""Longer than any silence may be."""
MINUTE_NS: Final = 60_000_000_000
SECOND_NS: Final = 1_000_000_000
STATES: Final = ("", "active", "pending", "open", "acknowledged", "resolved")
QUERY: Final = (
    Query("task", "a task"),
    Query("rule", "a rule's name"),
    Query("signal", "a signal"),
    Query("state", "active, pending, open, acknowledged or resolved"),
    Query("since", "an age (30m, 1h, 7d) or a time: alerts that changed since then"),
    Query("limit", f"how many at most, 1 to {MAX_LIMIT}", int),
)
ACTS: Final[dict[Act, str]] = {
    "acknowledge": "somebody sees to an alert and the others of its group",
    "resolve": "an alert is over, by a person's word",
    "accept": "what an alert tells of is taken for normal from now on",
}
T = TypeVar("T")


class AlertConflict(CallError):
    """{detail}."""

    code = "invalid_request"
    status = 409


class Listed(Struct, frozen=True):
    """Alerts, those found last first."""

    alerts: tuple[AlertShown, ...]


class Silences(Struct, frozen=True):
    """The silences that hold, the next to end first."""

    silences: tuple[Silence, ...]


class Why(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of what a person does with an alert."""

    why: str = ""


class NewSilence(Struct, frozen=True, forbid_unknown_fields=True):
    """A silence to be made: of a task, signal or rule, for so many seconds, and why."""

    for_s: float
    why: str
    task: str = ""
    signal: str = ""
    rule: str = ""


class Trial(Struct, frozen=True, forbid_unknown_fields=True):
    """Which rule is tried, of which task; with `send` its receivers are told."""

    rule: str
    task: str = ""
    send: bool = False


def alert_endpoints(watch: AlertWatch, clock: Clock) -> tuple[Endpoint, ...]:
    """The rows of the table of routes."""
    return (*_reading(watch, clock), *_acting(watch), *_silencing(watch))


def watched_now(book: AlertBook, rules: Watch, now_ns: int) -> RulesShown:
    """All that is watched, as a question to the watch."""
    minute = book.minute or now_ns // MINUTE_NS
    behind_s = (now_ns - minute * MINUTE_NS) / SECOND_NS
    return rules_shown(book.evaluation, rules, minute, behind_s, MAX_MONITORS)


def _reading(watch: AlertWatch, clock: Clock) -> tuple[Endpoint, ...]:
    async def listed(request: Request) -> Response:
        """The alerts: ?task=&rule=&signal=&state=&since=&limit=."""
        visitor, wanted = visitor_of(request), _wanted(request, clock)
        tasks = visitor.within((wanted.task,) if wanted.task else ())
        wanted = msgspec.structs.replace(wanted, tasks=tasks)
        found = await watch.ask(lambda book, rules, now_ns: book.list(wanted, rules, now_ns))
        return json_answer(Listed(_within(visitor, found)))

    async def rules(request: Request) -> Response:
        """All that is watched, with what was learned and what speaks for a change."""
        visitor = visitor_of(request)
        found = await watch.ask(watched_now)
        seen = tuple(one for one in found.rules if visitor.sees(one.task))
        return json_answer(msgspec.structs.replace(found, rules=seen))

    async def one(request: Request) -> Response:
        """One alert with its history and its group."""
        return json_answer(await _seen(watch, visitor_of(request), request.path_params["id"]))

    return (
        Endpoint("GET", "/api/alerts", "viewer", listed, "alerts, those found last first", answers=Listed, query=QUERY),
        Endpoint(
            "GET",
            "/api/alerts/rules",
            "viewer",
            rules,
            "what is watched, and what is normal",
            answers=RulesShown,
            query=(),
        ),
        Endpoint("GET", "/api/alerts/{id}", "viewer", one, "an alert with its history", answers=AlertDetail, query=()),
    )


def _acting(watch: AlertWatch) -> tuple[Endpoint, ...]:
    def acting(what: Act) -> Endpoint:
        async def handle(request: Request) -> Response:
            """What a person does with an alert."""
            visitor, alert = visitor_of(request), request.path_params["id"]
            why = await _body(request, Why)
            await _seen(watch, visitor, alert)
            done = await _changed(
                watch, lambda book, rules, now: book.act(alert, what, rules, now, visitor.name, why.why, visitor.tasks)
            )
            return json_answer(narrowed(done, visitor.tasks))

        path = f"/api/alerts/{{id}}/{what}"
        says = ACTS[what]
        return Endpoint("POST", path, "operator", handle, says, acts=True, answers=AlertShown, body=Why, query=())

    async def trial(request: Request) -> Response:
        """What would be sent of a rule, and to whom; sent with `send`."""
        visitor, wanted = visitor_of(request), await _body(request, Trial)
        visitor.within((wanted.task,))

        def make(book: AlertBook, rules: Watch, now_ns: int) -> Tested:
            found = tested(rules, wanted.rule, wanted.task, now_ns)
            if not _sees(visitor, found.message.alerts[0]):
                raise Forbidden(key=visitor.name, what=f"rule {wanted.rule[:80]} of the whole host")
            if wanted.send:
                book.put_test(msgspec.json.encode(found.message), found.receivers, now_ns)
            return found

        return json_answer(await _changed(watch, make))

    return (
        *(acting(what) for what in ACTS),
        Endpoint(
            "POST",
            "/api/alerts/test",
            "operator",
            trial,
            "what would be sent of a rule",
            acts=True,
            answers=Tested,
            body=Trial,
            query=(),
        ),
    )


def _silencing(watch: AlertWatch) -> tuple[Endpoint, ...]:
    async def silences(request: Request) -> Response:
        """The silences that hold."""
        visitor = visitor_of(request)
        found = await watch.ask(lambda book, rules, now_ns: book.silences(now_ns))
        return json_answer(Silences(tuple(one for one in found if not visitor.tasks or one.task in visitor.tasks)))

    async def silence(request: Request) -> Response:
        """Nobody is told of some alerts for a while."""
        visitor, wanted = visitor_of(request), await _body(request, NewSilence)
        visitor.within((wanted.task,))
        if not wanted.why:
            raise InvalidRequest(detail="a silence needs a reason; write it as `why`")

        def make(book: AlertBook, rules: Watch, now_ns: int) -> Silence:
            until_ns = now_ns + int(max(-1.0, min(wanted.for_s, MOST_S)) * SECOND_NS)
            facts = wanted.task, wanted.signal, wanted.rule, now_ns, until_ns, visitor.name, wanted.why
            return book.silence(Silence("", *facts), now_ns)

        return json_answer(await _changed(watch, make), 201)

    async def unsilence(request: Request) -> Response:
        """A silence ends now."""
        visitor, name = visitor_of(request), request.path_params["id"]

        def end(book: AlertBook, rules: Watch, now_ns: int) -> Silence:
            found = next((one for one in book.silences(now_ns) if one.id == name), None)
            if found is not None and visitor.tasks and found.task not in visitor.tasks:
                raise AlertRefused(detail=f"there is no silence {name}; `trimtab alerts silences` lists them")
            return book.unsilence(name, now_ns)

        return json_answer(await _changed(watch, end))

    return (
        Endpoint("GET", "/api/silences", "viewer", silences, "the silences that hold", answers=Silences, query=()),
        Endpoint(
            "POST",
            "/api/silences",
            "operator",
            silence,
            "tells nobody of some alerts for a while",
            acts=True,
            answers=Silence,
            status=201,
            body=NewSilence,
            query=(),
        ),
        Endpoint(
            "DELETE",
            "/api/silences/{id}",
            "operator",
            unsilence,
            "ends a silence",
            acts=True,
            answers=Silence,
            query=(),
        ),
    )


def _sees(visitor: Visitor, alert: AlertShown) -> bool:
    """Whether a key for some tasks only may see an alert: those of the whole host it may not."""
    return not visitor.tasks or alert.task in visitor.tasks


async def _seen(watch: AlertWatch, visitor: Visitor, alert: str) -> AlertDetail:
    try:
        found = await watch.ask(lambda book, rules, now_ns: book.detail(alert, rules, now_ns))
    except AlertRefused as missing:
        raise HTTPException(404, str(missing)) from missing
    if not _sees(visitor, found.alert):
        raise HTTPException(404, f"there is no alert {alert[:80]}; `trimtab alerts list` lists them")
    shown, group = narrowed(found.alert, visitor.tasks), _within(visitor, found.group)
    return msgspec.structs.replace(found, alert=shown, group=group)


def _within(visitor: Visitor, alerts: Iterable[AlertShown]) -> tuple[AlertShown, ...]:
    """The alerts that somebody may see, as far as they may."""
    return tuple(narrowed(one, visitor.tasks) for one in alerts if _sees(visitor, one))


async def _changed(watch: AlertWatch, what: Callable[[AlertBook, Watch, int], T]) -> T:
    try:
        return await watch.change(what)
    except AlertRefused as refused:
        raise AlertConflict(detail=refused.facts["detail"]) from refused


async def _body(request: Request, kind: type[T]) -> T:
    return json_given(await request.body() or b"{}", kind, "what this route takes")


def _wanted(request: Request, clock: Clock) -> AlertsAsked:
    asked = dict(request.query_params)
    limit, state = asked.get("limit", "50"), asked.get("state", "")
    if not limit.isdecimal() or len(limit) > MAX_DIGITS or not 0 < int(limit) <= MAX_LIMIT:
        raise InvalidRequest(detail=f"?limit={limit[:40]} is not a number from 1 to {MAX_LIMIT}")
    if state not in STATES:
        raise InvalidRequest(detail=f"?state={state[:40]} is none; use {', '.join(STATES[1:])}")
    since = asked.get("since", "")
    try:
        from_ns = since_ns(since, clock.wall_ns()) if since else 0
    except ValueError as wrong:
        raise InvalidRequest(detail=str(wrong)) from wrong
    task, rule, signal = (asked.get(name, "") for name in ("task", "rule", "signal"))
    return AlertsAsked(task, rule, signal, state, from_ns, int(limit))
