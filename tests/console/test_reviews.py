"""The page of reviews: what waits and its keys, decisions that count once, edits, roles, and what samples hide."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest

from tests.console import agents
from tests.console.asking import OWN, data, get, post
from tests.console.conftest import COOKIE, Scene
from tests.console.seeding import HOSTILE, policy
from tests.journal_runs.world import World
from trimtab.journal.asks import AskReview, Note, Review, Reviews
from trimtab.journal.client import BlockingLocalKeeper, LocalKeeper
from trimtab.journal.entries import Asked, Checked, body_of
from trimtab.journal.proposals import Background, context_of
from trimtab.journal.runs.database import open_runs, open_runs_to_read
from trimtab.journal.runs.reader import RunReader
from trimtab.processes.review_api import review_endpoints
from trimtab.processes.review_book import MOST_COUNTED, ReviewBook
from trimtab.processes.run_room import RunRoom

SCHEMA = '{"type":"object","properties":{"amount_usd":{"type":"number"}},"additionalProperties":false}'
BACKGROUND = Background("Pays money back to the customer", ("order 7",), ("ticket 12",), SCHEMA, "write", 0.25)
PLACE = "/reviews"
TEXT = HOSTILE[0]


class Desk:
    """A scene whose journal has runs that wait for persons."""

    def __init__(self, scene: Scene, world: World) -> None:
        self.scene = scene
        self.world = world
        scene.policy = policy()
        self.lock = "b" * 64
        scene.reviews = ReviewBook(LocalKeeper(world.store), lambda task: {}, lambda: self.lock, scene.clock)
        self.epochs: dict[str, int] = {}

    def signed_in(self, name: str) -> str:
        """The cookie of somebody by that name, a viewer."""
        return f"{COOKIE}={self.scene.gate.sign_in(self.scene.keys.new(name, (), 'viewer')[0])}"

    def ask(self, run: str, *, sampled: bool = False, drawn: float = 0.1, binds: str = "b1", **facts: object) -> Review:
        """A run of the task `extract` asks a person."""
        if run not in self.epochs:
            self.epochs[run] = self.world.open(run, task="extract", lock="a" * 64).epoch
            self.step = self.world.begin("review refund", "cc", run=run, step="step", branch="main", tool="refund").seq
        asked = Asked(self.world.now, "", self.step, binds, "over 100 USD", sampled)
        proposed = body_of(b'{"amount_usd":900}')
        about = context_of(Background(drawn=drawn) if sampled else BACKGROUND)
        ask = AskReview(run, self.epochs[run], asked, proposed, about, **facts)  # type: ignore[arg-type]
        told: Reviews = self.world.told(ask, Reviews)
        return told.reviews[0]


@pytest.fixture
def desk(scene: Scene, tmp_path: Path) -> Desk:
    """A journal behind the console."""
    return Desk(scene, World(lambda: open_runs(tmp_path / "journal.db")))


async def decide(desk: Desk, review: Review, cookie: str, choice: str, **fields: str) -> int:
    """Sends the form of a review; the status."""
    body = {"choice": choice, "binds": review.binds, **fields}
    return (await post(desk.scene, f"{PLACE}/{review.review}/decided", cookie, body)).status_code


async def test_what_waits_stands_open_with_its_keys(desk: Desk) -> None:
    """The oldest review is open: what will happen, why, what it touches, evidence and cost, and the keys a, e and r."""
    first = desk.ask("r1")
    desk.ask("r2")
    html = (await get(desk.scene, PLACE, desk.scene.session("operator"))).text
    for words in (
        "Pays money back to the customer",
        "over 100 USD",
        "order 7",
        "ticket 12",
        "&#34;amount_usd&#34;: 900",
        "0.25",
        first.review,
    ):
        assert words in html
    assert re.findall(r'data-press="(\w)"', html) == ["a", "e", "r"]


async def test_what_led_to_it_stands_below(desk: Desk) -> None:
    """What the run was begun with, and its steps before with what they gave, a model's in its words."""
    desk.epochs["r1"] = desk.world.open("r1", task="extract", input=body_of(b'{"ticket":"where is it?"}')).epoch
    answer = {"choices": [{"index": 0, "message": {"role": "assistant", "content": f"lost {TEXT}"}}]}
    first = desk.world.step("triage", "a1", json.dumps(answer).encode(), run="r1", step="model")
    failed = desk.world.begin("look up", "a2", run="r1", after=first).seq
    desk.world.finish(failed, None, "r1", outcome="error", error="TimeoutError", detail="nobody there", cost_pusd=7)
    desk.step = desk.world.begin("review refund", "cc", run="r1", step="step", tool="refund", after=failed).seq
    review = desk.ask("r1")
    html = (await get(desk.scene, PLACE, desk.scene.session("operator"))).text
    below = html.partition("What led here")[2]
    for words in ("begun with", "where is it?", "triage", "lost ", "look up", "TimeoutError: nobody there"):
        assert words in below
    assert TEXT not in html
    shown = await desk.scene.reviews.shown(review.review)  # type: ignore[union-attr]
    assert [(one.kind, one.label, one.state) for one in shown.before] == [
        ("model", "triage", "ok"),
        ("tool", "look up", "error"),
    ]


async def test_overview_says_how_many_wait(desk: Desk) -> None:
    """The overview counts those of tasks that the visitor may see, and leads to them."""
    for run in ("r1", "r2", "r3"):
        desk.ask(run)
    assert "3 reviews wait" in (await get(desk.scene, "/", desk.scene.session())).text
    assert "reviews wait" not in (await get(desk.scene, "/", desk.scene.session("viewer", "route"))).text


async def test_a_decision_counts_once(desk: Desk) -> None:
    """Approving twice is one decision; who decides otherwise later is told who was quicker, and changes nothing."""
    review = desk.ask("r1")
    ana = desk.scene.session("operator")
    assert await decide(desk, review, ana, "approve") == 303
    head = desk.world.row("r1").head
    assert await decide(desk, review, ana, "approve") == 303
    late = await post(
        desk.scene,
        f"{PLACE}/{review.review}/decided",
        ana,
        {"choice": "reject", "binds": review.binds, "reason": "no"},
    )
    assert (late.status_code, late.headers["location"]) == (303, f"{PLACE}/{review.review}?stale=true")
    page = (await get(desk.scene, late.headers["location"], ana)).text
    assert "Somebody was quicker" in page
    assert "approved by ana" in page
    assert desk.world.row("r1").head == head


async def test_a_page_of_another_action_is_stale(desk: Desk) -> None:
    """What was shown is what is decided: under another binding nothing is."""
    review = desk.ask("r1")
    late = await post(
        desk.scene,
        f"{PLACE}/{review.review}/decided",
        desk.scene.session("operator"),
        {"choice": "approve", "binds": "x"},
    )
    assert "stale=true" in late.headers["location"]
    assert [one["review"] for one in (await data(desk.scene, PLACE))["waiting"]] == [review.review]


async def test_an_edit_is_held_against_the_schema(desk: Desk) -> None:
    """What the tool does not take is refused with the reason; what it takes is written in its place."""
    review, cookie = desk.ask("r1"), desk.scene.session("operator")
    assert await decide(desk, review, cookie, "edit", arguments='{"amount_usd": "all"}') == 400
    assert await decide(desk, review, cookie, "edit", arguments='{"amount_usd": 90}', reason="90 is fair") == 303
    shown = await data(desk.scene, f"{PLACE}/{review.review}", cookie)
    assert shown["open"]["review"]["verdict"] == "edited"
    assert json.loads(shown["open"]["edited"]) == {"amount_usd": 90}


async def test_a_rejection_says_why(desk: Desk) -> None:
    """Without a reason nothing is rejected."""
    review, cookie = desk.ask("r1"), desk.scene.session("operator")
    assert await decide(desk, review, cookie, "reject") == 400
    assert await decide(desk, review, cookie, "reject", reason="too much") == 303


async def test_who_may_not_decide_sees_no_buttons(desk: Desk) -> None:
    """A viewer sees an operator's review without its buttons, and cannot decide it; a key of another task sees none."""
    review = desk.ask("r1")
    viewer, narrow = desk.scene.session("viewer"), desk.scene.session("operator", "route")
    page = (await get(desk.scene, f"{PLACE}/{review.review}", viewer)).text
    assert "It is not for you to decide" in page
    assert "data-press" not in page
    assert await decide(desk, review, viewer, "approve") == 403
    assert await decide(desk, review, narrow, "approve") == 404
    assert (await data(desk.scene, PLACE, narrow))["waiting"] == []


async def test_a_lock_that_changed_is_said(desk: Desk) -> None:
    """Where another lock is in force than the one that was asked under, the page says what an approval is worth."""
    review = desk.ask("r1")
    assert "is in force now" in (await get(desk.scene, f"{PLACE}/{review.review}")).text
    assert "waits, asked under another lock" in (await get(desk.scene, PLACE)).text
    assert (await data(desk.scene, PLACE))["waiting"][0]["lock_now"] == "b" * 64
    desk.lock = "a" * 64
    assert "is in force now" not in (await get(desk.scene, f"{PLACE}/{review.review}")).text
    assert "asked under another lock" not in (await get(desk.scene, PLACE)).text


async def test_an_approval_under_another_lock_says_so(desk: Desk) -> None:
    """Whoever approves is told that a run under the lock in force asks again; whoever rejects is not."""
    cookie = desk.scene.session("operator")
    for run, choice, says in (("r1", "approve", True), ("r2", "reject", False)):
        review = desk.ask(run)
        said = {"choice": choice, "binds": review.binds, "reason": "checked"}
        answer = await post(desk.scene, f"{PLACE}/{review.review}/decided", cookie, said)
        assert answer.status_code == 303
        assert ("other_lock=true" in answer.headers["location"]) == says
    assert "it asks again" in (await get(desk.scene, f"{PLACE}?decided=v&other_lock=true")).text


async def test_hostile_texts_stay_texts(desk: Desk) -> None:
    """What models wrote into arguments, reasons and evidence is shown and never run."""
    step = desk.ask("r1")
    proposed = body_of(json.dumps({"note": TEXT}).encode())
    asked = Asked(desk.world.now, "", step.of, "b2", TEXT)
    background = Background(TEXT, (TEXT,), (TEXT,))
    desk.world.told(AskReview("r1", 1, asked, proposed, context_of(background)), Reviews)
    html = (await get(desk.scene, PLACE)).text
    assert TEXT not in html


async def test_two_look_at_a_sample_by_themselves(desk: Desk) -> None:
    """Nobody sees what another said of a run before both have, or says it twice; how well they agree is told."""
    first = desk.ask("r1", sampled=True, binds="seat 1", roles=("viewer",))
    second = desk.ask("r1", sampled=True, binds="seat 2", roles=("viewer",))
    desk.world.told(Note("r1", 1, Checked(desk.world.now, first.of, "judge", passed=True)), object)
    book = desk.scene.reviews
    assert book is not None
    ana, ben = desk.signed_in("ana"), desk.signed_in("ben")
    assert await decide(desk, first, ana, "approve") == 303
    assert await decide(desk, second, ana, "approve") == 403
    assert [one.review for one in await book.find("", "ben", waiting=False)] == [second.review]
    assert await book.find("", "ana", waiting=True) == ()
    assert await decide(desk, second, ben, "reject", reason="the wrong order") == 303
    found = await book.agreement("extract")
    assert (found.reviewers.rows, found.reviewers.same) == (1, 0.0)
    assert (found.runs, found.undecided, found.checks) == (1, 1, ())


async def test_other_decisions_take_no_place_from_samples(desk: Desk) -> None:
    """How well people agree is told of all that was said of samples, whatever was decided since for runs that wait."""
    ana, book = desk.signed_in("ana"), desk.scene.reviews
    assert book is not None
    assert await decide(desk, desk.ask("r1", sampled=True, roles=("viewer",)), ana, "approve") == 303
    desk.world.clock.advance(60)
    step = desk.ask("r2").of
    for number in range(MOST_COUNTED):
        desk.world.review(step, f"again {number}", run="r2", epoch=desk.epochs["r2"])
    assert (await book.agreement("extract")).runs == 1


async def test_a_key_for_some_tasks_sees_theirs_however_many_others_wait(desk: Desk) -> None:
    """Reviews of tasks that it does not see take no place from those that it does."""
    for number in range(200):
        desk.ask("r1", sampled=True, binds=f"seat {number}")
    desk.world.clock.advance(60)
    desk.world.open("r2", task="route", lock="a" * 64)
    step = desk.world.begin("review refund", "cc", run="r2", step="step", branch="main", tool="refund")
    wanted = desk.world.review(step.seq, run="r2", epoch=0, sampled=True)
    narrow = desk.scene.session("operator", "route", "classify")
    assert [one["review"] for one in (await data(desk.scene, PLACE, narrow))["waiting"]] == [wanted.review]
    assert (await data(desk.scene, f"{PLACE}?task=extract", narrow))["waiting"] == []
    app = desk.scene.app(more=review_endpoints(desk.scene.reviews))
    key = {"authorization": f"Bearer {desk.scene.secret('viewer', 'route')}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=OWN) as client:
        found = (await client.get("/api/reviews", headers=key)).json()["reviews"]
    assert [one["review"] for one in found] == [wanted.review]


async def test_what_one_said_of_a_sample_is_told_nowhere_before_all_have(desk: Desk, tmp_path: Path) -> None:
    """Not on the page of the review that was decided, on the pages of its run, or to whoever decides it once more."""
    path, keeper = tmp_path / "journal.db", BlockingLocalKeeper(desk.world.store)
    room = RunRoom(lambda: RunReader(open_runs_to_read(path), agents.Held(desk.world.bodies)), keeper, desk.scene.clock)
    desk.scene.runs = room
    first = desk.ask("r1", sampled=True, binds="seat 1", roles=("viewer",))
    second = desk.ask("r1", sampled=True, binds="seat 2", roles=("viewer",))
    ana, ben = desk.signed_in("ana"), desk.signed_in("ben")
    assert await decide(desk, first, ana, "reject", reason="the wrong order") == 303
    places = (f"{PLACE}/{first.review}", f"/runs/r1?step={first.of}", "/runs/compare?left=r1&right=r1")
    for place in places:
        for form in ("", "&format=json" if "?" in place else "?format=json"):
            text = (await get(desk.scene, place + form, ben)).text
            assert "wrong order" not in text
            assert "by ana" not in text
            assert '"rejected"' not in text.replace('"otherwise":"rejected"', "")
    mine = (await get(desk.scene, places[0], ana)).text
    assert "the wrong order" in mine
    late = await post(desk.scene, f"{places[0]}/decided", ben, {"choice": "approve", "binds": first.binds})
    assert late.status_code == 303
    assert "by ana" not in (await get(desk.scene, late.headers["location"], ben)).text
    assert await decide(desk, second, ben, "approve") == 303
    for place in places[:2]:
        assert "the wrong order" in (await get(desk.scene, place, ben)).text
    await room.close()


async def test_samples_crowd_out_nothing(desk: Desk) -> None:
    """However many samples nobody has looked at, what a run waits for comes first, and what was decided is told."""
    for number in range(200):
        desk.ask("r1", sampled=True, binds=f"seat {number}")
    desk.world.clock.advance(60)
    wanted = desk.ask("r2")
    page = await data(desk.scene, PLACE)
    assert page["open"]["review"]["review"] == wanted.review
    assert [one["review"] for one in page["waiting"]][:1] == [wanted.review]
    decided = desk.ask("r3")
    assert await decide(desk, decided, desk.scene.session("operator"), "approve") == 303
    assert [one["review"] for one in (await data(desk.scene, PLACE))["decided"]] == [decided.review]


async def test_checks_are_held_against_what_people_say(desk: Desk) -> None:
    """False alarms in runs that people find right, misses in wrong ones, weighed by what they were drawn from; what
    changed a run, and a run of unknown share, tell nothing. Only who sees the task is told.
    """
    ana, book = desk.signed_in("ana"), desk.scene.reviews
    assert book is not None
    looked = (
        ("r1", "approve", 0.1, True, ""),
        ("r2", "approve", 0.5, False, "flag"),
        ("r3", "reject", 0.1, True, ""),
        ("r4", "reject", 0.1, False, "flag"),
        ("r5", "approve", 0.1, False, "fail"),
        ("r6", "approve", 0.0, False, "flag"),
    )
    for run, choice, drawn, passed, action in looked:
        one = desk.ask(run, sampled=True, drawn=drawn, roles=("viewer",), binds=f"of {run}")
        verdict = Checked(desk.world.now, one.of, "in range", passed, "", action)  # type: ignore[arg-type]
        desk.world.told(Note(run, desk.epochs[run], verdict), object)
        assert await decide(desk, one, ana, choice, reason="so") == 303
    found = await book.agreement("extract")
    [check] = found.checks
    assert (found.runs, found.unknown, check.runs, check.changed) == (6, 1, 4, 1)
    assert (check.false_alarms.errors, check.false_alarms.runs) == (1, 2)
    assert check.false_alarms.share == pytest.approx(2 / 12)
    assert (check.misses.errors, check.misses.runs, check.misses.share) == (1, 2, 0.5)
    assert check.misses.low == pytest.approx(0.012579, abs=1e-6)
    assert check.misses.high == pytest.approx(0.987421, abs=1e-6)
    html = (await get(desk.scene, "/review-agreement?task=extract", ana)).text
    assert "1 of 2 (16.7 %" in html
    assert "of 1 it is not known" in html
    narrow = desk.scene.session("viewer", "triage")
    assert (await get(desk.scene, "/review-agreement?task=extract", narrow)).status_code == 404
