"""An alert in a sentence, the same one in the terminal, on pages and in what is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from trimtab.signals.alerts.alert import Alert, Evidence, Measured, WhatChanged

SHOWN_DIGEST: Final = 8
NS: Final = 1_000_000_000
FELL: Final = {
    "falls": "fell",
    "rises": "rose",
    "below": "is below its limit",
    "above": "is above its limit",
    "burns": "burns its error budget",
    "drifts": "changed",
    "changes": "changed",
}
HAPPENED: Final = {
    "records_silent": "no records arrive",
    "replica_down": "is down",
    "replica_restarted": "has restarted",
    "model_changed": "is not the model that was locked",
    "tool_changed": "answers otherwise than it did",
    "evaluation": "passes less often than it did",
}


def sentence(alert: Alert) -> str:
    """What an alert says: whose signal did what, from what to what, since when, and with which change."""
    evidence = alert.evidence
    if evidence.direction == "happens":
        what = HAPPENED.get(alert.signal, alert.signal)
        told = f"{alert.place.value} {what}".strip()
        return f"{told}: {evidence.detail}" if evidence.detail else told
    whose = f"{alert.signal}{f' of {alert.place.field}' if alert.place.field else ''}"
    whose += f" ({evidence.what})" if evidence.what else ""
    told = f"{alert.place.task}{f' at {alert.place.value}' if alert.place.value else ''}: {whose} "
    told += FELL.get(evidence.direction, evidence.direction)
    told += _figures(evidence)
    told += f" since {clock(alert.began_ns)}"
    if evidence.detail:
        told += f"; {evidence.detail}"
    return told + (f" ({cause_text(alert.causes[0])})" if alert.causes else "")


def cause_text(cause: WhatChanged) -> str:
    """A cause in a few words: `prompt 3f2a91c0`, `lock 77aa01bc -> 3f2a91c0`."""
    before, after = short(cause.before), short(cause.after)
    changed = f"{before} -> {after}" if before and after else after or before
    share = f", {cause.share:.0%} of the calls" if cause.share is not None and cause.share < 0.995 else ""
    subject = f" {cause.subject}" if cause.share is None and cause.subject and cause.kind != "lock" else ""
    return f"{cause.kind}{subject} {changed}{share}".strip()


def short(digest: str) -> str:
    """A digest cut to what tells it apart; other names as they are."""
    plain = digest.removeprefix("sha256:")
    is_digest = len(plain) >= 32 and all(letter in "0123456789abcdef" for letter in plain)
    return plain[:SHOWN_DIGEST] if is_digest else digest


def _figures(evidence: Evidence) -> str:
    if evidence.after.value is None:
        return ""
    after = measured_text(evidence.after, evidence.unit)
    if evidence.direction == "burns":
        return f": {after} broke it"
    if evidence.direction in {"below", "above"}:
        limit = f" of {number(evidence.before.value, evidence.unit)}" if evidence.before.value is not None else ""
        return f"{limit}: {after}"
    if evidence.before.value is None:
        return f" at {after}"
    return f" from {number(evidence.before.value, evidence.unit)} to {after}"


def measured_text(found: Measured, unit: str) -> str:
    """A figure with its interval and n: `93.4 % (91.0-95.2, n 412)`."""
    if found.value is None:
        return "unknown"
    told = number(found.value, unit)
    inside = []
    if found.low is not None and found.high is not None:
        inside.append(f"{_bare(found.low, unit)}-{_bare(found.high, unit)}")
    if found.n:
        inside.append(f"n {found.n:,}")
    return f"{told} ({', '.join(inside)})" if inside else told


def number(value: float, unit: str) -> str:
    """A number with its unit, three digits that count."""
    if unit == "share":
        return f"{_bare(value, unit)} %"
    if unit == "s":
        return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"
    return f"{_bare(value, unit)} {unit}".strip()


def _bare(value: float, unit: str) -> str:
    if unit == "share":
        return f"{value * 100:.1f}"
    if unit == "s":
        return f"{value * 1000:.3g}" if value < 1 else f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def clock(at_ns: int) -> str:
    """A time in UTC, to the minute."""
    return f"{datetime.fromtimestamp(at_ns / NS, UTC):%Y-%m-%d %H:%M} UTC"
