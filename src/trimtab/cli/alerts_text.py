"""Alerts as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.cli.dead_text import age_text
from trimtab.cli.fitted import Fitted
from trimtab.processes.alert_test import Tested
from trimtab.reports.foreign import plain_text
from trimtab.reports.numbers import NONE, whole
from trimtab.signals.alerts.alert import Silence
from trimtab.signals.alerts.shown import AlertDetail, AlertShown, RuleShown, RulesShown
from trimtab.signals.alerts.words import clock, measured_text, number

GOOD, BAD, WAIT, QUIET = "green", "red", "yellow", "dim"
MARKS: Final = {"pending": "~ pending", "open": "! open", "acknowledged": "o acknowledged", "resolved": "= resolved"}
STYLES: Final = {"pending": QUIET, "open": BAD, "acknowledged": WAIT, "resolved": GOOD}
TOLD: Final = 400
SHORT: Final = 100
BEFORE: Final = {"below": "limit", "above": "limit", "burns": "allowed"}


def listed_text(alerts: Iterable[AlertShown], now_ns: int) -> RenderableType:
    """Alerts, one a row, with what they say below the line of facts."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("alert", "state", "severity", "age", "what"):
        table.add_column(name, overflow="fold", no_wrap=name in {"alert", "state", "severity", "age"})
    for one in alerts:
        state = Text(MARKS[one.state], STYLES[one.state])
        if one.muted:
            state.append(" (muted)", QUIET)
        table.add_row(
            Text(one.id), state, Text(one.severity), Text(age_text(now_ns - one.found_ns)), plain_text(one.words, TOLD)
        )
    return table if table.row_count else Text("There are no such alerts.")


def alert_text(found: AlertDetail, now_ns: int) -> RenderableType:
    """One alert: what it says, its figures, what changed, the worst calls, its life."""
    one = found.alert
    parts: list[RenderableType] = [plain_text(one.words, TOLD)]
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(one, now_ns):
        facts.add_row(Text(name, QUIET), plain_text(value, TOLD))
    parts.append(facts)
    if one.causes:
        parts.append(Text("\nwhat changed", "bold"))
        parts += [_cause(cause.text, cause.at_ns, cause.words) for cause in one.causes]
    if one.worst:
        parts.append(Text("\nworst calls", "bold"))
        parts += [plain_text(f"  trimtab calls show {call}", SHORT) for call in one.worst]
    if found.group:
        parts.append(Text("\nof the same cause", "bold"))
        parts += [plain_text(f"  {other.id} {other.state}: {other.words}", TOLD) for other in found.group]
    parts.append(Text("\nhistory", "bold"))
    for step in found.history:
        why = f": {step.why}" if step.why else ""
        parts.append(plain_text(f"  {clock(step.at_ns)} {step.after}, by {step.by}{why}", TOLD))
    return Group(*parts)


def _facts(one: AlertShown, now_ns: int) -> Iterable[tuple[str, str]]:
    yield "state", f"{MARKS[one.state]}{', nobody is told of it now' if one.muted else ''}"
    yield "severity", one.severity
    yield "rule", one.rule
    if one.owner:
        yield "owner", one.owner
    yield "told", ", ".join(one.receivers) or "nobody: no receiver is declared for it"
    yield "began about", f"{clock(one.began_ns)}, {age_text(now_ns - one.began_ns)} ago"
    evidence = one.evidence
    if evidence.after.value is not None:
        if evidence.before.value is not None:
            yield BEFORE.get(evidence.direction, "before"), measured_text(evidence.before, evidence.unit)
        yield "when it was found", measured_text(evidence.after, evidence.unit)
    if evidence.needed:
        yield "odds of a change", f"{evidence.odds:,.0f} to 1, where {evidence.needed:,.0f} to 1 raises an alert"
    if one.link:
        yield "page", one.link


def _cause(text: str, at_ns: int, words: str) -> Text:
    told = plain_text(f"  {clock(at_ns)} {text}", TOLD)
    for line in words.splitlines():
        told.append("\n      ").append_text(plain_text(line, TOLD))
    return told


def rules_text(found: RulesShown) -> RenderableType:
    """What is watched, one monitor a row, those nearest to an alert first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("task", "rule", "of", "severity", "normal", "now", "n learned", "odds", "told"):
        is_number = name in {"normal", "now", "n learned", "odds"}
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for one in sorted(found.rules, key=lambda rule: (-(rule.odds or 0.0), rule.task, rule.rule, rule.field)):
        table.add_row(*_rule(one))
    below = Text(
        f"\nLooked at up to {clock(found.minute * 60_000_000_000)}, {age_text(int(found.behind_s * 1e9))} ago."
    )
    if found.unwatched:
        below.append(
            f"\n{found.unwatched} found no room among {whole(found.limit)} monitors: those with the fewest calls.", BAD
        )
    return Group(Fitted(table, keys=2), below)


def _rule(one: RuleShown) -> Iterable[Text]:
    of = " ".join(part for part in (one.value, one.field, one.what) if part)
    yield plain_text(one.task or NONE, SHORT)
    yield Text(one.rule, BAD if one.alarmed else "")
    yield plain_text(of or NONE, SHORT)
    yield Text(one.severity)
    if one.limit is not None:
        yield Text(f"{one.comparison} {number(one.limit, one.unit)}")
    elif one.learns_until_ns:
        yield Text(f"learning until {clock(one.learns_until_ns).partition(' ')[2]}")
    else:
        yield Text(NONE if one.normal is None else number(one.normal, one.unit))
    now = one.estimate.value if one.estimate is not None and one.limit is None else None
    yield Text(NONE if now is None else number(now, one.unit))
    yield Text(whole(one.n) if one.n else NONE)
    yield Text(NONE if one.odds is None or one.needed is None else f"{one.odds:,.1f} of {one.needed:,.0f}")
    yield plain_text(", ".join(one.receivers) or NONE, SHORT)


def silences_text(silences: Iterable[Silence], now_ns: int) -> RenderableType:
    """The silences that hold, one a row."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("silence", "task", "signal", "rule", "left", "by", "why"):
        table.add_column(name, overflow="fold")
    for one in silences:
        facts = one.id, one.task or NONE, one.signal or NONE, one.rule or NONE, age_text(one.until_ns - now_ns)
        table.add_row(*(plain_text(fact, SHORT) for fact in (*facts, one.by, one.why)))
    return Fitted(table) if table.row_count else Text("Nothing is silenced.")


def tested_text(found: Tested, *, is_sent: bool) -> RenderableType:
    """What would be sent, and to whom."""
    who = ", ".join(found.receivers)
    done = "Sent to" if is_sent else "Would be sent to"
    head = Text(f"{done} {who}:") if who else Text("Nobody would be told: no receiver is declared for it.", BAD)
    return Group(head, plain_text(f"  {found.message.severity}: {found.message.words}", TOLD))
