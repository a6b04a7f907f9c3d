"""Signed links: opening one decides nothing, its form decides once, and what changed or was revoked refuses it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.console.asking import get, post
from tests.console.conftest import Scene
from tests.console.test_reviews import Desk
from tests.journal_runs.world import World
from trimtab.declare.alerting import Address, Alerting, Receiver
from trimtab.declare.reviewing import ReviewRule
from trimtab.journal.asks import FindReviews, Review, Reviews
from trimtab.journal.runs.database import open_runs
from trimtab.policy.watch import TaskWatch, Watch
from trimtab.processes.deliver import read
from trimtab.processes.installed_key import keep_key, renew_key
from trimtab.processes.review_links import LinkTo, ReviewLinks, allowed, link_to, token_of
from trimtab.processes.review_watch import letters_of

WEBHOOK = Receiver("support", "webhook", Address("https://example.org/hook"))
RULE = ReviewRule(tools=("refund",), roles=("admin",), receivers=("support",), links=True)
HOUR_S = 3600.0
NOBODY = "nobody=1"
"""The cookies of somebody who is not signed in."""


def watching(*rules: ReviewRule, receivers: tuple[Receiver, ...] = (WEBHOOK,)) -> Watch:
    """What is declared: the task `extract` with these rules."""
    alerting = Alerting(receivers={one.name: one for one in receivers}, console_url="https://console.example.org")
    return Watch(alerting=alerting, tasks={"extract": TaskWatch(reviews=rules)})


class Linking(Desk):
    """A console whose reviews can be decided by links."""

    def __init__(self, scene: Scene, world: World, key: Path) -> None:
        super().__init__(scene, world)
        self.key = key
        self.watch = watching(RULE)
        assert scene.reviews is not None
        scene.links = ReviewLinks(key, scene.reviews, lambda: self.watch, scene.clock)

    def link(self, review: Review, receiver: str = "support") -> str:
        """The path of the link that a receiver is sent."""
        return f"/decide/{token_of(keep_key(self.key), link_to(review), receiver)}"

    def verdict(self, review: Review) -> tuple[str | None, str]:
        """How a review stands."""
        (found,) = self.world.told(FindReviews(review=review.review), Reviews).reviews
        return found.verdict, found.by


@pytest.fixture
def desk(scene: Scene, tmp_path: Path) -> Linking:
    """A journal behind the console, and a key for links."""
    return Linking(scene, World(lambda: open_runs(tmp_path / "journal.db")), tmp_path / "links.key")


async def form_at(desk: Linking, path: str) -> str:
    """The field that the page's form brings along."""
    found = re.search(r'name="form" value="([^"]+)"', (await get(desk.scene, path, NOBODY)).text)
    assert found is not None
    return found[1]


async def test_opening_a_link_decides_nothing_and_its_form_decides_once(desk: Linking) -> None:
    """It shows what will happen; the decision bears the receiver's name, and a second one changes nothing."""
    review = desk.ask("r1")
    path = desk.link(review)
    for _ in range(3):
        answer = await get(desk.scene, path, NOBODY)
        assert answer.status_code == 200 and "amount_usd" in answer.text and "refund" in answer.text
    assert desk.verdict(review) == (None, "")
    form = await form_at(desk, path)
    assert (await post(desk.scene, path, NOBODY, {"choice": "approve"}, form=form)).status_code == 303
    assert desk.verdict(review) == ("approved", "link to support")
    again = await post(desk.scene, path, NOBODY, {"choice": "reject", "reason": "no"}, form=form)
    assert again.status_code == 303
    assert desk.verdict(review) == ("approved", "link to support")
    shown = (await get(desk.scene, path, NOBODY)).text
    assert "approved by link to support" in shown and "<form" not in shown.partition("<h1>")[2]


async def test_a_form_that_no_page_gave_decides_nothing(desk: Linking) -> None:
    """Without the page's field, with another link's, and for an edit, nothing is decided."""
    review, other = desk.ask("r1"), desk.ask("r2", binds="b2")
    path = desk.link(review)
    form = await form_at(desk, desk.link(other))
    for given in ("", form):
        assert (await post(desk.scene, path, NOBODY, {"choice": "approve"}, form=given)).status_code == 404
    mine = await form_at(desk, path)
    assert (await post(desk.scene, path, NOBODY, {"choice": "edit", "arguments": "{}"}, form=mine)).status_code == 400
    assert (await post(desk.scene, path, NOBODY, {"choice": "reject"}, form=mine)).status_code == 400
    assert desk.verdict(review) == (None, "")


async def test_a_link_that_was_changed_revoked_or_is_late_opens_nothing(desk: Linking) -> None:
    """Another review, receiver, expiry or signature, another key, another rule, and a time that is over."""
    review, other = desk.ask("r1"), desk.ask("r2", binds="b2")
    key, link = keep_key(desk.key), link_to(review)
    good = desk.link(review)
    bad = [
        token_of(key, LinkTo(other.review, review.binds, link.until_s), "support"),
        token_of(key, LinkTo(review.review, "b2", link.until_s), "support"),
        token_of(b"k" * 32, link, "support"),
        token_of(key, link, "nobody"),
        token_of(key, LinkTo(review.review, review.binds, 1), "support"),
        good.removeprefix("/decide/")[:-2] + "AA",
        good.removeprefix("/decide/").partition(".")[0]
        + "."
        + token_of(key, link_to(other), "support").partition(".")[2],
    ]
    for token in bad:
        assert (await get(desk.scene, f"/decide/{token}", NOBODY)).status_code == 404, token
    assert (await get(desk.scene, good, NOBODY)).status_code == 200
    desk.watch = watching()
    assert (await get(desk.scene, good, NOBODY)).status_code == 404
    desk.watch = watching(RULE, receivers=())
    assert (await get(desk.scene, good, NOBODY)).status_code == 404
    desk.watch = watching(RULE)
    renew_key(desk.key)
    assert (await get(desk.scene, good, NOBODY)).status_code == 404
    fresh = desk.link(review)
    assert (await get(desk.scene, fresh, NOBODY)).status_code == 200
    desk.scene.clock.advance(8 * 24 * HOUR_S)
    assert (await get(desk.scene, fresh, NOBODY)).status_code == 404
    assert desk.verdict(review) == (None, "")


async def test_a_link_of_no_review_opens_nothing(desk: Linking) -> None:
    """A token that names no review at all is refused like any other, also where nobody was ever asked."""
    nameless = token_of(b"k" * 32, LinkTo("", "", 9_999_999_999), "support")
    assert (await get(desk.scene, f"/decide/{nameless}", NOBODY)).status_code == 404


async def test_a_link_of_a_superseded_review_only_shows_it(desk: Linking) -> None:
    """Where the arguments changed the run asks anew: what the old link is for is over."""
    review = desk.ask("r1")
    path = desk.link(review)
    form = await form_at(desk, path)
    newer = desk.ask("r1", binds="b9")
    await post(desk.scene, path, NOBODY, {"choice": "approve"}, form=form)
    assert desk.verdict(review)[0] == "superseded"
    assert desk.verdict(newer) == (None, "")


def test_links_are_only_where_every_rule_says_so() -> None:
    """One rule that may be about the tool and takes no links is enough for none; so is no rule at all."""
    plain = ReviewRule(tools=("refund",))
    assert allowed(watching(RULE), "extract", "refund")
    assert not allowed(watching(RULE, plain), "extract", "refund")
    assert not allowed(watching(RULE, ReviewRule()), "extract", "refund")
    assert allowed(watching(RULE, ReviewRule(tools=("other",))), "extract", "refund")
    assert not allowed(watching(RULE), "extract", "other")
    assert not allowed(watching(RULE), "unknown", "refund")


def test_the_outbox_holds_no_link_and_the_message_that_leaves_does(desk: Linking) -> None:
    """What lies there names the review; the address is made for the receiver as it leaves, or asks to sign in."""
    review = desk.ask("r1")
    (letter,) = letters_of(review, desk.watch)
    key = keep_key(desk.key)
    token = token_of(key, link_to(review), "support")
    assert token.encode() not in letter.body and b"/decide/" not in letter.body
    message = read(letter, lambda link, receiver: f"https://c/decide/{token_of(key, link, receiver)}")
    assert message.link == f"https://c/decide/{token}"
    assert read(letter).link == f"https://console.example.org/reviews/{review.review}"
    assert read(letter, lambda link, receiver: "").link == f"https://console.example.org/reviews/{review.review}"
    (plain,) = letters_of(review, watching(ReviewRule(tools=("refund",), receivers=("support",))))
    assert json.loads(plain.body)["link"] is None


def test_the_key_is_its_owners_alone(tmp_path: Path) -> None:
    """It is made once, and another one takes its place when links are revoked."""
    path = tmp_path / "links.key"
    first = keep_key(path)
    assert (len(first), path.stat().st_mode & 0o777, keep_key(path)) == (32, 0o600, first)
    renew_key(path)
    assert keep_key(path) != first
