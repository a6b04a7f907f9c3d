"""What tests tell of: an alert on the parse rate, as it lies in the outbox."""

from __future__ import annotations

from trimtab.signals.alerts.alert import Evidence, Measured
from trimtab.signals.alerts.shown import AlertShown, Cause, Sent

AT_NS = 1_767_225_900_000_000_000
"""2026-01-01 00:05 UTC."""
WORDS = "extract: parse_rate fell from 99.1 % to 93.4 % (91.0-95.2, n 412) since 2026-01-01 00:05 UTC"


def cause(words: str = "") -> Cause:
    return Cause(
        "prompt", "extract", AT_NS - 60_000_000_000, "a" * 64, "b" * 64, words, 1.0, "prompt aaaaaaaa -> bbbbbbbb"
    )


def alert(name: str = "a1", words: str = WORDS, **changed: object) -> AlertShown:
    facts: dict[str, object] = {
        "id": name,
        "words": words,
        "task": "extract",
        "rule": "parse",
        "signal": "parse_rate",
        "value": "",
        "field": "",
        "severity": "page",
        "state": "open",
        "group": "a1",
        "owner": "documents",
        "models": ("small",),
        "began_ns": AT_NS,
        "found_ns": AT_NS,
        "opened_ns": AT_NS,
        "changed_ns": AT_NS,
        "ended_ns": 0,
        "evidence": Evidence("falls", "share", "", Measured(0.991), Measured(0.934, 412, 0.91, 0.952)),
        "causes": (cause(),),
        "worst": ("c1", "c2"),
        "by": "",
        "why": "",
        "reopened": 0,
        "receivers": ("oncall",),
        "link": "https://console.example/alerts/a1",
    }
    return AlertShown(**(facts | changed))  # type: ignore[arg-type]


def sent(kind: str = "opened", *alerts: AlertShown) -> Sent:
    told = alerts or (alert(),)
    return Sent(kind, "a1", "production", told[0].severity, told[0].words, told[0].link, told)
