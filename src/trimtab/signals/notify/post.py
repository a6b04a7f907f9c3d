"""Brings a message to a receiver over HTTP or SMTP: one try, bounded in time, to the declared address and no further.

Blocks; `post` may be used from several threads. What went wrong is told without the address, which may be secret.
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError

from trimtab.policy.watch import Address, Receiver
from trimtab.signals.notify import forms
from trimtab.signals.notify.message import Message

CONNECT_S: Final = 5.0
ANSWER_S: Final = 15.0
SHOWN_ANSWER: Final = 200
"""Bytes of a refusal that are read and told."""
SHORTEST_PIECE: Final = 4
"""Characters of a part of an address that an answer may not hold; shorter ones are no secrets."""
AGAIN: Final = frozenset({408, 425, 429})
"""Refusals of a client's that may pass when they are sent again."""
HTTP_OK: Final = range(200, 300)
PAGERDUTY_URL: Final = "https://events.pagerduty.com/v2/enqueue"

Reveal = Callable[[Address], str]
"""The text of an address: as it stands, or read from where it lies; raises `SecretMissing`."""


class Undelivered(Exception):
    """A try failed. `is_final`: another would fail too; `after_s`: how long the receiver asks to be left alone."""

    def __init__(self, why: str, *, is_final: bool = False, after_s: float | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.is_final = is_final
        self.after_s = after_s


class Post:
    """Delivers messages. `reveal` gives addresses and secrets, `now_s` the time in seconds since 1970."""

    def __init__(self, reveal: Reveal, now_s: Callable[[], float], tls: ssl.SSLContext | None = None) -> None:
        """`tls` is for receivers under `https`, `smtps` and `smtp` with STARTTLS; without it the system's trust."""
        self._reveal = reveal
        self._now_s = now_s
        self._tls = tls or ssl.create_default_context()
        timeout = urllib3.Timeout(connect=CONNECT_S, read=ANSWER_S)
        self._pool = urllib3.PoolManager(num_pools=8, maxsize=2, timeout=timeout, retries=False, ssl_context=self._tls)

    def deliver(self, message: Message, receiver: Receiver) -> None:
        """Tries once; raises `Undelivered`, or `SecretMissing` where the address or secret cannot be read."""
        url = self._reveal(receiver.url) if receiver.url else PAGERDUTY_URL
        secret = self._reveal(receiver.secret) if receiver.secret else ""
        match receiver.kind:
            case "email":
                mail = forms.email(message, receiver.sender, receiver.to, self._now_s())
                self._mail(url, mail, receiver.user, secret)
            case "webhook":
                self._send(url, forms.webhook(message, secret, int(self._now_s())), secret)
            case "slack":
                self._send(url, forms.slack(message))
            case "pagerduty":
                self._send(url, forms.pagerduty(message, secret), secret)
            case "alertmanager":
                base = url.rstrip("/").removesuffix("/api/v2/alerts")
                self._send(f"{base}/api/v2/alerts", forms.alertmanager(message, self._now_s()))

    def close(self) -> None:
        """Lets go of kept connections."""
        self._pool.clear()

    def _send(self, url: str, sent: forms.Sent, secret: str = "") -> None:
        headers = {"content-type": "application/json", "user-agent": "trimtab", **sent.headers}
        try:
            answer = self._pool.request(
                "POST", url, body=sent.body, headers=headers, redirect=False, preload_content=False
            )
            try:
                told = answer.read(SHOWN_ANSWER)
            finally:
                answer.close()
        except LocationParseError:
            raise Undelivered("its URL is none", is_final=True) from None
        except (HTTPError, OSError) as failure:
            raise Undelivered(_kind_of(failure)) from None
        if answer.status in HTTP_OK:
            return
        detail = f"HTTP {answer.status}"
        words = " ".join(told.decode("utf-8", "replace").split())
        is_final = answer.status < 500 and answer.status not in AGAIN
        raise Undelivered(
            f"{detail}: {words}" if words.isprintable() and words and not _tells(words, url, secret) else detail,
            is_final=is_final,
            after_s=_seconds(answer.headers.get("retry-after")),
        )

    def _mail(self, url: str, mail: EmailMessage, user: str, password: str) -> None:
        parts = urlsplit(url)
        try:
            server = self._server(parts.scheme, parts.hostname or "localhost", parts.port)
            try:
                if user:
                    server.login(user, password)
                server.send_message(mail)
                with contextlib.suppress(smtplib.SMTPException, OSError):
                    server.quit()  # whatever it says to that, it has taken the message
            finally:
                server.close()
        except smtplib.SMTPAuthenticationError as failure:
            is_final = failure.smtp_code >= 500
            raise Undelivered(f"SMTP {failure.smtp_code}: sign-in refused", is_final=is_final) from None
        except smtplib.SMTPRecipientsRefused as failure:
            codes = sorted({code for code, _ in failure.recipients.values()})
            is_final = all(code >= 550 for code in codes)
            raise Undelivered(f"SMTP {codes[0]}: recipients refused", is_final=is_final) from None
        except smtplib.SMTPResponseException as failure:
            raise Undelivered(f"SMTP {failure.smtp_code}", is_final=failure.smtp_code >= 550) from None
        except (smtplib.SMTPException, OSError) as failure:
            raise Undelivered(_kind_of(failure)) from None

    def _server(self, scheme: str, host: str, port: int | None) -> smtplib.SMTP:
        """A server to which what is sent is encrypted, unless it is on this machine."""
        if scheme == "smtps":
            return smtplib.SMTP_SSL(host, port or 465, timeout=ANSWER_S, context=self._tls)
        server = smtplib.SMTP(host, port or 587, timeout=ANSWER_S)
        if host not in {"localhost", "127.0.0.1", "::1"}:
            server.starttls(context=self._tls)
        return server


def _tells(words: str, url: str, secret: str) -> bool:
    """Whether an answer holds a part of the address that was asked, or the secret: many servers say the path again."""
    parts = urlsplit(url)
    pieces = re.split("[/?&=;@:]", f"{parts.path}?{parts.query}") + re.split("[@:]", parts.netloc.rpartition("@")[0])
    held = {one for piece in (*pieces, secret) for one in (piece, unquote(piece)) if len(one) >= SHORTEST_PIECE}
    return any(one in text for one in held for text in (words, unquote(words)))


def _kind_of(failure: Exception) -> str:
    """What kind of failure it was; its own text may hold the address."""
    is_refused = isinstance(failure, urllib3.exceptions.NewConnectionError)
    if isinstance(failure, TimeoutError | urllib3.exceptions.TimeoutError) and not is_refused:
        return "it does not answer in time"
    if isinstance(failure, ssl.SSLError | urllib3.exceptions.SSLError):
        return "its certificate is not trusted, or it does not speak TLS"
    if isinstance(failure, urllib3.exceptions.NameResolutionError):
        return "its host has no address"
    return "it cannot be reached"


def _seconds(header: str | None) -> float | None:
    if header is None or not header.isascii() or not header.isdigit():
        return None
    return float(min(int(header[:9]), 3600))
