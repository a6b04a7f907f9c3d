"""What is watched: each rule with what it learned, how far it is from an alert, and who is told."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from functools import partial
from typing import Final
from urllib.parse import quote

from markupsafe import Markup
from msgspec import Struct

from trimtab.console import format as written
from trimtab.console.charts import meter
from trimtab.console.endpoint import Query
from trimtab.console.figured import in_unit
from trimtab.console.marks import Kind, mark
from trimtab.console.page import Asked, Built, Page, known_tasks
from trimtab.console.pages.alerts import sees
from trimtab.console.parts import Parts
from trimtab.console.tables import Column, Table
from trimtab.policy.watch import AlertRule
from trimtab.signals.alerts.shown import RuleShown
from trimtab.signals.alerts.words import measured_text

NONE: Final = Markup(
    "Nothing is watched yet. <code>trimtab init</code> declares a task; its rules exist without writing any."
)
NO_RECEIVERS: Final = Markup(
    "Nobody can be told yet. Declare <code>[receivers.NAME]</code> in <code>trimtab.toml</code> and name it in "
    "<code>[alerts] receivers</code>."
)
QUERY: Final = (Query("task", "a task"), Query("sent", "a receiver that a test was sent to"))
SMALLEST: Final = "of a share 0.1 in Cohen's h, at least half a point; of numbers a tenth"
"""The smallest change, unless told."""


class RuleLine(Struct, frozen=True):
    """One monitor: what it watches and learned, and the smallest change worth an alert as it was declared."""

    rule: RuleShown
    smallest: float | None


class ReceiverLine(Struct, frozen=True):
    """Somebody who can be told; its address is not shown."""

    name: str
    kind: str
    severities: tuple[str, ...]


class AlertRules(Struct, frozen=True):
    """All that is watched. `unwatched` counts what found no room among `limit` monitors; `idle` names, by task, the
    rules that watch nothing yet. Evaluation is `behind_s` behind.
    """

    rules: tuple[RuleLine, ...]
    receivers: tuple[ReceiverLine, ...]
    unwatched: int
    limit: int
    behind_s: float
    idle: Mapping[str, tuple[str, ...]]


async def build(asked: Asked, parts: Parts) -> Built[AlertRules]:
    """The page."""
    desk, wanted = parts.alert_desk, asked.query.get("task", "")
    asked.visitor.within((wanted,) if wanted else ())
    if desk is None:
        data = AlertRules((), (), 0, 0, 0.0, {})
        return Built(data, (table_of(asked, ()), receivers_of(asked, ())), extra=_extra(asked, parts, wanted))
    found = await desk.rules()
    kept = [one for one in found.rules if sees(asked.visitor, one.task) and wanted in ("", one.task)]
    declared = {(task, one.name): one for task, some in (await desk.declared()).items() for one in some}
    lines = tuple(RuleLine(one, _smallest(declared.get((one.task, one.rule)))) for one in kept)
    receivers = tuple(
        ReceiverLine(one.name, one.kind, tuple(one.severities)) for one in await desk.receivers() if not asked.tasks
    )
    watched = {(one.task, one.rule) for one in found.rules}
    idle: dict[str, tuple[str, ...]] = {}
    for task, name in declared:
        if (task, name) not in watched and sees(asked.visitor, task) and wanted in ("", task):
            idle[task] = (*idle.get(task, ()), name)
    data = AlertRules(lines, receivers, found.unwatched, found.limit, found.behind_s, idle)
    tables = (table_of(asked, lines), *((receivers_of(asked, receivers),) if not asked.tasks else ()))
    return Built(data, tables, extra=_extra(asked, parts, wanted))


def _extra(asked: Asked, parts: Parts, task: str) -> dict[str, object]:
    return {
        "task": task,
        "tasks": known_tasks(parts.policy(), asked.visitor),
        "sent": asked.query.get("sent", ""),
    }


def _smallest(rule: AlertRule | None) -> float | None:
    return rule.smallest if rule is not None else None


def table_of(asked: Asked, lines: Sequence[RuleLine]) -> Table[RuleLine]:
    """One monitor a line: what it watches, what is normal, what speaks for a change, who is told."""
    learned, now = "Learned", "Now"
    columns: tuple[Column[RuleLine], ...] = (
        Column("task", "task", lambda one: one.rule.task, lambda one: one.rule.task or "the host"),
        Column("rule", "rule", lambda one: one.rule.rule),
        Column("what", "of", what_of, lambda one: which_of(one.rule)),
        Column("comparison", "comparison", lambda one: one.rule.comparison, comparison),
        Column("severity", "severity", lambda one: one.rule.severity),
        Column("state", "state", state, lambda one: mark(*state_of(one.rule, asked.zone)), group=now),
        Column(
            "odds",
            "odds",
            lambda one: one.rule.odds,
            odds,
            says="How many times likelier what came lately is with a change than without, and how many raise an alarm.",
            group=now,
            numeric=True,
            by=lambda one: near(one.rule),
        ),
        Column("estimate", "if it changed", _estimate, estimate, group=now, numeric=True),
        Column("normal", "normal", lambda one: one.rule.normal, normal, group=learned, numeric=True),
        Column("n", "from", lambda one: one.rule.n, based_on, unit="observations", group=learned, numeric=True),
        Column("days", "over", lambda one: one.rule.days, days, group=learned, numeric=True),
        Column("smallest", "smallest change", lambda one: one.smallest, smallest, group=learned, numeric=True),
        Column("receivers", "receivers", lambda one: ", ".join(one.rule.receivers), group="Told"),
    )
    return Table("rules", "What is watched", columns, lines, NONE, sort="")


def what_of(one: RuleLine) -> str:
    """The signal, with its field or the value that is watched apart."""
    rule = one.rule
    return " ".join(filter(None, (rule.signal.replace("_", " "), rule.field, f"at {rule.value}" if rule.value else "")))


def which_of(rule: RuleShown) -> str:
    """The field or the value that is watched apart; the signal is in the name of the rule, mostly."""
    return " ".join(filter(None, (rule.field, f"at {rule.value}" if rule.value else ""))) or written.NOTHING


def comparison(one: RuleLine) -> str:
    """How it is decided, with the limit where one is declared."""
    rule = one.rule
    return f"{rule.comparison} {in_unit(rule.limit, rule.unit)}" if rule.limit is not None else rule.comparison


def normal(one: RuleLine) -> str:
    """What is normal at this hour."""
    return written.NOTHING if one.rule.normal is None else in_unit(one.rule.normal, one.rule.unit)


def based_on(one: RuleLine) -> str:
    """Of how many observations that was learned."""
    return written.number(one.rule.n) if one.rule.n else written.NOTHING


def days(one: RuleLine) -> str:
    """Over how many days that was learned."""
    return f"{one.rule.days} d" if one.rule.n else written.NOTHING


def smallest(one: RuleLine) -> Markup | str:
    """The smallest change worth an alert."""
    rule = one.rule
    if rule.comparison in ("burns", "happens", "below", "above"):
        return written.NOTHING
    if one.smallest is None:
        word = {"share": "h 0.1", "": "h 0.1 or 10 %"}.get(rule.unit, "10 %")
        return Markup('<span title="{}">{}</span>').format(SMALLEST if word != "10 %" else "a tenth of it", word)
    return f"{written.significant(100 * one.smallest)} {'points' if rule.unit == 'share' else '%'}"


def near(rule: RuleShown) -> float | None:
    """How near a monitor is to an alarm, 0 to 1, on the scale on which evidence adds up."""
    if rule.odds is None or not rule.needed or rule.needed <= 1:
        return None
    return min(1.0, max(0.0, math.log(max(rule.odds, 1.0)) / math.log(rule.needed)))


def odds(one: RuleLine) -> Markup | str:
    """What speaks for a change, as a bar and as numbers."""
    part = near(one.rule)
    if part is None or one.rule.odds is None or one.rule.needed is None:
        return written.NOTHING
    told = f"{written.number(one.rule.odds)} of {written.number(one.rule.needed)}"
    return Markup("{} {}").format(meter(part, told), told)


def _estimate(one: RuleLine) -> float | None:
    return one.rule.estimate.value if one.rule.estimate is not None else None


def estimate(one: RuleLine) -> Markup | str:
    """What the value would be if it changed; its interval is on hover."""
    found, unit = one.rule.estimate, one.rule.unit
    if found is None or found.value is None:
        return written.NOTHING
    return Markup('<span title="{}">{}</span>').format(measured_text(found, unit), in_unit(found.value, unit))


def state(one: RuleLine) -> str:
    """Where a monitor stands, in a word."""
    return state_of(one.rule, UTC)[1]


def state_of(rule: RuleShown, zone: tzinfo) -> tuple[Kind, str]:
    """Where a monitor stands, as a kind and a word."""
    if rule.alarmed:
        return "bad", "alarm"
    if rule.comparison in ("burns", "happens"):
        return "good", "looked at each minute"
    if rule.limit is None and not rule.n:
        until = f" until {written.clock(rule.learns_until_ns, zone, 0.0)}" if rule.learns_until_ns else ""
        return "idle", f"learning{until}"
    return ("warn", "gathering") if (near(rule) or 0.0) >= 0.5 else ("good", "quiet")


def receivers_of(asked: Asked, receivers: Sequence[ReceiverLine]) -> Table[ReceiverLine]:
    """Who can be told; who may act sends a test from here."""
    columns: tuple[Column[ReceiverLine], ...] = (
        Column("name", "receiver", lambda one: one.name),
        Column("kind", "kind", lambda one: one.kind),
        Column("severities", "takes", lambda one: ", ".join(one.severities)),
    )
    if asked.visitor.may("operator"):
        columns += (Column("test", "test", lambda one: one.name, partial(testing, asked), sortable=False),)
    return Table("receivers", "Receivers", columns, receivers, NO_RECEIVERS)


def testing(asked: Asked, one: ReceiverLine) -> Markup:
    """The button that sends a test."""
    return Markup(
        '<form method="post" action="/alerts/receivers/{}/test"><input type="hidden" name="form" value="{}">'
        '<button class="small" aria-label="send a test to {}">send a test</button></form>'
    ).format(quote(one.name, safe=""), asked.visitor.form, one.name)


PAGE: Final = Page(
    "alert_rules",
    "/alerts/rules",
    "What is watched",
    "each rule with what it learned, how far it is from an alert, and who is told",
    AlertRules,
    build,
    query=QUERY,
)
