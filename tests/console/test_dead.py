"""The pages of dead letters: what failed, for whom, and what an operator does about it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from tests.console.asking import data, get, post
from tests.console.conftest import Scene
from tests.console.seeding import HOSTILE
from tests.control.conftest import Bodies, FakeGateway
from tests.store.samples import call
from trimtab.access.keys import Role
from trimtab.console.letter_desk import MOST_AT_ONCE, Redrives
from trimtab.console.pages.dead import CHOSEN
from trimtab.database.migrate import open_state
from trimtab.journal.alerts import AlertStore, Outgoing, Passed
from trimtab.journal.dead_letters import Damaged, DeadLetters
from trimtab.journal.outbox import Outbox
from trimtab.processes.dead import Undertaker
from trimtab.processes.resend import Sent
from trimtab.record.events import Settled

ARRIVED = Sent(ok=True, status=200, call="c9", detail="")
FAILED = Sent(ok=False, status=502, call="c8", detail="model small failed")
SEGMENT = "g0-0123456789ab/00000000"
TOLD = "telling-1"
HOST = (SEGMENT, TOLD)


@dataclass
class Buried:
    """A scene with dead letters, and the gateway that takes them."""

    scene: Scene
    letters: DeadLetters
    gateway: FakeGateway

    async def ids(self, query: str = "", cookie: str = "") -> list[str]:
        """The ids of the letters on the page."""
        return [one["id"] for one in (await data(self.scene, f"/dead{query}", cookie))["letters"]]

    async def redriven(self, cookie: str, *ids: str) -> Any:
        """What became of letters that were ticked and re-driven."""
        answer = await post(self.scene, "/dead/redrive", cookie, ticked(*ids))
        assert answer.status_code == 303
        return (await data(self.scene, answer.headers["location"], cookie))["run"]


def ticked(*ids: str) -> dict[str, str]:
    return {f"{CHOSEN}{one}": "yes" for one in ids}


def dead(name: str, at_ns: int, task: str = "route", **admitted: Any) -> Settled:
    """A call that failed for good, with its request kept."""
    known = {"request_body": "req", "request_bytes": 16, "run": "run-7", "key": "app", "task": task}
    failed = call(name, at_ns, outcome="upstream_error", detail="it fell over")
    return structs.replace(failed, admitted=structs.replace(failed.admitted, **{**known, **admitted}))


@pytest.fixture
def buried(scene: Scene, tmp_path: Path) -> Iterator[Buried]:
    """Three calls of two tasks, one of which keeps no request; a damaged segment; an alert that nobody got."""
    now_ns = scene.clock.wall_ns()
    state = tmp_path / "state.db"
    with contextlib.closing(DeadLetters(open_state(state), 100)) as letters:
        calls = [dead("c1", now_ns), dead("c2", now_ns + 1), dead("c3", now_ns + 2, "private", request_body="")]
        letters.take("t", calls, ("route",), [Damaged(SEGMENT, "block 3 is torn", 4096, now_ns - 5)])
        with (
            contextlib.closing(AlertStore(open_state(state))) as store,
            contextlib.closing(Outbox(open_state(state))) as outbox,
        ):
            store.keep(Passed(outgoing=(Outgoing(TOLD, "a1", "opened", "oncall", b"{}", now_ns, now_ns),)))
            outbox.dead(TOLD, "HTTP 410", now_ns - 1)
            letters.refresh()

            async def again(letter: str) -> bool:
                return outbox.again(letter, now_ns)

            gateway = FakeGateway()
            scene.desk.held.letters, scene.desk.held.bodies = letters, Bodies()
            undertaker = Undertaker(scene.desk, gateway.send, again)  # type: ignore[arg-type]  # a desk that answers at once
            counted = replace(scene, letters=undertaker, redrives=Redrives(undertaker, scene.clock))
            counted.tallies = letters.waiting
            yield Buried(counted, letters, gateway)
            undertaker.close()


async def test_letters_by_cause_and_one_by_one(buried: Buried) -> None:
    """Counts by cause, then the letters, newest first, each with what failed and whether it can be sent."""
    found = await data(buried.scene, "/dead")
    assert {(one["kind"], one["task"], one["cause"]): one["letters"] for one in found["tally"]} == {
        ("call", "route", "upstream_error"): 2,
        ("call", "private", "upstream_error"): 1,
        ("records", "", "unreadable"): 1,
        ("alert", "", "undelivered"): 1,
    }
    assert [one["id"] for one in found["letters"]] == ["c3", "c2", "c1", TOLD, SEGMENT]
    assert {one["id"]: one["kept"] for one in found["letters"]}["c3"] is False
    html = (await get(buried.scene, "/dead")).text
    assert "it fell over" in html
    assert f'href="/dead/{SEGMENT}"' in html


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("?task=route", ["c2", "c1"]),
        ("?kind=alert", [TOLD]),
        ("?kind=records", [SEGMENT]),
        ("?cause=upstream_error&task=private", ["c3"]),
        ("?cause=unreadable&kind=call", []),
    ],
)
async def test_filters(buried: Buried, query: str, ids: list[str]) -> None:
    """Each filter narrows, together they narrow more."""
    assert await buried.ids(query) == ids


async def test_what_is_no_kind(buried: Buried) -> None:
    """It is refused with what there is."""
    answer = await get(buried.scene, "/dead?kind=stone")
    assert (answer.status_code, "records" in answer.text) == (400, True)


async def test_nothing_waits(scene: Scene) -> None:
    """An empty page says so."""
    assert "Nothing waits here" in (await get(scene, "/dead")).text


async def test_a_letter_with_its_request(buried: Buried) -> None:
    """What a redrive would send stands there; where nothing is kept, why not."""
    html = (await get(buried.scene, "/dead/c1")).text
    assert "{&#34;messages&#34;: []}" in html
    assert "run-7" in html
    assert 'href="/calls/c1"' in html
    none = (await get(buried.scene, "/dead/c3")).text
    assert "the redaction of task private keeps no whole request" in none
    assert 'action="/dead/redrive"' not in none
    assert 'action="/dead/drop"' in none


async def test_letters_of_the_host(buried: Buried) -> None:
    """Records and alerts say what a redrive does with them."""
    assert "block 3 is torn" in (await get(buried.scene, f"/dead/{SEGMENT}")).text
    told = (await get(buried.scene, f"/dead/{TOLD}")).text
    assert "HTTP 410" in told
    assert "oncall" in told


async def test_a_hostile_request_is_text(buried: Buried) -> None:
    """Markup in a request is shown and does nothing; escapes and what turns the direction are signs."""
    text = "\n".join(HOSTILE).encode("utf-8", "replace")
    hostile = dead("bad", 5, request_body="bad", request_bytes=len(text), run=HOSTILE[0])
    buried.letters.take("u", [hostile], ("route",))
    buried.scene.desk.held.bodies = type("One", (), {"read": staticmethod(lambda digest: text)})()
    html = (await get(buried.scene, "/dead/bad")).text
    assert "<script>window" not in html
    assert "<img src=x" not in html
    assert not {"\x1b", "\u202e", "\u2066"} & set(html)


async def test_redriving_those_that_are_ticked(buried: Buried) -> None:
    """One after another, in the order of the form; what became of each is told, and what is dealt with is gone."""
    buried.gateway.answers = [ARRIVED, FAILED]
    run = await buried.redriven(buried.scene.session("operator"), "c1", "c2", "c3", TOLD)
    assert run["waiting"] == []
    assert [(one["letter"], one["ok"], one.get("call", "")) for one in run["done"]] == [
        ("c1", True, "c9"),
        ("c2", False, "c8"),
        ("c3", False, ""),
        (TOLD, True, ""),
    ]
    assert "keeps no whole request" in run["done"][2]["detail"]
    assert await buried.ids() == ["c3", "c2", SEGMENT]
    assert [sent[1]["x-trimtab-redrive"] for sent in buried.gateway.sent] == ["c1", "c2"]


async def test_an_alert_is_delivered_again(buried: Buried) -> None:
    """It waits in the outbox again and is no dead letter any more, in the counts neither."""
    await buried.redriven(buried.scene.session("operator"), TOLD)
    assert ("alert", "undelivered") not in {(one.kind, one.cause) for one in buried.letters.waiting}
    assert await buried.ids("?kind=alert") == []


async def test_the_page_of_a_run(buried: Buried) -> None:
    """While letters wait it says how many; one that is not remembered is said not to be."""
    buried.gateway.answers = [ARRIVED]
    cookie = buried.scene.session("operator")
    run = await buried.redriven(cookie, "c1")
    html = (await get(buried.scene, f"/dead/redrive/{run['id']}", cookie)).text
    assert "All 1 were sent" in html
    assert 'href="/calls/c9"' in html
    assert (await get(buried.scene, "/dead/redrive/nothing", cookie)).status_code == 404


async def test_dropping_needs_somebody_who_is_sure(buried: Buried) -> None:
    """Without that nothing is dropped."""
    cookie = buried.scene.session("operator")
    unsure = await post(buried.scene, "/dead/drop", cookie, ticked("c1", "c3"))
    assert (unsure.status_code, "sure" in unsure.text) == (400, True)
    assert len(await buried.ids()) == 5
    sure = await post(buried.scene, "/dead/drop", cookie, {**ticked("c1", "c3"), "sure": "yes"})
    assert (sure.status_code, sure.headers["location"]) == (303, "/dead")
    assert await buried.ids() == ["c2", TOLD, SEGMENT]


async def test_a_run_is_of_its_key_and_not_of_its_keys_name(buried: Buried) -> None:
    """A key for some tasks sees what became of letters it sent itself, not those of another key of the same name."""
    buried.gateway.answers = [ARRIVED]
    mine = buried.scene.session("operator", "route")
    run = await buried.redriven(mine, "c1")
    place = f"/dead/redrive/{run['id']}"
    assert (await get(buried.scene, place, mine)).status_code == 200
    assert (await get(buried.scene, place, buried.scene.session("operator", "route"))).status_code == 404
    assert (await get(buried.scene, place, buried.scene.session("viewer"))).status_code == 200


@pytest.mark.parametrize("place", ["/dead/redrive", "/dead/drop"])
async def test_a_form_is_bounded(buried: Buried, place: str) -> None:
    """None, too many, and one that is not there are refused before anything happens."""
    cookie = buried.scene.session("operator")
    many = ticked(*(f"c{number}" for number in range(MOST_AT_ONCE + 1)))
    for fields, status in (({}, 400), (many, 400), (ticked("c1", "nope"), 404)):
        assert (await post(buried.scene, place, cookie, {**fields, "sure": "yes"})).status_code == status
    assert (len(await buried.ids()), buried.gateway.sent) == (5, [])


@pytest.mark.parametrize("place", ["/dead/redrive", "/dead/drop"])
@pytest.mark.parametrize("role", ["client", "viewer", "operator", "admin"])
async def test_every_action_with_every_role(buried: Buried, place: str, role: Role) -> None:
    """Who only looks is refused and changes nothing; operators and those above get through."""
    buried.gateway.answers = [ARRIVED]
    answer = await post(buried.scene, place, buried.scene.session(role), {**ticked("c1"), "sure": "yes"})
    is_let = role in ("operator", "admin")
    assert (answer.status_code, "c1" in await buried.ids()) == ((303, False) if is_let else (403, True))


@pytest.mark.parametrize("place", ["/dead/redrive", "/dead/drop"])
@pytest.mark.parametrize(
    ("form", "headers"),
    [("", {}), ("wrong", {}), (None, {"origin": "http://evil.example"}), (None, {"sec-fetch-site": "cross-site"})],
)
async def test_no_other_site_acts(buried: Buried, place: str, form: str | None, headers: dict[str, str]) -> None:
    """Without the session's token, or from a page of another site, nothing happens."""
    cookie = buried.scene.session("operator")
    answer = await post(buried.scene, place, cookie, {**ticked("c1"), "sure": "yes"}, form=form, **headers)
    assert answer.status_code == 403
    assert (len(await buried.ids()), buried.gateway.sent) == (5, [])


async def test_a_viewer_sees_no_forms(buried: Buried) -> None:
    """Neither boxes nor buttons."""
    cookie = buried.scene.session("viewer")
    for place in ("/dead", "/dead/c1"):
        html = (await get(buried.scene, place, cookie)).text
        assert 'action="/dead/' not in html.replace('method="get" action="/dead/', "")
        assert 'type="checkbox" form' not in html


async def test_a_key_for_some_tasks(buried: Buried) -> None:
    """It sees, re-drives and drops letters of its tasks, and finds no others, those of the host neither."""
    cookie = buried.scene.session("operator", "route")
    assert await buried.ids("", cookie) == ["c2", "c1"]
    assert {one["task"] for one in (await data(buried.scene, "/dead", cookie))["tally"]} == {"route"}
    assert (await get(buried.scene, "/dead?task=private", cookie)).status_code == 403
    for letter in ("c3", *HOST):
        assert (await get(buried.scene, f"/dead/{letter}", cookie)).status_code == 404
        for place in ("/dead/redrive", "/dead/drop"):
            fields = {**ticked("c1", letter), "sure": "yes"}
            assert (await post(buried.scene, place, cookie, fields)).status_code == 404
    assert (len(buried.letters.waiting), buried.gateway.sent) == (4, [])
    buried.gateway.answers = [ARRIVED]
    run = await buried.redriven(cookie, "c1")
    assert [one["letter"] for one in run["done"]] == ["c1"]


async def test_the_overview_counts_dead_letters(buried: Buried) -> None:
    """All of them for who sees all tasks, those of its tasks for a key for some."""
    assert "5 dead letters wait" in (await get(buried.scene, "/")).text
    html = (await get(buried.scene, "/", buried.scene.session("viewer", "route"))).text
    assert "2 dead letters wait" in html
    assert 'href="/dead"' in html


async def test_a_letter_while_the_stores_are_down(buried: Buried) -> None:
    """The page says what is not there at the moment."""
    buried.scene.desk.down = True
    assert (await get(buried.scene, "/dead")).status_code == 503
