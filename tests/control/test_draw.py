"""Control draws cases from calls for the owner of its socket alone, and refuses what is no wish for any."""

from __future__ import annotations

import msgspec
import pytest

from tests.control.asgi import ask
from tests.control.conftest import Scene
from tests.store.samples import SECOND_NS, call
from trimtab.data.drawn import Drawn


async def test_calls_without_bodies_are_counted(scene: Scene) -> None:
    """Calls of the window and the task are looked at; those of which nothing was kept give no case, and it is told."""
    now_ns = scene.clock.wall_ns()
    scene.put(call("old", now_ns - 8 * 86_400 * SECOND_NS), call("new", now_ns), call("other", now_ns, task="extract"))
    answer = await ask(scene.socket, "/api/data/draw", method="POST", body=b'{"task": "route"}')
    found = msgspec.json.decode(answer.body, type=Drawn)
    assert (found.cases, found.in_window, found.passed_over) == ((), 1, {"not_kept": 1})


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "the body is not a wish for cases"),
        (b'{"task": "route", "sql": "x"}', "the body is not a wish for cases"),
        (b'{"task": "route", "sample": 0}', "sample is 0, not from 1 to 10000"),
        (b'{"task": "route", "sample": 10001}', "sample is 10001, not from 1 to 10000"),
        (b'{"task": "route", "by": "password"}', "'password' is nothing to stratify by"),
        (b'{"task": "route", "where": ["1 = 1"]}', "is no condition"),
        (b'{"task": "route", "since": "soon"}', "`soon` is no time"),
        (b'{"task": "route", "calls": [' + b",".join([b'"c"'] * 1001) + b"]}", "1001 calls are named"),
        (b'{"task": "route", "seed": 9223372036854775808}', "the seed has more than 64 bits"),
    ],
)
async def test_wishes_that_are_none(scene: Scene, body: bytes, says: str) -> None:
    """They are refused with what is wrong, before or after the stores are asked."""
    answer = await ask(scene.socket, "/api/data/draw", method="POST", body=body)
    assert (answer.status, answer.error) == (400, "invalid_request")
    assert says in answer.json()["error"]["message"]


async def test_named_calls_are_those_of_the_task(scene: Scene) -> None:
    """Named calls are looked at whenever they were; one of another task and one that is not there are not."""
    now_ns = scene.clock.wall_ns()
    scene.put(call("old", now_ns - 20 * 86_400 * SECOND_NS), call("new", now_ns), call("other", now_ns, task="extract"))
    body = b'{"task": "route", "calls": ["old", "other", "nothing"]}'
    found = msgspec.json.decode((await ask(scene.socket, "/api/data/draw", method="POST", body=body)).body, type=Drawn)
    assert (found.looked_at, found.passed_over) == (1, {"not_kept": 1})


async def test_cases_are_not_on_the_network(scene: Scene) -> None:
    """Bodies are shown on the owner's socket only, whatever key is sent."""
    answer = await ask(scene.tcp, "/api/data/draw", method="POST", key=scene.secret(), body=b'{"task": "route"}')
    assert answer.status == 404
