"""The forms in which receivers want to be told: a JSON webhook, Slack, PagerDuty, Alertmanager, e-mail.

Model output never stands in them: only figures, names from the declaration, digests and ids of calls do.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Final, NamedTuple

import msgspec

from trimtab.signals.alerts.telling import REMIND_NS
from trimtab.signals.alerts.words import clock
from trimtab.signals.notify.message import BACKGROUND, REVIEW, Message

PAGERDUTY_SUMMARY: Final = 1024
"""Characters that PagerDuty takes of a summary."""
SLACK_TEXT: Final = 3000
"""Characters that Slack takes of a section."""
SLACK_HEADER: Final = 150
SLACK_MARKS: Final = {"page": ":rotating_light:", "ticket": ":warning:"}
MAX_SUBJECT: Final = 160
PAGERDUTY_SEVERITIES: Final = {"page": "critical", "ticket": "warning"}
NS: Final = 1_000_000_000


class Sent(NamedTuple):
    """A request to be made: its JSON body and the headers beside `content-type`."""

    body: bytes
    headers: Mapping[str, str]


def webhook(message: Message, secret: str, now_s: int) -> Sent:
    """The message as it is; signed as the Standard Webhooks specification has it, if there is a secret.

    `webhook-signature` is `v1,` and the base64 of HMAC-SHA-256 over id, time and body, joined by dots; a secret that
    begins with `whsec_` is base64 after that.
    """
    body = msgspec.json.encode(message)
    headers = {"webhook-id": message.id, "webhook-timestamp": str(now_s)}
    if secret:
        signed = b".".join((message.id.encode(), str(now_s).encode(), body))
        mac = hmac.new(_key(secret), signed, hashlib.sha256).digest()
        headers["webhook-signature"] = f"v1,{base64.b64encode(mac).decode('ascii')}"
    return Sent(body, headers)


def _key(secret: str) -> bytes:
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        return secret.encode()


def slack(message: Message) -> Sent:
    """An incoming webhook of Slack: a header, what was found, what changed, and buttons that only lead to pages."""
    mark = ":white_check_mark:" if message.kind == "resolved" else SLACK_MARKS[message.severity]
    found = "\n".join(f"• {_escaped(line)}" for line in message.lines)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(_cut(message.title, SLACK_HEADER))},
        {"type": "section", "text": _marked(f"{mark} {found}")},
    ]
    if message.causes:
        blocks.append(
            {"type": "section", "text": _marked("*What changed*\n" + "\n".join(map(_escaped, message.causes)))}
        )
    if message.calls:
        calls = ", ".join(map(_code, message.calls))
        blocks.append({"type": "section", "text": _marked(f"*Worst calls*\n{calls}")})
    told = f"{message.environment} · owner {message.owner or 'none'} · since {clock(message.began_ns)}"
    blocks.append({"type": "context", "elements": [_marked(_escaped(told))]})
    if message.link:
        button = {"type": "button", "text": _plain(f"Open the {_thing(message)}"), "url": message.link}
        blocks.append({"type": "actions", "elements": [button]})
    return Sent(msgspec.json.encode({"text": _escaped(message.title), "blocks": blocks}), {})


def pagerduty(message: Message, routing_key: str) -> Sent:
    """An event of PagerDuty's Events API v2; all tellings of a group bear the same `dedup_key`."""
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "resolve" if message.kind == "resolved" else "trigger",
        "dedup_key": f"trimtab-{message.group}",
        "payload": {
            "summary": _cut(message.title, PAGERDUTY_SUMMARY),
            "source": f"trimtab {message.environment}",
            "severity": PAGERDUTY_SEVERITIES[message.severity],
            "timestamp": _rfc3339(message.began_ns),
            "component": message.task,
            "group": message.owner,
            "class": message.signal,
            "custom_details": {"found": message.lines, "changed": message.causes, "worst_calls": message.calls},
        },
    }
    if message.link:
        event["links"] = [{"href": message.link, "text": f"The {_thing(message)}"}]
    return Sent(msgspec.json.encode(event), {})


def alertmanager(message: Message, now_s: float) -> Sent:
    """One alert of Alertmanager's API v2 (`POST /api/v2/alerts`); labels tell groups apart, annotations say the rest.

    Alertmanager takes an alert to be over at its `endsAt`, so one that goes on ends twice as far ahead as the next
    reminder is. Other labels make another alert: of one that escalates the ticket ends as the page begins, and with a
    page that is over so does the ticket that it may have been before.
    """
    alert: dict[str, Any] = {
        "labels": {
            "alertname": message.signal,
            "environment": message.environment,
            "task": message.task,
            "owner": message.owner,
            "severity": message.severity,
            "trimtab_alert": message.group,
        },
        "annotations": {
            "summary": message.title,
            "description": "\n".join((*message.lines, *message.causes)),
            "worst_calls": ", ".join(message.calls),
        },
        "startsAt": _rfc3339(message.began_ns),
    }
    ahead_ns = round(now_s * NS) + 2 * REMIND_NS[message.severity]
    alert["endsAt"] = _rfc3339(message.ended_ns or ahead_ns)
    if message.link:
        alert["generatorURL"] = message.link
    alerts = [alert]
    if message.kind == "escalated" or (message.kind == "resolved" and message.severity == "page"):
        before = {**alert["labels"], "severity": "ticket"}
        alerts.append({**alert, "labels": before, "endsAt": _rfc3339(message.ended_ns or round(now_s * NS))})
    return Sent(msgspec.json.encode(alerts), {})


def email(message: Message, sender: str, to: tuple[str, ...], now_s: float) -> EmailMessage:
    """A plain text e-mail; all tellings of a group are one thread."""
    mail = EmailMessage()
    mail["Subject"] = _cut(" ".join(f"[{message.severity}] {message.title}".splitlines()), MAX_SUBJECT)
    mail["From"] = sender
    mail["To"] = ", ".join(to)
    mail["Date"] = format_datetime(datetime.fromtimestamp(now_s, UTC))
    domain = sender.rpartition("@")[2]
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    thread = f"<{message.group}.group@{domain}>"
    mail["References"] = thread
    mail["In-Reply-To"] = thread
    parts = ["\n".join(message.lines)]
    if message.causes:
        parts.append("What changed:\n" + "\n".join(f"  {cause}" for cause in message.causes))
    if message.calls:
        parts.append("Worst calls:\n" + "\n".join(f"  trimtab calls show {call}" for call in message.calls))
    parts.append(f"Environment {message.environment}, task {message.task or '-'}, owner {message.owner or 'none'}.")
    parts.append(message.link or f"trimtab {_thing(message)}s show {message.group}")
    mail.set_content("\n\n".join(parts) + "\n")
    return mail


def _thing(message: Message) -> str:
    return {REVIEW: "review", BACKGROUND: "run"}.get(message.signal, "alert")


def _plain(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


def _marked(text: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": _cut(text, SLACK_TEXT)}


def _code(text: str) -> str:
    return f"`{_escaped(text)}`"


def _escaped(text: str) -> str:
    """Slack's three characters that begin links and mentions."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _rfc3339(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / NS, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
