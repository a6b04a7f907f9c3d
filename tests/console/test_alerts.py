"""The pages of alerts: what they say, to whom, and what an operator does there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from tests.console import alarms
from tests.console.alarms import HELD, HOST, MINUTE_NS, OPEN, OVER, SEEN
from tests.console.asking import data, get, post
from tests.console.conftest import Scene
from tests.console.past import NEW_PROMPT, OLD_PROMPT
from tests.console.seeding import policy
from tests.store.samples import call
from trimtab.access.keys import Role
from trimtab.console.alert_words import brief
from trimtab.console.pages.alerts import ends_ns
from trimtab.declare.alerting import Maintenance
from trimtab.processes.pages import shown_alerts
from trimtab.record.events import Change
from trimtab.signals.alerts.alert import Alert, Evidence, Measured, Silence
from trimtab.signals.alerts.finding import worded
from trimtab.signals.alerts.monitors import Place
from trimtab.testing.clock import START_NS

OLD, NEW = OLD_PROMPT[:8], NEW_PROMPT[:8]
ACTIONS = (
    f"/alerts/{OPEN}/acknowledge",
    f"/alerts/{OPEN}/resolve",
    f"/alerts/{OPEN}/accept",
    f"/alerts/{OPEN}/silence",
    "/alerts/silences/nothing/lift",
    "/alerts/receivers/chat/test",
)


@pytest.fixture
async def alarmed(scene: Scene, tmp_path: Path) -> AsyncIterator[Scene]:
    """Alerts of each kind over calls of two hours, of which the last 70 minutes are worse."""
    scene.clock.advance(10 * 86_400.0)
    now_ns = scene.clock.wall_ns()
    calls = [
        call(
            f"c{minute}",
            now_ns - minute * MINUTE_NS,
            task="extract",
            verdict="invalid" if 0 < minute <= 20 else "valid",
        )
        for minute in range(1, 120)
    ]
    scene.put(*calls, Change(now_ns - 71 * MINUTE_NS, "lock", "test", "77cc" * 16, "3f2a" * 16, "ana", "edit"))
    at_work, outbox = alarms.alarms(tmp_path, alarms.watched(tmp_path / "project"), scene.clock)
    await alarms.seed(at_work, outbox, now_ns, ("c3", "c7", "gone"))
    shown = shown_alerts(at_work)
    desk = alarms.alert_desk(at_work, outbox)
    yield replace(scene, alert_desk=desk, found=shown)
    outbox.close()


async def silences(scene: Scene) -> tuple[Silence, ...]:
    assert scene.alert_desk is not None
    return (await scene.alert_desk.quiet()).silences


async def test_active_ones_first_and_the_worst_before_the_others(alarmed: Scene) -> None:
    """A page comes before tickets, what somebody sees to last; what is over stands apart."""
    found = await data(alarmed, "/alerts")
    assert [one["id"] for one in found["active"]] == [OPEN, HELD, HOST, "open-2", SEEN]
    assert [one["id"] for one in found["resolved"]] == [OVER]
    assert [one["why"] for one in found["quiet"]["silences"]] == ["a campaign in Germany"]
    assert [one["reason"] for one in found["quiet"]["maintenance"]] == ["new power supply"]


async def test_a_line_says_what_from_what_to_what_and_why(alarmed: Scene) -> None:
    """The table has figures with interval and n, what changed, who sees to it and whose it is."""
    rows = (await get(alarmed, "/alerts?format=json&table=active")).json()
    first = rows[0]
    assert (first["before"]["value"], first["after"]["value"], first["after"]["n"]) == (0.991, 0.934, 412)
    assert (first["after"]["low"], first["after"]["high"]) == (0.91, 0.952)
    assert (first["changed"], first["state"], first["owner"]) == (f"prompt {OLD} -> {NEW}", "open", "support")
    html = (await get(alarmed, "/alerts")).text
    assert "93.4 % <span" in html
    assert "91.0-95.2, n 412" in html
    assert f'href="/alerts/{OPEN}"' in html


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("task=route", [HELD, SEEN]),
        ("state=open", [OPEN, HOST, "open-2"]),
        ("severity=page", [OPEN]),
        ("severity=page&state=resolved", []),
        ("task=extract&severity=ticket", ["open-2"]),
    ],
)
async def test_filters(alarmed: Scene, query: str, ids: list[str]) -> None:
    """Each filter narrows, together they narrow more."""
    assert [one["id"] for one in (await data(alarmed, f"/alerts?{query}"))["active"]] == ids


@pytest.mark.parametrize("query", ["state=angry", "severity=low"])
async def test_what_is_no_filter(alarmed: Scene, query: str) -> None:
    """Anything else is refused with what there is."""
    assert (await get(alarmed, f"/alerts?{query}")).status_code == 400


async def test_nothing_is_wrong(scene: Scene) -> None:
    """An empty page says so, and where to look what is watched."""
    html = (await get(scene, "/alerts")).text
    assert "Nothing is wrong." in html
    assert "trimtab alerts rules" in html


async def test_one_alert(alarmed: Scene) -> None:
    """Its figure as it is now on both sides of the change, its odds in words, causes, calls, life and who was told."""
    found = await data(alarmed, f"/alerts/{OPEN}")
    assert (found["before"]["value"], found["before"]["n"]) == (1.0, 49)
    assert (found["since"]["n"], round(found["since"]["value"], 3)) == (70, round(50 / 70, 3))
    assert "Shiryaev-Roberts" in found["test"]
    assert [one["call"] for one in found["worst"]] == ["c3", "c7"]
    assert [one["after"] for one in found["history"]] == ["pending", "open"]
    assert [one["id"] for one in found["group"]] == ["open-2"]
    assert {(one["receiver"], one["state"], one["tries"]) for one in found["told"]} == {
        ("oncall", "delivered", 1),
        ("oncall", "waiting", 1),
    }


async def test_the_page_of_an_alert_leads_to_the_call(alarmed: Scene) -> None:
    """Overview, alert, call: each is a link on the one before."""
    overview = (await get(alarmed, "/")).text
    assert f'href="/alerts/{OPEN}"' in overview
    html = (await get(alarmed, f"/alerts/{OPEN}")).text
    assert 'href="/calls/c3"' in html
    assert "52 k times likelier with a change" in html
    assert "prompts/extract: 2 sentences changed" in html
    assert "prompts/refund" in html
    assert "likely began" in html
    assert "lock 3f2a3f2a in force" in html


async def test_what_is_of_the_host_has_no_figure(alarmed: Scene) -> None:
    """A replica that is down has its sentence and its history, and no chart."""
    html = (await get(alarmed, f"/alerts/{HOST}")).text
    assert "its health check fails" in html
    assert "<figure" not in html


async def test_an_alert_while_telemetry_is_down(alarmed: Scene) -> None:
    """What is known of it stands there; what is not says why."""
    alarmed.desk.down = True
    answer = await get(alarmed, f"/alerts/{OPEN}")
    assert answer.status_code == 200
    assert "cannot be shown now" in answer.text
    assert "Acknowledge" in answer.text


async def test_an_alert_that_is_not_there(alarmed: Scene) -> None:
    """It is told on a page."""
    assert (await get(alarmed, "/alerts/nothing")).status_code == 404


async def test_what_is_watched(alarmed: Scene) -> None:
    """Rules of the host are watched; those of tasks that nothing bears on yet are listed as such."""
    found = await data(alarmed, "/alerts/rules")
    assert {one["rule"]["rule"] for one in found["rules"]} >= {"replica_down", "records_silent"}
    assert "parse_rate_falls" in found["idle"]["extract"]
    assert found["receivers"] == [
        {"name": "chat", "kind": "slack", "severities": ["ticket"]},
        {"name": "oncall", "kind": "webhook", "severities": ["page", "ticket"]},
    ]
    html = (await get(alarmed, "/alerts/rules")).text
    assert "secret-path" not in html
    assert "CHAT_URL" not in html


async def test_acknowledging(alarmed: Scene) -> None:
    """It is so for the whole group, with who said so; the form leads back to the alert."""
    cookie = alarmed.session("operator")
    answer = await post(alarmed, f"/alerts/{OPEN}/acknowledge", cookie, {"why": "on it"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/alerts/{OPEN}")
    found = await data(alarmed, f"/alerts/{OPEN}", cookie)
    assert (found["alert"]["state"], found["alert"]["by"], found["alert"]["why"]) == ("acknowledged", "ana", "on it")
    assert [one["state"] for one in found["group"]] == ["acknowledged"]
    again = await post(alarmed, f"/alerts/{OPEN}/acknowledge", cookie)
    assert (again.status_code, "only one that is open" in again.text) == (409, True)


@pytest.mark.parametrize(("what", "why"), [("resolve", "fixed it"), ("accept", "taken for normal from now on")])
async def test_resolving_and_accepting(alarmed: Scene, what: str, why: str) -> None:
    """Both end it; nothing more can be done with it then, and its page offers nothing."""
    cookie = alarmed.session("operator")
    fields = {"why": why} if what == "resolve" else {}
    assert (await post(alarmed, f"/alerts/{OPEN}/{what}", cookie, fields)).status_code == 303
    found = (await data(alarmed, f"/alerts/{OPEN}", cookie))["alert"]
    assert (found["state"], found["why"]) == ("resolved", why)
    assert (await post(alarmed, f"/alerts/{OPEN}/{what}", cookie)).status_code == 409
    assert "data-press" not in (await get(alarmed, f"/alerts/{OPEN}", cookie)).text


@pytest.mark.parametrize(("length", "seconds"), [("1h", 3600), ("4h", 14_400), ("1d", 86_400), ("1w", 604_800)])
async def test_silencing(alarmed: Scene, length: str, seconds: int) -> None:
    """The rule of the task is silent for so long, with the reason, and its page says so; it can be lifted."""
    cookie = alarmed.session("operator")
    place = f"/alerts/{OPEN}/silence"
    assert (await post(alarmed, place, cookie, {"for": length, "scope": "rule", "why": "load test"})).status_code == 303
    made = next(one for one in await silences(alarmed) if one.why == "load test")
    assert (made.task, made.rule, made.by) == ("extract", "parse_rate_falls", "ana")
    assert made.until_ns - made.from_ns == seconds * 10**9
    assert (await data(alarmed, f"/alerts/{OPEN}", cookie))["alert"]["muted"] is True
    assert (await post(alarmed, f"/alerts/silences/{made.id}/lift", cookie)).status_code == 303
    assert made.id not in {one.id for one in await silences(alarmed)}


async def test_silencing_a_whole_task(alarmed: Scene) -> None:
    """The scope may be all of the task; of an alert of the host it may not."""
    cookie = alarmed.session("operator")
    fields = {"for": "1h", "scope": "task", "why": "moving house"}
    assert (await post(alarmed, f"/alerts/{OPEN}/silence", cookie, fields)).status_code == 303
    made = next(one for one in await silences(alarmed) if one.why == "moving house")
    assert (made.task, made.rule) == ("extract", "")
    assert (await post(alarmed, f"/alerts/{HOST}/silence", cookie, fields)).status_code == 400


@pytest.mark.parametrize(
    "fields", [{"for": "1h"}, {"for": "2h", "why": "x"}, {"for": "1h", "why": "x", "scope": "all"}]
)
async def test_what_is_no_silence(alarmed: Scene, fields: dict[str, str]) -> None:
    """It needs a reason, one of four lengths, and one of two scopes."""
    assert (await post(alarmed, f"/alerts/{OPEN}/silence", alarmed.session("operator"), fields)).status_code == 400
    assert len(await silences(alarmed)) == 1


async def test_a_test_for_a_receiver(alarmed: Scene) -> None:
    """It lies in the outbox for that receiver alone; one that is not declared is refused."""
    cookie = alarmed.session("operator")
    answer = await post(alarmed, "/alerts/receivers/chat/test", cookie)
    assert answer.headers["location"] == "/alerts/rules?sent=chat#receivers"
    assert alarmed.alert_desk is not None
    sent = [one for one in await alarmed.alert_desk.told("") if one.kind == "test"]
    assert [(one.receiver, one.state) for one in sent] == [("chat", "waiting")]
    assert (await post(alarmed, "/alerts/receivers/nobody/test", cookie)).status_code == 400


@pytest.mark.parametrize("place", ACTIONS)
@pytest.mark.parametrize("role", ["client", "viewer", "operator", "admin"])
async def test_every_action_with_every_role(alarmed: Scene, place: str, role: Role) -> None:
    """Who only looks is refused and changes nothing; operators and those above get through."""
    before = await data(alarmed, f"/alerts/{OPEN}")
    answer = await post(alarmed, place, alarmed.session(role), {"for": "1h", "why": "x"})
    if role in ("client", "viewer"):
        assert answer.status_code == 403
        assert await data(alarmed, f"/alerts/{OPEN}") == before
        assert len(await silences(alarmed)) == 1
    else:
        assert answer.status_code == (404 if "nothing" in place else 303)


@pytest.mark.parametrize("place", ACTIONS)
@pytest.mark.parametrize(
    ("form", "headers"),
    [("", {}), ("wrong", {}), (None, {"origin": "http://evil.example"}), (None, {"sec-fetch-site": "cross-site"})],
)
async def test_no_other_site_acts(alarmed: Scene, place: str, form: str | None, headers: dict[str, str]) -> None:
    """Without the session's token, or from a page of another site, nothing happens."""
    cookie = alarmed.session("operator")
    answer = await post(alarmed, place, cookie, {"for": "1h", "why": "x"}, form=form, **headers)
    assert answer.status_code == 403
    assert (await data(alarmed, f"/alerts/{OPEN}", cookie))["alert"]["state"] == "open"
    assert len(await silences(alarmed)) == 1


async def test_a_viewer_sees_no_forms(alarmed: Scene) -> None:
    """Neither on the list nor on an alert nor among the rules."""
    cookie = alarmed.session("viewer")
    for place in ("/alerts", f"/alerts/{OPEN}", "/alerts/rules"):
        html = (await get(alarmed, place, cookie)).text
        assert 'method="post" action="/alerts/' not in html
        assert "data-press" not in html


async def test_a_key_for_some_tasks(alarmed: Scene) -> None:
    """It sees what is of its tasks, acts on that, and finds nothing else there."""
    cookie = alarmed.session("operator", "route")
    found = await data(alarmed, "/alerts", cookie)
    assert [one["id"] for one in found["active"]] == [HELD, SEEN]
    assert found["resolved"] == []
    assert found["quiet"]["maintenance"] == []
    assert (await get(alarmed, "/alerts?task=extract", cookie)).status_code == 403
    rules: Any = await data(alarmed, "/alerts/rules", cookie)
    assert (set(rules["idle"]), rules["receivers"], rules["rules"]) == ({"route"}, [], [])
    for alert in (OPEN, HOST, OVER):
        assert (await get(alarmed, f"/alerts/{alert}", cookie)).status_code == 404
        assert (await post(alarmed, f"/alerts/{alert}/resolve", cookie)).status_code == 404
    assert (await post(alarmed, "/alerts/receivers/chat/test", cookie)).status_code == 403
    assert (await post(alarmed, f"/alerts/{SEEN}/resolve", cookie)).status_code == 303
    narrow = alarmed.session("operator", "refund")
    made = (await silences(alarmed))[0]
    assert (await post(alarmed, f"/alerts/silences/{made.id}/lift", narrow)).status_code == 404
    assert (await post(alarmed, f"/alerts/silences/{made.id}/lift", cookie)).status_code == 303


async def test_a_key_for_some_tasks_reads_of_no_other_in_what_changed(alarmed: Scene) -> None:
    """Wherever an alert of its task is shown, what a lock changed of other tasks is left out."""
    cookie = alarmed.session("viewer", "extract")
    for path in (f"/alerts/{OPEN}", "/alerts", "/", "/tasks/extract"):
        found: Any = await data(alarmed, path, cookie)
        assert "refund" not in str(found)
        assert "prompts/refund" not in (await get(alarmed, path, cookie)).text
    assert "prompts/extract: 2 sentences changed" in (await get(alarmed, f"/alerts/{OPEN}", cookie)).text


async def test_the_overview_counts_what_needs_somebody(alarmed: Scene) -> None:
    """Those that are open, and nothing that somebody sees to or that is held back."""
    found = await data(alarmed, "/")
    assert [one["task"] for one in found["needs"]] == ["extract", "", "extract"]
    assert f"extract: parse rate fell, 99.1 % to 93.4 % (prompt {OLD} -&gt; {NEW})" in (await get(alarmed, "/")).text


def test_when_a_weekly_window_ends() -> None:
    """2026-01-01 is a Thursday: a window from Wednesday 22:00 to Thursday 06:00 ends at six, also over Sunday."""
    day = 1440
    assert ends_ns(Maintenance("x", 2 * day + 22 * 60, 3 * day + 360, True), START_NS) == START_NS + 360 * MINUTE_NS
    assert ends_ns(Maintenance("x", 3 * day, 60, True), START_NS) == START_NS + (4 * day + 60) * MINUTE_NS
    assert ends_ns(Maintenance("x", 5, 7, False), START_NS) == 7


async def test_words_of_a_limit(alarmed: Scene) -> None:
    """Of a limit only the figure is told: the limit is no figure of before."""
    assert alarmed.found is not None
    [open_one] = [one for one in await alarmed.found(0, 2**62) if one.id == OPEN]
    evidence = structs.replace(open_one.evidence, direction="below")
    limited = structs.replace(open_one, evidence=evidence, causes=())
    assert brief(limited) == "extract: parse rate is below its limit: 93.4 %"


@pytest.mark.parametrize(
    ("signal", "goal", "allowed"), [("availability", "success", 0.005), ("ttft", "ttft_p95", 0.05)]
)
async def test_a_budget_is_told_by_the_calls_that_broke_it(
    scene: Scene, tmp_path: Path, signal: str, goal: str, allowed: float
) -> None:
    """What is allowed, what was found and what came since are shares of the calls that broke the goal: 5 of the last 20
    failed or took over 800 ms to their first token, none of the 30 before.
    """
    now_ns = scene.clock.wall_ns()
    good, bad = {"ttft_s": 0.1}, {"outcome": "upstream_error"} if goal == "success" else {"ttft_s": 2.0}
    began = now_ns - 20 * MINUTE_NS
    scene.put(
        *(
            call(
                f"c{minute}",
                now_ns - minute * MINUTE_NS,
                task="extract",
                **good | (bad if minute in range(6, 11) else {}),
            )
            for minute in range(1, 51)
        )
    )
    evidence = Evidence("burns", "share", goal, Measured(allowed), Measured(0.25, 20, 0.11, 0.47), detail="too fast")
    budget = Alert(
        "budget", Place("extract", f"{signal}_burns"), signal, "page", "open", "budget", began, now_ns, evidence
    )
    at_work, outbox = alarms.alarms(tmp_path, alarms.watched(tmp_path / "project"), scene.clock)
    await alarms.seed(at_work, outbox, now_ns, (), (worded(budget),))
    desk = alarms.alert_desk(at_work, outbox)
    shown = replace(scene, alert_desk=desk, found=shown_alerts(at_work), policy=policy())
    found = await data(shown, "/alerts/budget")
    assert (found["before"]["value"], found["before"]["n"]) == (0.0, 30)
    assert (found["since"]["value"], found["since"]["n"]) == (0.25, 20)
    html = (await get(shown, "/alerts/budget")).text
    assert f"Calls that broke {goal}" in html
    outbox.close()
