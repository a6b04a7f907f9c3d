"""The pages of runs: lists, a run with ten thousand steps, two runs compared, and what forms do."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from tests.console import agents
from tests.console.agents import ASKS, CALLS, CHILD, FAILED, FORK, HARM, LONG, PARKED
from tests.console.asking import data, get, post
from tests.console.conftest import Scene
from trimtab.declare.project import Model


@pytest.fixture
async def ran(scene: Scene, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """A scene with runs; the longest of them has as many steps as a test asks for."""
    room = agents.room(tmp_path / "journal.db", scene.clock, steps=getattr(request, "param", 120))
    scene.runs = room
    yield scene
    await room.close()


async def test_list(ran: Scene) -> None:
    """Runs of the range are listed, the latest first, with those that have not ended, whenever they began."""
    found = await data(ran, "/runs?range=24h")
    assert [one["run"] for one in found["runs"]] == [ASKS, PARKED, HARM, CALLS, FORK, CHILD, FAILED, LONG]
    assert {one["run"] for one in found["live"]} == {ASKS, PARKED, CALLS, FORK, CHILD, LONG}
    assert [one["run"] for one in (await data(ran, "/runs?range=24h&state=failed"))["runs"]] == [HARM, FAILED]
    assert [one["run"] for one in (await data(ran, f"/runs?range=24h&fork_of={FAILED}"))["runs"]] == [FORK]
    page = await get(ran, "/runs?range=24h")
    assert page.status_code == 200
    assert f'href="/runs/{FAILED}?range=24h"' in page.text
    assert (await get(ran, "/runs?state=lost")).status_code == 400


async def test_keys_for_some_tasks_see_theirs(ran: Scene) -> None:
    """A key for one task sees its runs alone, in lists, pages, comparisons and what can be taken along."""
    cookie = ran.session("viewer", "route")
    assert [one["run"] for one in (await data(ran, "/runs?range=24h", cookie))["runs"]] == [CALLS]
    for place in (f"/runs/{FAILED}", f"/runs/compare?left={CALLS}&right={FAILED}", f"/export/run/{FAILED}"):
        assert (await get(ran, place, cookie)).status_code == 404
    assert (await get(ran, f"/runs/{CALLS}", cookie)).status_code == 200
    assert (await get(ran, "/runs?task=extract", cookie)).status_code == 403


async def test_a_run(ran: Scene) -> None:
    """A run's page has its steps, what was found of them, and the runs it belongs to."""
    found = await data(ran, f"/runs/{FAILED}")
    assert [(one["seq"], one["label"], one["state"]) for one in found["steps"]] == [
        (3, "plan", "ok"),
        (5, "look up", "ok"),
        (7, "answer", "ok"),
    ]
    assert found["steps"][2]["found"] == "limit failed"
    assert [one["run"] for one in found["children"]] == [CHILD]
    assert [one["run"] for one in found["forks"]] == [FORK]
    given = (await data(ran, f"/runs/{FORK}"))["steps"]
    assert [(one["seq"], one["took_s"]) for one in given][1:] == [(5, 0.0)]
    assert given[1]["at_s"] == found["steps"][1]["at_s"] - found["steps"][0]["at_s"]
    page = (await get(ran, f"/runs/{FAILED}")).text
    assert "check_failed" in page
    assert "limit: over 100 USD" in page
    assert f"/runs/{CHILD}" in page


async def test_a_step_with_its_bodies(ran: Scene) -> None:
    """A step is shown with what it asked and answered, its tries and its checks, and leads to its neighbours."""
    page = (await get(ran, f"/runs/{FAILED}?step=7")).text
    assert "Where is order 12?" in page
    assert "refunded" in page
    assert ">upstream_error<" in page
    assert "over 100 USD" in page
    assert f"/runs/{FAILED}?step=5#one" in page
    tried = (await data(ran, f"/runs/{FAILED}?step=7"))["one"]["tries"]
    assert [(one["cause"], one["where"]) for one in tried] == [("upstream_error", "http://a"), ("ok", "http://b")]
    for table in ("steps", "tries"):
        assert (await data(ran, f"/runs/{FAILED}?step=3&table={table}"))[0]["cost"] == 0.005
    found = await data(ran, f"/runs/{FAILED}?step=5")
    assert json.loads(found["one"]["answered"]["text"]) == "order 12 is open"
    assert (await get(ran, f"/runs/{FAILED}?step=2")).status_code == 404
    assert (await get(ran, f"/runs/{FAILED}?step=x")).status_code == 400


@pytest.mark.parametrize("ran", [10_000], indirect=True)
async def test_ten_thousand_steps(ran: Scene) -> None:
    """A page has a hundred of the steps and a picture of bounded size, however many there are; the last ones too."""
    answer = await get(ran, f"/runs/{LONG}")
    assert answer.text.count('data-open="/runs/') == 100
    assert len(answer.text) < 250_000
    assert "1 to 100 of 10,000" in answer.text
    found = await data(ran, f"/runs/{LONG}?at=99999999999")
    assert (found["number"], found["of"], found["steps"][-1]["seq"]) == (9901, 10_000, 2 + 19_999)
    middle = await data(ran, f"/runs/{LONG}?at=10001")
    assert middle["number"] == 5000
    failed = await data(ran, f"/runs/{LONG}?only=failed")
    assert [one["found"] for one in failed["steps"]] == ["deadline_total"]
    assert (await data(ran, f"/runs/{LONG}?kind=model&label=s0"))["of"] == 667


async def test_what_became_of_a_parked_step_is_said(ran: Scene) -> None:
    """A parked run asks what became of its step, and goes on once that is said."""
    cookie = ran.session("operator")
    found = await data(ran, "/runs?range=24h", cookie)
    assert (found["live"][0]["run"], found["live"][0]["state"]) == (PARKED, "parked")
    assert "What became of step 3?" in (await get(ran, f"/runs/{PARKED}", cookie)).text
    fields = {"run": PARKED, "of": "3", "found": "happened", "output": '"paid"', "reason": "the bank says so"}
    assert (await post(ran, "/runs/reconcile", cookie, fields)).status_code == 303
    step = (await data(ran, f"/runs/{PARKED}?step=3", cookie))["one"]
    assert (step["answered"]["text"], step["step"]["reconciled"]["by"]) == ('"paid"', "ana")
    assert (await post(ran, "/runs/reconcile", cookie, fields)).status_code == 400
    assert (await post(ran, "/runs/reconcile", cookie, {**fields, "found": "maybe"})).status_code == 400


async def test_two_runs(ran: Scene) -> None:
    """The first difference that matters is named and shown word by word; so is what a fork was asked for."""
    found = await data(ran, f"/runs/compare?left={FAILED}&right={FORK}")
    assert found["first"]["told"].startswith("step 5 (tool look up) was answered otherwise")
    assert found["overrides"] == {"code": "large", "answer": "of step 5"}
    assert (found["same"], found["of"]) == (1, 3)
    page = (await get(ran, f"/runs/compare?left={FAILED}&right={FORK}&all=true")).text
    assert "only on the left" in page
    assert re.search(r"<del>.*open.*</del>", page)
    same = await get(ran, f"/runs/compare?left={FAILED}&right={FAILED}")
    assert "nothing that matters differs" in same.text
    assert (await get(ran, f"/runs/compare?left={FAILED}")).status_code == 400
    assert (await get(ran, f"/runs/compare?left={FAILED}&right=nothing")).status_code == 404


async def test_texts_that_mean_harm_are_shown(ran: Scene) -> None:
    """Nothing a run holds becomes markup, on its pages, in its steps and in a comparison."""
    for place in (f"/runs/{HARM}", f"/runs/{HARM}?step=3", f"/runs/{HARM}?step=5",
                  f"/runs/compare?left={HARM}&right={FAILED}", "/runs?range=24h"):  # fmt: skip
        page = await get(ran, place)
        assert page.status_code == 200, place
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text


async def test_orders(ran: Scene) -> None:
    """An operator pauses, resumes and stops a run; a viewer may not, and an unknown order is refused."""
    cookie = ran.session("operator")
    for order, state in (("pause", "paused"), ("resume", "waiting"), ("stop", "stopped")):
        answer = await post(ran, "/runs/order", cookie, {"run": CALLS, "order": order})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/{CALLS}")
        assert (await data(ran, f"/runs/{CALLS}", cookie))["run"]["state"] == state
    assert (await post(ran, "/runs/order", cookie, {"run": CALLS, "order": "pause"})).status_code == 400
    assert (await post(ran, "/runs/order", cookie, {"run": CALLS, "order": "lose"})).status_code == 400
    viewer = ran.session("viewer")
    assert (await post(ran, "/runs/order", viewer, {"run": FORK, "order": "pause"})).status_code == 403
    assert "<button>Stop</button>" not in (await get(ran, f"/runs/{FORK}", viewer)).text
    narrow = ran.session("operator", "route")
    assert (await post(ran, "/runs/order", narrow, {"run": FORK, "order": "pause"})).status_code == 404


async def test_fork_and_take_up_again(ran: Scene) -> None:
    """The forms of a run make a fork with another answer, and take up what failed."""
    cookie = ran.session("operator")
    changed = {"model": "large", "sampling.temperature": " 0.25 ", "sampling.seed": "", "with": "code = v2\n"}
    fields = {"run": FAILED, "at": "5", "answer": '"lost"', **changed}
    made = (await post(ran, "/runs/fork", cookie, fields)).headers["location"]
    found = await data(ran, made, cookie)
    assert found["run"]["fork_of"] == FAILED
    changed = {"model": "large", "sampling.temperature": "0.25", "code": "v2"}
    assert found["overrides"] == {**changed, "answer": "of step 5"}
    ran.policy = structs.replace(ran.policy, models={"small": Model("small", "m", ())})
    page = (await get(ran, made, cookie)).text
    assert "model <strong>large</strong> (at no step so far)" in page
    assert "<option>small</option>" in page
    again = await post(ran, "/runs/redrive", cookie, {"run": FAILED})
    assert again.headers["location"] == f"/runs/{FAILED}.again1"
    assert (await post(ran, "/runs/redrive", cookie, {"run": CALLS})).status_code == 400
    assert (await post(ran, "/runs/fork", cookie, {"run": FAILED, "at": "99"})).status_code == 400
    assert (await post(ran, "/runs/fork", cookie, {"run": FAILED, "with": "model"})).status_code == 400
    wrong = await post(ran, "/runs/fork", cookie, {"run": FAILED, "at": "7", "model": "larg"})
    assert (wrong.status_code, "did you mean large" in wrong.text) == (400, True)
    named = {"run": FAILED, "at": "7", "model": "small", "label": "answer"}
    found = await data(ran, (await post(ran, "/runs/fork", cookie, named)).headers["location"], cookie)
    assert found["overrides"] == {"answer.model": "small"}


async def test_what_can_be_taken_along(ran: Scene) -> None:
    """A run whole, with all bodies, and a step as a case."""
    whole = await get(ran, f"/export/run/{FAILED}")
    lines = [json.loads(line) for line in whole.text.splitlines()]
    assert [one["seq"] for one in lines if "seq" in one] == list(range(1, 12))
    case: Any = json.loads((await get(ran, f"/export/case/0/{FAILED}")).text)
    assert (case["observed"], case["meta"]["step"]) == ("refunded", 7)
    assert (await get(ran, f"/export/case/5/{FAILED}")).status_code == 400
    assert (await get(ran, "/export/case/x/nothing")).status_code == 404


async def test_how_it_is_done_again(ran: Scene) -> None:
    """A run's page has the commands that replay it and make a test of it, with its id in them."""
    page = (await get(ran, f"/runs/{FAILED}")).text
    replay = page.partition("<summary>Replay</summary>")[2]
    assert f"trimtab runs replay {FAILED} -- COMMAND" in replay
    assert f"x-trimtab-replay: {FAILED}" in replay
    assert f"trimtab runs export {FAILED} --as pytest" in replay


async def test_a_console_without_a_journal_says_so(scene: Scene) -> None:
    """Where there is no journal of runs, the pages say what to do."""
    assert "trimtab up" in (await get(scene, "/runs")).text


async def test_runs_that_need_somebody_stand_on_the_overview(ran: Scene) -> None:
    """A parked run and one that waits for a person are told with links to just these, whenever they began."""
    page = (await get(ran, "/?range=15m")).text
    assert "1 run is parked: somebody must say what became of a step" in page
    assert "1 run waits for a person" in page
    assert 'href="/runs?range=15m&amp;state=parked"' in page
    assert [one["run"] for one in (await data(ran, "/runs?range=15m&state=parked"))["runs"]] == [PARKED]
    assert [one["run"] for one in (await data(ran, "/runs?range=15m&waits=review"))["runs"]] == [ASKS]
    assert (await get(ran, "/runs?waits=godot")).status_code == 400
