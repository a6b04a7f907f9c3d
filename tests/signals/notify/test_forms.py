"""What is told has the form that its receiver documents."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import msgspec
import pytest

from tests.signals.notify.telling import AT_NS, WORDS, alert, cause, sent
from trimtab.signals.notify import forms
from trimtab.signals.notify.message import Message, message_of

NOW_S = 1_767_226_200
"""2026-01-01 00:10 UTC."""


def message(kind: str = "opened", **changed: object) -> Message:
    return message_of("m1", sent(kind, alert(**changed)))  # type: ignore[arg-type]


def read(made: forms.Sent) -> Any:
    return msgspec.json.decode(made.body)


def test_a_message_gathers_what_the_alerts_of_a_group_have() -> None:
    """Lines, causes and calls are those of all alerts, each once; the group began with the first of them."""
    told = message_of("m1", sent("opened", alert(), alert("a2", "second", began_ns=AT_NS - 5, worst=("c2", "c3"))))
    assert (told.lines, told.calls, told.began_ns) == ((WORDS, "second"), ("c1", "c2", "c3"), AT_NS - 5)
    assert told.causes == ("prompt aaaaaaaa -> bbbbbbbb, 2026-01-01 00:04 UTC",)


def test_of_many_alerts_ten_are_spelt_out() -> None:
    """Of the rest it is said how many there are."""
    told = message_of("m1", sent("opened", *(alert(f"a{one}", f"line {one}") for one in range(13))))
    assert told.lines[9:] == ("line 9", "and 3 more")


@pytest.mark.parametrize(
    ("kind", "lead"), [("opened", ""), ("resolved", "Resolved: "), ("reminder", "Still open: "), ("test", "Test: ")]
)
def test_a_title_says_what_kind_of_news_it_is(kind: str, lead: str) -> None:
    """The first words tell whether something began, goes on or is over."""
    assert message(kind).title == lead + WORDS


def test_a_telling_without_an_alert_is_refused() -> None:
    """There is nothing to say of it."""
    with pytest.raises(ValueError, match="without an alert"):
        message_of("m1", msgspec.structs.replace(sent(), alerts=()))


def test_a_webhook_is_signed_as_standard_webhooks_are() -> None:
    """The signature is HMAC-SHA-256 over id, time and body with the decoded secret, in base64 behind `v1,`."""
    key = b"a key of some length"
    made = forms.webhook(message(), "whsec_" + base64.b64encode(key).decode(), NOW_S)
    mac = hmac.new(key, b"m1.1767226200." + made.body, hashlib.sha256).digest()
    assert dict(made.headers) == {
        "webhook-id": "m1",
        "webhook-timestamp": "1767226200",
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }
    assert read(made)["title"] == WORDS


def test_a_webhook_without_secret_is_not_signed() -> None:
    """There is no signature that anybody could forge."""
    assert "webhook-signature" not in forms.webhook(message(), "", NOW_S).headers


def test_pagerduty_gets_one_incident_for_a_group() -> None:
    """Opening triggers, resolving resolves, both under the same key; a ticket is a warning."""
    opened, resolved = (read(forms.pagerduty(message(kind), "R" * 32)) for kind in ("opened", "resolved"))
    assert (opened["event_action"], resolved["event_action"]) == ("trigger", "resolve")
    assert opened["dedup_key"] == resolved["dedup_key"] == "trimtab-a1"
    assert opened["routing_key"] == "R" * 32
    payload = opened["payload"]
    assert (payload["severity"], payload["timestamp"]) == ("critical", "2026-01-01T00:05:00.000Z")
    assert read(forms.pagerduty(message(severity="ticket"), "R"))["payload"]["severity"] == "warning"
    assert opened["links"] == [{"href": "https://console.example/alerts/a1", "text": "The alert"}]


def test_pagerdutys_summary_keeps_to_its_bound() -> None:
    """A summary has 1,024 characters at most."""
    assert len(read(forms.pagerduty(message(words="x" * 5000), "R"))["payload"]["summary"]) == 1024


def test_slack_reads_no_link_or_mention_in_what_is_told() -> None:
    """The three characters that begin them are escaped, as Slack's documentation has it."""
    told = forms.slack(message(words="<!channel> & <https://evil.example|click>", causes=(cause("<@U1>"),)))
    marked = [block["text"]["text"] for block in read(told)["blocks"] if block.get("text", {}).get("type") == "mrkdwn"]
    assert len(marked) == 3
    assert not any("<" in text for text in marked)
    assert read(told)["text"] == "&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;"


def test_slacks_blocks_keep_to_their_bounds() -> None:
    """A header has 150 characters at most, a section 3,000."""
    blocks = read(forms.slack(message(words="x" * 5000)))["blocks"]
    assert len(blocks[0]["text"]["text"]) == 150
    assert len(blocks[1]["text"]["text"]) == 3000


def test_alertmanager_takes_an_alert_to_go_on_until_well_after_the_next_reminder() -> None:
    """A page is reminded of after 4 hours, so that it ends 8 hours from now unless it is over."""
    (firing,) = read(forms.alertmanager(message(), NOW_S))
    assert (firing["startsAt"], firing["endsAt"]) == ("2026-01-01T00:05:00.000Z", "2026-01-01T08:10:00.000Z")
    over, _ = read(forms.alertmanager(message("resolved", ended_ns=AT_NS + 60_000_000_000), NOW_S))
    assert over["endsAt"] == "2026-01-01T00:06:00.000Z"
    assert over["labels"] == firing["labels"]


def test_alertmanager_ends_the_ticket_that_became_a_page() -> None:
    """Another severity is another label, and so another alert: nothing else would end the first one for two days."""
    page, ticket = read(forms.alertmanager(message("escalated"), NOW_S))
    assert (page["labels"]["severity"], page["endsAt"]) == ("page", "2026-01-01T08:10:00.000Z")
    assert (ticket["labels"], ticket["endsAt"]) == (page["labels"] | {"severity": "ticket"}, "2026-01-01T00:10:00.000Z")


def test_alertmanager_ends_the_ticket_where_only_that_was_told() -> None:
    """Whoever takes tickets alone was not told that it became a page: with the page the ticket is over too."""
    page, ticket = read(forms.alertmanager(message("resolved", ended_ns=AT_NS + 60_000_000_000), NOW_S))
    assert ticket == page | {"labels": page["labels"] | {"severity": "ticket"}}


def test_all_tellings_of_a_group_bear_the_labels_of_the_alert_that_leads_it() -> None:
    """Though that one be over and another be told of: else Alertmanager would take it for another alert."""
    leader, other = alert(), alert("a2", task="route", owner="mail", signal="refusal_rate", severity="ticket")
    opened = message_of("m1", sent("opened", leader, other))
    later = message_of("m2", msgspec.structs.replace(sent("reminder", other), leader=leader, severity="page"))
    labels = [read(forms.alertmanager(one, NOW_S))[0]["labels"] for one in (opened, later)]
    assert labels[0] == labels[1]
    assert labels[0]["task"] == "extract"


def test_mails_of_a_group_are_one_thread() -> None:
    """Each has an id of its own, and all refer to the same one."""
    opened = forms.email(message(), "trimtab@example.com", ("a@example.com", "b@example.com"), NOW_S)
    resolved = forms.email(
        message_of("m2", sent("resolved")), "trimtab@example.com", ("a@example.com", "b@example.com"), NOW_S
    )
    assert opened["In-Reply-To"] == resolved["In-Reply-To"] == "<a1.group@example.com>"
    assert opened["Message-ID"] != resolved["Message-ID"]
    assert opened["To"] == "a@example.com, b@example.com"
    assert "trimtab calls show c1" in opened.get_content()


@pytest.mark.parametrize("end", ["\r\n", "\n", "\x0b", "\x0c", "\x1e", "\x85", "\u2028", "\u2029"])
def test_a_line_break_does_not_end_a_mails_subject(end: str) -> None:
    """What stands in an alert's words, such as a tool's name, makes no header of its own, and leaves no mail unsent."""
    mail = forms.email(message(words=f"one{end}Bcc: all@example.com"), "trimtab@example.com", ("a@example.com",), NOW_S)
    assert mail["Bcc"] is None
    assert mail["Subject"] == "[page] one Bcc: all@example.com"
