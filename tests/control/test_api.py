"""What control answers, to whom, and what it never tells."""

from __future__ import annotations

import re
from dataclasses import replace

import msgspec
import pytest
from msgspec import structs

from tests.control.asgi import ask
from tests.control.conftest import BOARD, Scene
from tests.store.samples import SECOND_NS, attempt, call
from trimtab.errors import StoreError
from trimtab.processes.desk import Desk
from trimtab.processes.seen import Seen
from trimtab.processes.status import Status
from trimtab.record.events import Attempt, Settled
from trimtab.reports.report import Report
from trimtab.store.telemetry import CallDetail

GUARDED = ["/metrics", "/api/status", "/api/calls", "/api/calls/a", "/api/report"]


class Calls(msgspec.Struct):
    calls: list[Settled]


def names(body: bytes) -> list[str]:
    return [found.admitted.call for found in msgspec.json.decode(body, type=Calls).calls]


@pytest.mark.parametrize("target", GUARDED)
@pytest.mark.parametrize("sent", ["", "Bearer ", "Bearer tt_wrong", "Basic dXNlcjpwYXNz", "tt_bare"])
async def test_every_route_wants_a_key(scene: Scene, target: str, sent: str) -> None:
    """Without a live key nothing but 401 comes back, in the one shape of errors."""
    answer = await ask(scene.tcp, target, headers={"authorization": sent} if sent else {})
    assert (answer.status, answer.error) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("target", GUARDED)
async def test_a_live_key_is_let_in(scene: Scene, target: str) -> None:
    """A viewer's key opens every route that reads."""
    scene.put(call("a", scene.clock.wall_ns()))
    assert (await ask(scene.tcp, target, key=scene.secret())).status == 200


async def test_a_revoked_key_is_refused_at_once(scene: Scene) -> None:
    """The next request after a revocation is refused."""
    secret = scene.secret()
    assert (await ask(scene.tcp, "/api/calls", key=secret)).status == 200
    scene.keys.revoke("dashboard")
    assert (await ask(scene.tcp, "/api/calls", key=secret)).status == 401


async def test_every_route_is_described(scene: Scene) -> None:
    """The apps serve what the description lists and nothing else, so that whoever walks it has walked all of it."""
    site = scene.site()
    described = (await ask(site.socket, "/api/openapi.json")).json()["paths"]
    listed = {(method.upper(), path) for path, methods in described.items() for method in methods}
    served = set()
    for app in (site.network, site.socket):
        for route in app._app.routes:  # type: ignore[attr-defined]
            served |= {(method, re.sub(r":\w+\}", "}", route.path)) for method in route.methods - {"HEAD"}}
    assert served == listed


async def test_health_needs_no_key_and_tells_nothing(scene: Scene) -> None:
    """/health answers that control runs, and no more."""
    answer = await ask(scene.tcp, "/health")
    assert (answer.status, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("target", ["/api/seen", "/api/data/draw"])
async def test_what_is_the_owners_is_not_on_the_network(scene: Scene, target: str) -> None:
    """What goes into the project is on the owner's socket only, whatever key is sent."""
    answer = await ask(scene.tcp, target, key=scene.secret(role="admin"))
    assert (answer.status, answer.error) == (404, "not_found")


async def test_the_open_demo_answers_only_under_its_own_name(scene: Scene) -> None:
    """Without keys a page in a browser could reach control under another host's name: that is refused."""
    assert (await ask(scene.open_tcp, "/api/calls", host="localhost:8401")).status == 200
    assert (await ask(scene.open_tcp, "/api/calls", host="evil.example")).status == 400


async def test_a_key_for_some_tasks_sees_only_those(scene: Scene) -> None:
    """Calls, figures and single calls of other tasks, and those of the whole host, stay closed."""
    ended_ns = scene.clock.wall_ns() - SECOND_NS
    scene.put(call("a", ended_ns, task="route"), call("b", ended_ns, task="extract"))
    secret = scene.secret("route")
    assert names((await ask(scene.tcp, "/api/calls", key=secret)).body) == ["a"]
    report = msgspec.json.decode((await ask(scene.tcp, "/api/report?since=1h", key=secret)).body, type=Report)
    assert [one.task for one in report.tasks] == ["route"]
    assert (await ask(scene.tcp, "/api/calls/a", key=secret)).status == 200
    assert (await ask(scene.tcp, "/api/calls/b", key=secret)).status == 404
    for target in ("/api/calls?task=extract", "/api/report?task=extract", "/metrics", "/api/status"):
        assert (await ask(scene.tcp, target, key=secret)).error == "forbidden"


async def test_calls_are_filtered(scene: Scene) -> None:
    """Each parameter narrows the list; the newest call comes first."""
    now_ns = scene.clock.wall_ns()
    scene.put(
        call("a", now_ns - 7200 * SECOND_NS),
        call("b", now_ns - 60 * SECOND_NS, outcome="deadline_gap"),
        call("c", now_ns, task="extract", model="large"),
    )

    async def found(query: str) -> list[str]:
        return names((await ask(scene.socket, f"/api/calls{query}")).body)

    assert await found("") == ["c", "b", "a"]
    assert await found("?since=1h") == ["c", "b"]
    assert await found("?task=route&task=extract&limit=2") == ["c", "b"]
    assert await found("?outcome=deadline_gap") == ["b"]
    assert await found("?model=large") == ["c"]


@pytest.mark.parametrize(
    "target",
    [
        "/api/calls?tasks=route",
        "/api/calls?limit=0",
        "/api/calls?limit=1001",
        "/api/calls?limit=many",
        "/api/calls?since=yesterday",
        "/api/report?since=",
        "/api/report?window=1h",
    ],
)
async def test_a_wrong_parameter_is_a_mistake(scene: Scene, target: str) -> None:
    """What is not understood is refused with what to write instead, not ignored."""
    answer = await ask(scene.socket, target)
    assert (answer.status, answer.error) == (400, "invalid_request")


async def test_one_call_with_its_attempts(scene: Scene) -> None:
    """A call's answer decodes to exactly what was recorded."""
    settled, tried = call("a", ttft_s=0.25), attempt("a", cause="upstream_error")
    scene.put(settled, tried)
    detail = msgspec.json.decode((await ask(scene.socket, "/api/calls/a")).body, type=CallDetail)
    assert detail == CallDetail(settled, (tried,))
    assert isinstance(detail.attempts[0], Attempt)


async def test_a_call_that_is_not_here(scene: Scene) -> None:
    """An unknown id is a 404 that names it."""
    answer = await ask(scene.socket, "/api/calls/nope")
    assert (answer.status, answer.error) == (404, "not_found")
    assert "nope" in answer.json()["error"]["message"]


async def test_bodies_are_shown_as_far_as_they_are_kept(scene: Scene) -> None:
    """On the owner's socket a call's bodies come as text; what was not kept is null."""
    kept = call("a", response_body="res")
    kept = msgspec.structs.replace(kept, admitted=msgspec.structs.replace(kept.admitted, request_body="req"))
    scene.put(kept, call("b"))
    assert (await ask(scene.socket, "/api/calls/a/bodies")).json() == {
        "request": '{"messages": []}',
        "response": "answer \ufffd",
    }
    assert (await ask(scene.socket, "/api/calls/b/bodies")).json() == {"request": None, "response": None}


async def test_the_report_holds_tasks_against_their_objectives(scene: Scene) -> None:
    """Objectives come from the snapshot in force."""
    ended_ns = scene.clock.wall_ns() - SECOND_NS
    scene.put(*(call(f"c{number}", ended_ns, ttft_s=0.5) for number in range(20)))
    report = msgspec.json.decode((await ask(scene.socket, "/api/report?since=1h")).body, type=Report)
    assert [(goal.name, goal.standing) for goal in report.tasks[0].objective] == [
        ("ttft_p95", "met"),
        ("success", "not enough data"),
    ]


async def test_the_report_tells_what_became_of_answers(scene: Scene) -> None:
    """Shares of answers stand in the report, by prompt on request; a key sees those of its own tasks only."""
    ended_ns = scene.clock.wall_ns() - SECOND_NS
    told = [call(f"c{number}", ended_ns, verdict="valid", repairs=number) for number in range(2)]
    told[1] = structs.replace(told[1], admitted=structs.replace(told[1].admitted, prompt="p"))
    scene.put(*told, call("x", ended_ns, task="extract", verdict="valid"))

    async def seen(target: str, app: object, key: str = "") -> list[tuple[str, str, int, int]]:
        report = msgspec.json.decode((await ask(app, target, key=key)).body, type=Report)
        return [
            (task.task, one.prompt, one.answers["valid_first"].count, one.answers["valid_first"].n)
            for task in report.tasks
            for one in task.contracts
        ]

    assert await seen("/api/report?since=1h", scene.socket) == [("extract", "", 1, 1), ("route", "", 1, 2)]
    assert await seen("/api/report?since=1h&by_prompt=true", scene.tcp, scene.secret("route")) == [
        ("route", "", 1, 1),
        ("route", "p", 0, 1),
    ]


async def test_the_report_stands_apart_by_lock(scene: Scene) -> None:
    """Locks of the window are told, and figures under each on request; a key sees those of its own tasks only."""
    ended_ns = scene.clock.wall_ns() - SECOND_NS
    told = [call(f"c{number}", ended_ns, verdict="valid") for number in range(3)]
    told += [call("x", ended_ns, task="extract")]
    for number, lock in enumerate(("b" * 64, "b" * 64, "a" * 64, "c" * 64)):
        told[number] = structs.replace(told[number], admitted=structs.replace(told[number].admitted, lock=lock))
    scene.put(*told)
    answer = await ask(scene.tcp, "/api/report?since=1h&by_lock=true", key=scene.secret("route"))
    report = msgspec.json.decode(answer.body, type=Report)
    assert [(use.lock[:1], use.calls) for use in report.locks] == [("a", 1), ("b", 2)]
    assert [(one.lock[:1], one.requests, one.contracts[0].answers["valid_first"].n) for one in report.tasks] == [
        ("a", 1, 1),
        ("b", 2, 2),
    ]


async def test_what_a_lock_is_held_against(scene: Scene) -> None:
    """The kinds of calls of a window and what a sample of requests says; for the owner of the socket alone."""
    ended_ns = scene.clock.wall_ns() - SECOND_NS
    told = [call("a", ended_ns), call("b", ended_ns), call("x", ended_ns, task="extract")]
    told[0] = structs.replace(told[0], admitted=structs.replace(told[0].admitted, request_body="req"))
    scene.put(*told)
    seen = msgspec.json.decode((await ask(scene.socket, "/api/seen?since=1h")).body, type=Seen)
    assert (seen.calls, seen.until_ns - seen.since_ns) == (3, 3600 * SECOND_NS)
    assert [(kind.task, kind.served_by, kind.calls) for kind in seen.kinds] == [
        ("route", "small", 2),
        ("extract", "small", 1),
    ]
    assert [(one.task, one.requests) for one in seen.sampled] == [("route", 1), ("extract", 0)]
    narrowed = msgspec.json.decode((await ask(scene.socket, "/api/seen?task=extract")).body, type=Seen)
    assert [kind.task for kind in narrowed.kinds] == ["extract"]
    assert (await ask(scene.tcp, "/api/seen", key=scene.secret())).status == 404


async def test_status_tells_who_does_what(scene: Scene) -> None:
    """Processes, board and telemetry, and what was not taken of the latest edit, stand in one answer."""
    (scene.run / "processes.json").write_text(
        '[{"role":"gateway","slot":0,"pid":41,"epoch":"g0-a","started_at":1.5,"restarts":2,"state":"ready"}]'
    )
    (scene.run / "declaration.json").write_text(
        '{"digest":"abc","since_ns":5,"refused":{"at_ns":9,"mistakes":["trimtab.toml:3: no"]},'
        '"needs_restart":["[gateway] workers: 1 -> 2"]}'
    )
    status = msgspec.json.decode((await ask(scene.socket, "/api/status")).body, type=Status)
    assert (status.environment, status.snapshot) == ("test", "abc")
    assert [(member.role, member.restarts) for member in status.processes] == [("gateway", 2)]
    assert status.board == BOARD
    assert (status.telemetry.up, status.telemetry.lag_bytes) == (True, 0)
    assert status.refused is not None
    assert status.refused.mistakes == ("trimtab.toml:3: no",)
    assert status.needs_restart == ("[gateway] workers: 1 -> 2",)


async def test_keys_are_made_listed_and_revoked(scene: Scene) -> None:
    """The secret is told once, when the key is made, and works on the network until it is revoked."""
    made = await ask(scene.socket, "/api/keys", method="POST", body=b'{"name": "app", "tasks": ["route"]}')
    assert made.status == 201
    secret = made.json()["secret"]
    assert made.json()["key"]["tasks"] == ["route"]
    listed = await ask(scene.socket, "/api/keys")
    assert [key["name"] for key in listed.json()["keys"]] == ["app"]
    assert secret.encode() not in listed.body
    assert (await ask(scene.tcp, "/api/calls", key=secret)).status == 403
    revoked = await ask(scene.socket, "/api/keys/app", method="DELETE")
    assert [key["name"] for key in revoked.json()["revoked"]] == ["app"]
    assert (await ask(scene.tcp, "/api/calls", key=secret)).status == 401
    assert (await ask(scene.socket, "/api/keys/app", method="DELETE")).error == "not_found"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"name": 3}',
        b'{"name": "a", "role": "x"}',
        b'{"name": "a", "of": "x"}',
        b'{"name": "Not a name"}',
    ],
)
async def test_a_key_that_cannot_be_made(scene: Scene, body: bytes) -> None:
    """A body that does not ask for a key, or a name that is none, is refused and makes nothing."""
    answer = await ask(scene.socket, "/api/keys", method="POST", body=body)
    assert (answer.status, answer.error) == (400, "invalid_request")
    assert scene.keys.list() == ()


@pytest.mark.parametrize(
    ("target", "method", "status", "code"),
    [
        ("/nothing", "GET", 404, "not_found"),
        ("/api/calls", "POST", 405, "method_not_allowed"),
        ("/api/keys", "PUT", 405, "method_not_allowed"),
    ],
)
async def test_every_error_has_one_shape(scene: Scene, target: str, method: str, status: int, code: str) -> None:
    """Routes and methods that are not there answer like every other error."""
    answer = await ask(scene.socket, target, method=method)
    assert (answer.status, answer.error) == (status, code)


async def test_telemetry_that_is_down_is_said(scene: Scene, closed_desk: Desk) -> None:
    """Questions to a store that is not there are 503; status and metrics still answer."""
    sources = replace(scene.sources, desk=closed_desk)
    down = replace(scene, sources=sources)
    answer = await ask(down.socket, "/api/report")
    assert (answer.status, answer.error, answer.headers["retry-after"]) == (503, "telemetry_unavailable", "5")
    status = msgspec.json.decode((await ask(down.socket, "/api/status")).body, type=Status)
    assert status.telemetry.up is False
    assert (await ask(down.socket, "/metrics")).status == 200


async def test_a_question_to_a_closed_desk(closed_desk: Desk) -> None:
    """Nothing is asked of a store that is not open."""
    with pytest.raises(StoreError, match="not open yet"):
        await closed_desk.ask(lambda stores: stores.telemetry.count())
