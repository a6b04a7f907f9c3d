"""The page of reviews: what waits and its keys, decisions that count once, edits, roles, and what samples hide."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.console.asking import data, get, post
from tests.console.conftest import COOKIE, Scene
from tests.console.seeding import HOSTILE, policy
from tests.journal_runs.world import World
from trimtab.journal.asks import AskReview, Note, Review, Reviews
from trimtab.journal.client import LocalKeeper
from trimtab.journal.entries import Asked, Checked, body_of
from trimtab.journal.proposals import Background, context_of
from trimtab.journal.runs.database import open_runs
from trimtab.processes.review_book import ReviewBook

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

    def ask(self, run: str, *, sampled: bool = False, binds: str = "b1", **facts: object) -> Review:
        """A run of the task `extract` asks a person."""
        if run not in self.epochs:
            self.epochs[run] = self.world.open(run, task="extract", lock="a" * 64).epoch
            self.step = self.world.begin("review refund", "cc", run=run, step="step", branch="main", tool="refund").seq
        asked = Asked(self.world.now, "", self.step, binds, "over 100 USD", sampled)
        proposed = body_of(b'{"amount_usd":900}')
        ask = AskReview(run, self.epochs[run], asked, proposed, context_of(BACKGROUND), **facts)  # type: ignore[arg-type]
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
    desk.lock = "a" * 64
    assert "is in force now" not in (await get(desk.scene, f"{PLACE}/{review.review}")).text


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
    assert [(one.check, one.runs, one.wrong, one.missed) for one in found.checks] == [("judge", 1, 1, 1)]
