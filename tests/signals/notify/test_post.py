"""A message reaches the declared address and no other, and what went wrong is told without it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from tests.signals.notify.listening import Mailbox, Receiver, closed_port, http_receiver, mail_receiver
from tests.signals.notify.telling import sent
from trimtab.policy.watch import Address
from trimtab.policy.watch import Receiver as Declared
from trimtab.signals.notify.message import message_of
from trimtab.signals.notify.post import Post, Undelivered

MESSAGE = message_of("m1", sent())
SECRETS = {"KEY": "R" * 32}


@pytest.fixture
def http() -> Iterator[Receiver]:
    with http_receiver() as received:
        yield received


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_receiver() as box:
        yield box


def deliver(kind: str, url: str, **more: object) -> None:
    declared = Declared("oncall", kind, Address(url), **more)  # type: ignore[arg-type]
    post = Post(lambda one: SECRETS[one.text] if one.is_secret else one.text, lambda: 1_767_226_200.0)
    try:
        post.deliver(MESSAGE, declared)
    finally:
        post.close()


def refused(http: Receiver, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Undelivered:
    http.answers = [(status, headers or {}, body)]
    with pytest.raises(Undelivered) as caught:
        deliver("webhook", http.url)
    return caught.value


@pytest.mark.parametrize(
    ("kind", "path"),
    [("webhook", "/hook"), ("slack", "/hook"), ("pagerduty", "/hook"), ("alertmanager", "/hook/api/v2/alerts")],
)
def test_each_kind_posts_json_to_its_address(http: Receiver, kind: str, path: str) -> None:
    """One request, whose body is JSON; Alertmanager's path is added to its address."""
    deliver(kind, f"{http.url}/hook", secret=Address("KEY", is_secret=True))
    ((where, headers, body),) = http.requests
    assert (where, headers["content-type"]) == (path, "application/json")
    assert b"parse_rate fell" in msgspec.json.encode(msgspec.json.decode(body))


def test_a_redirect_is_not_followed(http: Receiver) -> None:
    """Where it leads was not declared."""
    failure = refused(http, 302, {"location": f"{http.url}/elsewhere"})
    assert failure.is_final
    assert [path for path, _, _ in http.requests] == ["/"]


@pytest.mark.parametrize(("status", "is_final"), [(400, True), (404, True), (408, False), (429, False), (503, False)])
def test_a_refusal_that_may_pass_is_tried_again(http: Receiver, status: int, is_final: bool) -> None:
    """A client's mistake stays one; too many requests and a server's failure pass."""
    failure = refused(http, status, body=b"no\nthanks")
    assert (failure.is_final, failure.why) == (is_final, f"HTTP {status}: no thanks")


def test_a_receiver_says_how_long_it_wants_to_be_left_alone(http: Receiver) -> None:
    """`Retry-After` in seconds is kept to, up to an hour."""
    assert refused(http, 429, {"retry-after": "30"}).after_s == 30
    assert refused(http, 429, {"retry-after": "86400"}).after_s == 3600
    assert refused(http, 429, {"retry-after": "soon"}).after_s is None


def test_a_long_refusal_is_cut(http: Receiver) -> None:
    """No more than 200 bytes of it are read."""
    assert len(refused(http, 500, body=b"x" * 100_000).why) == len("HTTP 500: ") + 200


def test_a_failure_does_not_tell_the_address() -> None:
    """The address of a webhook may be its secret."""
    with pytest.raises(Undelivered) as caught:
        deliver("slack", f"http://127.0.0.1:{closed_port()}/services/T0/B0/secret")
    assert (caught.value.why, caught.value.is_final) == ("it cannot be reached", False)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "echo",
    [
        b"Cannot POST /services/T0/B0/sec%2Dret",
        b"no route for /services/T0/B0/sec-ret",
        b"unknown token sec-ret",
        b"bad query token=qu-ery",
        b"bad routing key RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR",
    ],
)
def test_a_refusal_that_tells_the_address_or_the_secret_is_not_told(http: Receiver, echo: bytes) -> None:
    """Many servers answer with the path that was asked for, and with a webhook that is its secret."""
    http.answers = [(404, {}, echo)]
    with pytest.raises(Undelivered) as caught:
        deliver("webhook", f"{http.url}/services/T0/B0/sec%2Dret?token=qu-ery", secret=Address("KEY", is_secret=True))
    assert caught.value.why == "HTTP 404"


def test_a_mail_arrives(mailbox: Mailbox) -> None:
    """Its subject says what happened."""
    deliver("email", mailbox.url, to=("a@example.com",), sender="trimtab@example.com")
    assert "Subject: [page] extract: parse_rate fell" in mailbox.mails[0]


@pytest.mark.parametrize(("answer", "is_final"), [("550 no such user", True), ("450 try later", False)])
def test_refused_recipients_are_told_from_busy_ones(mailbox: Mailbox, answer: str, is_final: bool) -> None:
    """A code from 550 on is final (RFC 5321), one below is not."""
    mailbox.refuse = answer
    with pytest.raises(Undelivered) as caught:
        deliver("email", mailbox.url, to=("a@example.com",), sender="trimtab@example.com")
    assert caught.value.is_final is is_final


@pytest.mark.parametrize(("answer", "is_final"), [("535 wrong password", True), ("454 try later", False)])
def test_a_sign_in_that_may_work_later_is_tried_again(mailbox: Mailbox, answer: str, is_final: bool) -> None:
    """A wrong password stays one; a server that cannot look it up just now says so (RFC 4954)."""
    mailbox.sign_in = answer
    facts = {"to": ("a@example.com",), "sender": "trimtab@example.com", "user": "trimtab"}
    with pytest.raises(Undelivered) as caught:
        deliver("email", mailbox.url, secret=Address("KEY", is_secret=True), **facts)
    assert (caught.value.is_final, caught.value.why) == (is_final, f"SMTP {answer[:3]}: sign-in refused")


def test_a_mail_that_was_taken_is_not_sent_again(mailbox: Mailbox) -> None:
    """Whatever the server says when it is left, it has taken the mail."""
    mailbox.farewell = "421 closing"
    deliver("email", mailbox.url, to=("a@example.com",), sender="trimtab@example.com")
    assert len(mailbox.mails) == 1
