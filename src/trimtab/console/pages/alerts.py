"""What is wrong, since when, and who sees to it; what was wrong in the range; what keeps people from being told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final
from urllib.parse import quote

from markupsafe import Markup
from msgspec import Struct

from trimtab.console import format as written
from trimtab.console.alert_desk import Quiet
from trimtab.console.alert_words import (
    cause_marked,
    figure_text,
    figure_value,
    first_cause,
    headline,
    plain_text,
    severity_mark,
    state_mark,
)
from trimtab.console.endpoint import Query, Visitor
from trimtab.console.needs import sort_of
from trimtab.console.page import Asked, Built, Page, known_tasks
from trimtab.console.parts import Parts
from trimtab.console.tables import Column, Table
from trimtab.console.text import short, shown, wrapped
from trimtab.errors import InvalidRequest
from trimtab.policy.watch import Maintenance
from trimtab.signals.alerts.alert import ACTIVE, Silence
from trimtab.signals.alerts.shown import AlertShown, narrowed

STATES: Final = (*ACTIVE, "resolved")
SEVERITIES: Final = ("page", "ticket")
QUERY: Final = (
    Query("task", "a task"),
    Query("state", f"{', '.join(STATES)}"),
    Query("severity", "page or ticket"),
)
MINUTE_NS: Final = 60 * 10**9
WEEK_MINUTES: Final = 7 * 1440
NONE: Final = Markup("Nothing is wrong. <code>trimtab alerts rules</code> tells what is watched.")
NONE_RESOLVED: Final = "No alert of this range is over. Take a longer one."
NONE_SILENT: Final = "Nothing is silenced: the page of an alert does that, for a while and with a reason."


class AlertsPage(Struct, frozen=True):
    """The alerts that are active, the worst first; those that were over in [since, until), the latest first; and what
    keeps people from being told.
    """

    since_ns: int
    until_ns: int
    active: tuple[AlertShown, ...]
    resolved: tuple[AlertShown, ...]
    quiet: Quiet


async def build(asked: Asked, parts: Parts) -> Built[AlertsPage]:
    """The page."""
    chosen = chosen_of(asked)
    window = asked.window
    known = await parts.alerts(window.since_ns, window.until_ns)
    found = [narrowed(one, asked.visitor.tasks) for one in known if sees(asked.visitor, one.task)]
    wanted = [one for one in found if is_wanted(one, chosen)]
    active = sorted((one for one in wanted if one.state != "resolved"), key=sort_of)
    over = [one for one in wanted if one.state == "resolved" and one.opened_ns]
    resolved = sorted(over, key=lambda one: (one.ended_ns, one.id), reverse=True)
    quiet = seen_of(asked.visitor, await parts.alert_desk.quiet()) if parts.alert_desk is not None else Quiet()
    data = AlertsPage(window.since_ns, window.until_ns, tuple(active), tuple(resolved), quiet)
    tables = (
        table_of(
            asked, "active", "Active alerts", data.active, NONE if not chosen else "No active alert is like that."
        ),
        table_of(asked, "resolved", "Over in this range", data.resolved, NONE_RESOLVED),
        silences_of(asked, quiet.silences),
        *((maintenance_of(asked, quiet.maintenance),) if quiet.maintenance else ()),
    )
    tasks = sorted({*known_tasks(parts.policy(), asked.visitor), *(one.task for one in found if one.task)})
    extra = {"chosen": chosen, "choices": {"task": tasks, "state": STATES, "severity": SEVERITIES}}
    return Built(data, tables, extra=extra)


def chosen_of(asked: Asked) -> dict[str, str]:
    """The filters of the address. Raises `InvalidRequest` and `Forbidden`."""
    chosen = {name: value for name in ("task", "state", "severity") if (value := asked.query.get(name, ""))}
    for name, known in (("state", STATES), ("severity", SEVERITIES)):
        if chosen.get(name, known[0]) not in known:
            raise InvalidRequest(detail=f"?{name}={chosen[name][:40]} is none of {', '.join(known)}")
    asked.visitor.within((chosen["task"],) if "task" in chosen else ())
    return chosen


def is_wanted(alert: AlertShown, chosen: Mapping[str, str]) -> bool:
    """Whether the filters leave an alert."""
    facts = {"task": alert.task, "state": alert.state, "severity": alert.severity}
    return all(facts[name] == value for name, value in chosen.items())


def sees(visitor: Visitor, task: str) -> bool:
    """Whether somebody may see what is of a task; what is of the whole host only those who see all tasks."""
    return visitor.sees(task) if task else not visitor.tasks


def seen_of(visitor: Visitor, quiet: Quiet) -> Quiet:
    """Silences and windows as far as somebody may see them."""
    if not visitor.tasks:
        return quiet
    return Quiet(
        tuple(one for one in quiet.silences if sees(visitor, one.task)),
        tuple(one for one in quiet.maintenance if not one.tasks or any(map(visitor.sees, one.tasks))),
    )


def alert_place(asked: Asked, alert: str) -> str:
    """The address of an alert's page."""
    return asked.to(f"/alerts/{quote(alert, safe='', errors='replace')}")


def table_of(
    asked: Asked, name: str, caption: str, alerts: Sequence[AlertShown], empty: str | Markup
) -> Table[AlertShown]:
    """Alerts, one a line."""

    def opens(one: AlertShown) -> str:
        return alert_place(asked, one.id)

    def at(at_ns: int) -> Markup:
        return written.when(at_ns, asked.zone, asked.now_ns)

    is_over = name == "resolved"
    columns: tuple[Column[AlertShown], ...] = (
        Column("severity", "severity", lambda one: one.severity, severity_mark),
        Column("words", "what", lambda one: one.words, lambda one: wrapped(headline(one), 110), opens),
        Column(
            "task",
            "task",
            lambda one: one.task,
            lambda one: shown(one.task or "the host"),
            lambda one: asked.task(one.task) if one.task else None,
        ),
        Column("state", "state", lambda one: one.state, state_mark),
        Column("since", "since", lambda one: written.stamp(one.began_ns), lambda one: at(one.began_ns)),
        *((Column("ended", "over", lambda one: written.stamp(one.ended_ns), lambda one: at(one.ended_ns)),) * is_over),
        Column(
            "before",
            "before",
            lambda one: figure_value(one.evidence.before),
            lambda one: plain_text(one.evidence.before, one.evidence.unit),
            numeric=True,
        ),
        Column(
            "after",
            "when found",
            lambda one: figure_value(one.evidence.after),
            lambda one: figure_text(one.evidence.after, one.evidence.unit),
            says="With its 95 % interval, and how many calls it is told of.",
            numeric=True,
        ),
        Column("changed", "what changed", first_cause, partial(cause_marked, asked)),
        Column("owner", "owner", lambda one: one.owner),
        *((Column("why", "why", lambda one: one.why, lambda one: wrapped(one.why, 60)),) * is_over),
        Column("id", "alert", lambda one: one.id, lambda one: shown(one.id[-8:]), opens),
    )
    return Table(name, caption, columns, alerts, empty, opens)


def silences_of(asked: Asked, silences: Sequence[Silence]) -> Table[Silence]:
    """The silences that hold; who may act ends them here."""
    columns: tuple[Column[Silence], ...] = (
        Column("what", "what", what_of),
        Column(
            "until",
            "until",
            lambda one: written.stamp(one.until_ns),
            lambda one: written.when(one.until_ns, asked.zone, asked.now_ns),
        ),
        Column(
            "left",
            "left",
            lambda one: max(0, one.until_ns - asked.now_ns) / 1e9,
            lambda one: written.duration(round(max(0, one.until_ns - asked.now_ns) / MINUTE_NS) * 60.0),
            numeric=True,
        ),
        Column("by", "by", lambda one: one.by),
        Column("why", "why", lambda one: one.why, lambda one: shown(short(one.why, 120))),
    )
    if asked.visitor.may("operator"):
        columns += (Column("id", "end", lambda one: one.id, partial(lifting, asked), sortable=False),)
    return Table("silences", "Silences", columns, silences, NONE_SILENT)


def what_of(silence: Silence) -> str:
    """What a silence is of."""
    parts = (("task", silence.task), ("signal", silence.signal), ("rule", silence.rule))
    return ", ".join(f"{name} {value}" for name, value in parts if value)


def lifting(asked: Asked, silence: Silence) -> Markup:
    """The button that ends a silence."""
    return Markup(
        '<form method="post" action="/alerts/silences/{}/lift"><input type="hidden" name="form" value="{}">'
        '<button class="small" aria-label="lift the silence of {}">lift</button></form>'
    ).format(quote(silence.id, safe=""), asked.visitor.form, what_of(silence))


def maintenance_of(asked: Asked, windows: Sequence[Maintenance]) -> Table[Maintenance]:
    """The windows of maintenance that are open."""
    columns: tuple[Column[Maintenance], ...] = (
        Column("reason", "reason", lambda one: one.reason),
        Column(
            "tasks",
            "tasks",
            lambda one: ", ".join(name for name in one.tasks if asked.visitor.sees(name)) or "all",
        ),
        Column(
            "ends",
            "ends",
            lambda one: written.stamp(ends_ns(one, asked.now_ns)),
            lambda one: written.when(ends_ns(one, asked.now_ns), asked.zone, asked.now_ns),
        ),
        Column("weekly", "each week", lambda one: one.weekly),
    )
    return Table("maintenance", "Maintenance now", columns, windows)


def ends_ns(window: Maintenance, now_ns: int) -> int:
    """When a window that is open closes, in ns since 1970."""
    if not window.weekly:
        return window.ends
    now = datetime.fromtimestamp(now_ns / 1e9, UTC)
    minute = now.weekday() * 1440 + now.hour * 60 + now.minute
    return now_ns // MINUTE_NS * MINUTE_NS + (window.ends - minute) % WEEK_MINUTES * MINUTE_NS


PAGE: Final = Page(
    "alerts",
    "/alerts",
    "Alerts",
    "what is wrong, since when, and who sees to it",
    AlertsPage,
    build,
    "Alerts",
    "a",
    QUERY,
)
