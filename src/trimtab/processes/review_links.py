"""Links that decide a review without a sign-in: signed, for one receiver, for one review, for a time.

A link holds the review's id, the receiver's name, an expiry and an HMAC under a key of this installation; the HMAC is
over the review's binding too. It is made when a message leaves and kept nowhere. Another key revokes all of them.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from trimtab.clock import Clock
from trimtab.console.review_desk import Linked, LinkRefused, ReviewDesk
from trimtab.declare.reviewing import ReviewRule
from trimtab.journal.asks import Review
from trimtab.journal.deciding import LINK, Choice, Said
from trimtab.journal.refusals import JournalRefusal, ReviewUnknown
from trimtab.policy.watch import Watch
from trimtab.processes.installed_key import keep_key

LONGEST_S: Final = 7 * 86_400
MOST_TOKEN: Final = 1024
NS: Final = 1_000_000_000
PATH: Final = "/decide/"


class LinkTo(Struct, frozen=True):
    """What a link leads to, as it waits in the outbox: no secret."""

    review: str
    binds: str
    until_s: int


class _Told(Struct, frozen=True, array_like=True):
    review: str
    receiver: str
    until_s: int


def link_to(review: Review) -> LinkTo:
    """The link of a review: until it expires by itself, at most a week after it was asked."""
    until_ns = review.asked_ns + LONGEST_S * NS
    return LinkTo(review.review, review.binds, min(until_ns, review.expires_ns or until_ns) // NS)


def allowed(watch: Watch, task: str, tool: str) -> bool:
    """Whether rules of a task let links decide about a tool: each that may be about it must say so."""
    of = watch.tasks.get(task)
    rules = [rule for rule in of.reviews if is_about(rule, tool)] if of is not None else []
    return bool(rules) and all(rule.links for rule in rules)


def is_about(rule: ReviewRule, tool: str) -> bool:
    """Whether a rule may be about a tool."""
    return not rule.tools or tool in rule.tools


def token_of(key: bytes, link: LinkTo, receiver: str) -> str:
    """The secret part of a link."""
    told = msgspec.json.encode(_Told(link.review, receiver, link.until_s))
    return f"{_text(told)}.{_text(_mac(key, told, link.binds))}"


class ReviewLinks:
    """Makes links, and does what is decided by them; `key` is where the key of this installation lies."""

    def __init__(self, key: Path, desk: ReviewDesk, watch: Callable[[], Watch], clock: Clock) -> None:
        self._key = key
        self._desk = desk
        self._watch = watch
        self._clock = clock

    def __repr__(self) -> str:
        return f"ReviewLinks({self._desk!r})"

    async def opened(self, token: str) -> Linked:
        """What a link leads to. Raises `LinkRefused` for one that does not hold (any more), alike for all reasons."""
        told, mac = _read(token)
        try:
            shown = await self._desk.shown(told.review)
        except ReviewUnknown:
            raise LinkRefused from None
        review, key = shown.review, keep_key(self._key)
        expected = _mac(key, msgspec.json.encode(told), review.binds)
        holds = hmac.compare_digest(expected, mac) and told.until_s * NS > self._clock.wall_ns()
        receivers = self._watch().alerting.receivers
        if not holds or review.sampled or told.receiver not in receivers:
            raise LinkRefused
        if not allowed(self._watch(), review.task, review.tool):
            raise LinkRefused
        return Linked(shown, told.receiver, _text(_mac(key, mac, "form")))

    async def decide(self, token: str, choice: Choice, reason: str, form: str) -> Linked:
        """Decides, once; what was decided before is shown. Raises `LinkRefused` and `JournalRefusal`."""
        link = await self.opened(token)
        review = link.shown.review
        if choice == "edit" or not hmac.compare_digest(form.encode(), link.form.encode()):
            raise LinkRefused
        if review.verdict is None:
            said = Said(choice, f"link to {link.receiver}", LINK, review.binds, reason)
            try:
                await self._desk.decide(review.review, said)
            except JournalRefusal:
                if (await self._desk.shown(review.review)).review.verdict is None:
                    raise
        return await self.opened(token)


def _read(token: str) -> tuple[_Told, bytes]:
    told, _, mac = token.partition(".")
    if len(token) > MOST_TOKEN or not told or not mac:
        raise LinkRefused
    try:
        return msgspec.json.decode(_bytes(told), type=_Told), _bytes(mac)
    except (ValueError, msgspec.MsgspecError):
        raise LinkRefused from None


def _mac(key: bytes, told: bytes, binds: str) -> bytes:
    content = b"trimtab/review-link/1\n%d\n" % len(told) + told + binds.encode()
    return hmac.new(key, content, hashlib.sha256).digest()


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
