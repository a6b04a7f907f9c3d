"""Alerts over HTTP: what a viewer sees, what an operator does, and what keys for some tasks do not get to see."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.control.alerting import MODEL, ONCALL, Alerts, alerting, declared
from tests.control.asgi import Answer, ask
from tests.signals.alerts.streams import Stream
from trimtab.access.keys import KeyDirectory, KeyStore, Role
from trimtab.access.sessions import SessionStore
from trimtab.console.gate import KeyGate, OwnerGate
from trimtab.console.serving import on_network, on_socket, serving
from trimtab.database.migrate import open_state
from trimtab.ids import IdSource
from trimtab.policy.watch import Watch
from trimtab.processes.alert_api import alert_endpoints
from trimtab.processes.alert_book import AlertBook
from trimtab.signals.alerts.alert import Evidence, Measured, WhatChanged
from trimtab.signals.alerts.life import HOLD_NS, Found, Moved
from trimtab.signals.alerts.monitors import Place
from trimtab.testing.clock import START_NS, JumpingClock

TASK = 'owner = "support"\nmodel = "small"\n'
TOML = MODEL + ONCALL + 'console_url = "https://console.example.com"\n'


class Office:
    """The two apps, with keys to them and two open alerts."""

    def __init__(self, alerts: Alerts, keys: KeyStore, gate: KeyGate) -> None:
        table = alert_endpoints(alerts.at_work, alerts.clock)
        self.alerts = alerts
        self.keys = keys
        self.network = serving(on_network(table), gate)
        self.socket = serving(on_socket(table), OwnerGate())

    async def get(self, target: str, role: Role = "viewer", *tasks: str) -> Answer:
        return await ask(self.network, target, key=self.keys.new("k", tasks, role)[1])

    async def post(self, target: str, body: Any = None, role: Role = "operator", *tasks: str) -> Answer:
        sent = msgspec.json.encode(body) if body is not None else b""
        return await ask(self.network, target, method="POST", key=self.keys.new("k", tasks, role)[1], body=sent)

    async def ids(self) -> dict[str, str]:
        return {one.task: one.id for one in await self.alerts.list(state="active")}


def found(task: str) -> Found:
    evidence = Evidence("falls", "share", "", Measured(0.99, 900), Measured(0.9, 100, 0.82, 0.95), 50_000.0, 43_200.0)
    return Found(Place(task, "parse_rate_falls"), "parse_rate", "page", START_NS, evidence, "support")


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """Two tasks, each with an alert that is open."""
    clock = JumpingClock()
    watch = declared(tmp_path / "p", TOML, extract=TASK, route=TASK)
    async with alerting(tmp_path, Stream(), watch, clock) as alerts:
        for _ in range(2):
            await alerts.at_work.change(
                lambda book, rules, now: book.keep(
                    book.advance([found("extract"), found("route")], now, lambda one: True, lambda place: False),
                    rules,
                    now,
                )
            )
            clock.advance(HOLD_NS / 1e9)
        with (
            contextlib.closing(open_state(alerts.state)) as state,
            contextlib.closing(KeyDirectory(alerts.state)) as finder,
        ):
            gate = KeyGate(finder, SessionStore(state, clock), clock, "trimtab_session")
            yield Office(alerts, KeyStore(state, clock, IdSource(seed=3)), gate)


async def test_alerts_are_listed_and_shown(office: Office) -> None:
    """With what they say, who is told, where their page is, and their history."""
    listed = (await office.get("/api/alerts?state=active&task=extract")).json()["alerts"]
    assert [(one["task"], one["rule"], one["state"]) for one in listed] == [("extract", "parse_rate_falls", "open")]
    alert = listed[0]["id"]
    assert listed[0]["link"] == f"https://console.example.com/alerts/{alert}"
    assert (listed[0]["receivers"], listed[0]["owner"]) == (["oncall"], "support")
    assert listed[0]["words"].startswith(
        "extract: parse_rate fell from 99.0 % to 90.0 % (82.0-95.0, n 100) since 2026-01-01"
    )
    shown = (await office.get(f"/api/alerts/{alert}")).json()
    assert [step["after"] for step in shown["history"]] == ["pending", "open"]
    assert (await office.get("/api/alerts/nobody")).status == 404


async def test_an_operator_acts_and_is_named(office: Office) -> None:
    """What was done stands in the history with who and why; twice it cannot be done."""
    alert = (await office.ids())["extract"]
    done = await office.post(f"/api/alerts/{alert}/acknowledge", {"why": "on it"})
    assert (done.status, done.json()["state"], done.json()["by"]) == (200, "acknowledged", "k")
    again = await office.post(f"/api/alerts/{alert}/acknowledge")
    assert (again.status, "only one that is open" in again.json()["error"]["message"]) == (409, True)
    assert (await office.post(f"/api/alerts/{alert}/resolve", {"why": "rolled back"})).json()["state"] == "resolved"
    history = (await office.get(f"/api/alerts/{alert}")).json()["history"]
    assert [(one["after"], one["by"], one["why"]) for one in history[2:]] == [
        ("acknowledged", "k", "on it"),
        ("resolved", "k", "rolled back"),
    ]


ACTING = ("/api/alerts/{id}/acknowledge", "/api/alerts/{id}/resolve", "/api/alerts/{id}/accept", "/api/silences")


@pytest.mark.parametrize("path", [*ACTING, "/api/alerts/test"])
async def test_a_viewer_only_looks(office: Office, path: str) -> None:
    """Whatever changes something, or could send something, wants an operator; nobody without a key sees anything."""
    target = path.format(id=(await office.ids())["extract"])
    assert (await office.post(target, {}, "viewer")).status == 403
    assert (await office.post(target, {}, "client")).status == 403
    assert (await ask(office.network, target, method="POST")).status == 401
    assert (await ask(office.network, "/api/alerts")).status == 401


async def test_a_key_for_some_tasks_sees_theirs_alone(office: Office) -> None:
    """Alerts, rules and silences of other tasks are not there for it."""
    ids = await office.ids()
    listed = (await office.get("/api/alerts", "viewer", "route")).json()["alerts"]
    assert [one["id"] for one in listed] == [ids["route"]]
    assert (await office.get("/api/alerts?task=extract", "viewer", "route")).status == 403
    assert (await office.get(f"/api/alerts/{ids['extract']}", "viewer", "route")).status == 404
    assert (await office.post(f"/api/alerts/{ids['extract']}/resolve", {}, "operator", "route")).status == 404
    rules = (await office.get("/api/alerts/rules", "viewer", "route")).json()["rules"]
    assert {one["task"] for one in rules} <= {"route"}
    made = await office.post("/api/silences", {"task": "extract", "for_s": 60, "why": "x"}, "operator", "route")
    assert made.status == 403


async def test_as_many_are_listed_as_were_asked_for_of_those_that_a_key_sees(office: Office) -> None:
    """Alerts of other tasks, found later or earlier, take no room of its list."""
    for task in ("extract", "route"):
        listed = (await office.get("/api/alerts?limit=1", "viewer", task)).json()["alerts"]
        assert [one["task"] for one in listed] == [task]


async def test_a_key_for_some_tasks_reads_of_no_other_in_what_changed(office: Office) -> None:
    """A lock tells of all tasks: such a key sees the lines on its own, and on the model of its alert."""
    ids = await office.ids()
    lines = "prompts/extract: turn 1 is another", "prompts/route: turn 1 is another", "models/small: served with others"
    causes = (
        WhatChanged("lock", "test", START_NS, "1" * 64, "2" * 64, "\n".join(lines)),
        WhatChanged("model_identity", "small http://a", START_NS, "same", "changed", "2 of 40 probes differ"),
    )

    def change(book: AlertBook, rules: Watch, now_ns: int) -> None:
        book.keep(
            [Moved(replace(one, causes=causes, models=("small",)), None) for one in list(book.alerts.values())],
            rules,
            now_ns,
        )

    await office.alerts.at_work.change(change)
    left = ["prompts/route: turn 1 is another\nmodels/small: served with others", "2 of 40 probes differ"]
    target = f"/api/alerts/{ids['route']}"
    [listed] = (await office.get("/api/alerts", "viewer", "route")).json()["alerts"]
    shown = (await office.get(target, "viewer", "route")).json()["alert"]
    done = (await office.post(f"{target}/acknowledge", {}, "operator", "route")).json()
    for told in (listed, shown, done):
        assert [one["words"] for one in told["causes"]] == left
    assert (await office.get(target)).json()["alert"]["causes"][0]["words"] == "\n".join(lines)


async def one_group(office: Office) -> dict[str, str]:
    """Makes all alerts one group; returns their ids by task."""
    await office.alerts.at_work.change(
        lambda book, rules, now: book.keep(
            [Moved(replace(one, group="g"), None) for one in list(book.alerts.values())], rules, now
        )
    )
    return await office.ids()


async def test_a_group_is_shown_and_acted_on_as_far_as_a_key_reaches(office: Office) -> None:
    """An alert of another task in the same group is neither shown to a key for some tasks nor acknowledged with it."""
    ids = await one_group(office)
    shown = (await office.get(f"/api/alerts/{ids['route']}", "viewer", "route")).json()
    assert shown["group"] == []
    assert [one["task"] for one in (await office.get(f"/api/alerts/{ids['route']}")).json()["group"]] == ["extract"]
    done = await office.post(f"/api/alerts/{ids['route']}/acknowledge", {}, "operator", "route")
    assert (done.status, done.json()["state"]) == (200, "acknowledged")
    assert (await office.get(f"/api/alerts/{ids['extract']}")).json()["alert"]["state"] == "open"
    assert (await office.post(f"/api/alerts/{ids['extract']}/acknowledge", {})).status == 200


async def test_a_group_is_acknowledged_as_a_whole_by_who_sees_it(office: Office) -> None:
    """Somebody for all tasks, or for both of these, sees to both alerts at once."""
    ids = await one_group(office)
    assert (
        await office.post(f"/api/alerts/{ids['route']}/acknowledge", {}, "operator", "route", "extract")
    ).status == 200
    assert (await office.get(f"/api/alerts/{ids['extract']}")).json()["alert"]["state"] == "acknowledged"


async def test_a_key_for_some_tasks_tries_their_rules_alone(office: Office) -> None:
    """A rule that is named without a task may be one of the host or of another task: it is not told, and not sent."""
    before = len(office.alerts.outbox())
    for rule in ("parse_rate_falls", "replica_down"):
        tried = await office.post("/api/alerts/test", {"rule": rule, "send": True}, "operator", "route")
        assert tried.status == 403
    hosts = await office.post("/api/alerts/test", {"rule": "replica_down", "task": "route"}, "operator", "route")
    assert hosts.status == 403
    assert len(office.alerts.outbox()) == before
    mine = await office.post("/api/alerts/test", {"rule": "parse_rate_falls", "task": "route"}, "operator", "route")
    assert mine.status == 200


async def test_silences_are_made_and_ended(office: Office) -> None:
    """One needs a reason, something to match, and an end; it mutes, and can be ended before."""
    made = await office.post("/api/silences", {"task": "extract", "for_s": 3600, "why": "load test"})
    assert (made.status, made.json()["by"]) == (201, "k")
    muted = {one["task"]: one["muted"] for one in (await office.get("/api/alerts")).json()["alerts"]}
    assert muted == {"extract": True, "route": False}
    name = made.json()["id"]
    assert [one["id"] for one in (await office.get("/api/silences")).json()["silences"]] == [name]
    key = office.keys.new("k", (), "operator")[1]
    assert (await ask(office.network, f"/api/silences/{name}", method="DELETE", key=key)).status == 200
    assert (await office.get("/api/silences")).json()["silences"] == []
    assert (await ask(office.network, f"/api/silences/{name}", method="DELETE", key=key)).status == 409


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"task": "extract", "for_s": 60, "why": ""}, 400),
        ({"task": "extract", "for_s": 0, "why": "x"}, 409),
        ({"task": "extract", "for_s": 1e9, "why": "x"}, 409),
        ({"task": "extract", "for_s": 1e308, "why": "x"}, 409),
        ({"for_s": 60, "why": "x"}, 409),
        ({"for_s": "1h", "why": "x"}, 400),
        ({"for_s": 60, "why": "x", "tsk": "extract"}, 400),
    ],
)
async def test_a_silence_that_cannot_be_is_refused(office: Office, body: dict[str, Any], status: int) -> None:
    """Without a reason, an end or anything to match, or with what nobody knows."""
    assert (await office.post("/api/silences", body)).status == status


async def test_a_rule_is_tried(office: Office) -> None:
    """What would be sent, to whom; it waits in the outbox only if it is to be sent."""
    tried = (await office.post("/api/alerts/test", {"rule": "parse_rate_falls", "task": "route"})).json()
    assert (tried["receivers"], tried["message"]["severity"]) == (["oncall"], "page")
    assert "this is a test: nothing is wrong" in tried["message"]["words"]
    before = len(office.alerts.outbox())
    assert (await office.post("/api/alerts/test", {"rule": "replica_down", "send": True})).status == 200
    assert [(one.kind, one.receiver) for one in office.alerts.outbox()[before:]] == [("test", "oncall")]
    assert (await office.post("/api/alerts/test", {"rule": "nothing"})).status == 409


@pytest.mark.parametrize(
    "query",
    ["limit=" + "9" * 5000, "since=9999-12-31", "limit=0", "limit=x", "state=closed", "since=yesterday", "tsk=route"],
)
async def test_what_is_not_understood_is_refused(office: Office, query: str) -> None:
    """A parameter that is wrong is a mistake, not ignored."""
    assert (await office.get(f"/api/alerts?{query}")).status == 400
