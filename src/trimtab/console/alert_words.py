"""Alerts in a few words, for tables and pages: what was found, from what to what, and what speaks for it."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from markupsafe import Markup

from trimtab.console import format as written
from trimtab.console.marks import Kind, mark
from trimtab.console.page import Asked
from trimtab.console.tables import Value
from trimtab.console.text import short, wrapped
from trimtab.signals.alerts.alert import Measured
from trimtab.signals.alerts.shown import AlertShown, Cause
from trimtab.signals.alerts.words import FELL, HAPPENED, measured_text, number

LEARNED: Final = "what was learned for this hour and weekday"
BY: Final = (
    "Each minute brings evidence for or against a change; it adds up over all minutes at which one may have begun"
)
TESTS: Final = {
    "below": "a sequential test against the declared limit, exact however often it is looked at",
    "above": "a sequential test against the declared limit, exact however often it is looked at",
    "falls": f"a sequential test (Shiryaev-Roberts) against {LEARNED}",
    "rises": f"a sequential test (Shiryaev-Roberts) against {LEARNED}",
    "changes": f"a sequential test (Shiryaev-Roberts), both ways, against {LEARNED}",
    "drifts": f"a sequential test (Shiryaev-Roberts) over all categories, or the whole distribution, against {LEARNED}",
    "burns": "how fast the error budget goes over a long and a short window, by the lower end of an interval",
    "happens": "it is so or it is not: nothing is estimated",
}
"""How each comparison decides."""
STATES: Final[dict[str, Kind]] = {"open": "bad", "pending": "idle", "acknowledged": "ask", "resolved": "good"}
MOST_ODDS: Final = 1e12


def headline(alert: AlertShown) -> str:
    """What was found, without its figures: `parse rate fell`, `predictions of answer/kind (invoice) changed`."""
    evidence = alert.evidence
    if evidence.direction == "happens":
        what = HAPPENED.get(alert.signal, alert.signal.replace("_", " "))
        told = f"{alert.value} {what}".strip()
        return f"{told}: {short(evidence.detail, 80)}" if evidence.detail else told
    whose = alert.signal.replace("_", " ") + (f" of {alert.field}" if alert.field else "")
    whose += f" ({evidence.what})" if evidence.what else ""
    whose += f" at {alert.value}" if alert.value else ""
    return f"{whose} {FELL.get(evidence.direction, evidence.direction)}"


def brief(alert: AlertShown) -> str:
    """The same with task, figures and likeliest cause: `extract: parse rate fell, 99.1 % to 93.4 % (prompt 3f2a)`."""
    evidence, told = alert.evidence, headline(alert)
    if evidence.after.value is not None:
        after = number(evidence.after.value, evidence.unit)
        is_from = evidence.before.value is not None and evidence.direction not in ("burns", "below", "above")
        told += f", {number(evidence.before.value or 0.0, evidence.unit)} to {after}" if is_from else f": {after}"
    cause = f" ({first_cause(alert)})" if alert.causes else ""
    return f"{alert.task}: {told}{cause}" if alert.task else f"{told}{cause}"


def severity_mark(alert: AlertShown) -> Markup:
    """Whether it wakes somebody."""
    return mark("bad" if alert.severity == "page" else "warn", alert.severity)


def state_mark(alert: AlertShown) -> Markup:
    """Where it is in its life, and whether people hear of it."""
    told = mark(STATES.get(alert.state, "idle"), alert.state)
    return Markup('{} <span class="hint">(silenced)</span>').format(told) if alert.muted else told


def figure_value(found: Measured) -> Value:
    """A figure for CSV and JSON."""
    return {"value": found.value, "low": found.low, "high": found.high, "n": found.n}


def figure_text(found: Measured, unit: str) -> Markup | str:
    """A figure with its interval and n; nothing where there is none."""
    if found.value is None:
        return Markup('<span class="none">{}</span>').format(written.NOTHING)
    told, bracket, inside = measured_text(found, unit).partition(" (")
    return Markup('{} <span class="ci">({}</span>').format(told, inside) if bracket else told


def plain_text(found: Measured, unit: str) -> Markup | str:
    """A figure without its interval and n, which are on hover."""
    if found.value is None:
        return figure_text(found, unit)
    return Markup('<span title="{}">{}</span>').format(measured_text(found, unit), number(found.value, unit))


def first_cause(alert: AlertShown) -> str:
    """The likeliest of what changed."""
    return alert.causes[0].text if alert.causes else ""


def odds_text(alert: AlertShown) -> str:
    """How much speaks for it, in plain words; empty where no such test was made."""
    evidence = alert.evidence
    if not evidence.odds or not evidence.needed:
        return ""
    most = "over " if evidence.odds >= MOST_ODDS else ""
    return (
        f"When it was found, what had come was {most}{written.number(evidence.odds)} times likelier with a change than "
        f"without; {written.number(evidence.needed)} times raise an alarm."
    )


def cause_href(asked: Asked, alert: AlertShown, cause: Cause) -> str:
    """Where somebody sees what changed: its page, or else the calls that have it."""
    match cause.kind:
        case "prompt" if alert.task:
            return asked.to(f"/prompts/{quote(alert.task, safe='')}", a=cause.before, b=cause.after)
        case "lock" if cause.after:
            return asked.to(f"/prompts/locks/{quote(cause.after, safe='')}", against=cause.before)
        case "model" | "replica" if cause.after:
            return asked.calls(task=alert.task, **{cause.kind: cause.after})
        case "model_identity" | "replica_restarted":
            return asked.to("/replicas") if not asked.tasks else ""
        case "inputs":
            return asked.task(alert.task, by="answers") if alert.task else ""
    if cause.kind.startswith("tool_") and cause.subject:
        return asked.calls(task=alert.task, tool=cause.subject)
    return ""


def cause_marked(asked: Asked, alert: AlertShown) -> Markup:
    """The likeliest cause with the way to it."""
    if not alert.causes:
        return Markup('<span class="none">{}</span>').format(written.NOTHING)
    told, href = wrapped(first_cause(alert), 60), cause_href(asked, alert, alert.causes[0])
    return Markup('<a href="{}">{}</a>').format(href, told) if href else told
