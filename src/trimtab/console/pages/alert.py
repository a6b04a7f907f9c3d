"""One alert: what was found and what speaks for it, what changed about then, the calls that show it, and its life."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final
from urllib.parse import quote

from markupsafe import Markup
from msgspec import Struct
from starlette.exceptions import HTTPException

from trimtab.console import format as written
from trimtab.console.alert_desk import AlertDesk
from trimtab.console.alert_words import TESTS, cause_href, figure_text, odds_text
from trimtab.console.marks import Kind, mark
from trimtab.console.page import Asked, Built, Page
from trimtab.console.pages import calls as call_list
from trimtab.console.pages.alert_chart import Around, chart_of, find, is_drawn, promise_of, window_of
from trimtab.console.pages.alerts import sees, table_of
from trimtab.console.pages.calls import CallLine, line_of
from trimtab.console.parts import Parts, Stores
from trimtab.console.tables import Column, Table
from trimtab.console.text import short, shown, wrapped
from trimtab.errors import StoreError
from trimtab.journal.outbox import Letter
from trimtab.policy.watch import AlertRule
from trimtab.signals.alerts.alert import Measured, Step
from trimtab.signals.alerts.shown import AlertDetail, AlertShown, Cause, narrowed

SILENCES: Final = {
    "1h": ("1 hour", 3600.0),
    "4h": ("4 hours", 14_400.0),
    "1d": ("1 day", 86_400.0),
    "1w": ("1 week", 604_800.0),
}
"""How long a silence may be."""
NO_CALLS: Final = "No single call shows it, or those that did are not kept any more."
NOT_TOLD: Final = Markup(
    "Nobody was told. Write receivers under <code>[receivers.NAME]</code> and name them in <code>[alerts] "
    "receivers</code>; what is silenced is not told either."
)


class Telling(Struct, frozen=True):
    """That somebody was or is to be told: `state` is waiting, delivered or dead, `why` what the last try failed of."""

    id: str
    kind: str
    receiver: str
    made_ns: int
    tries: int
    state: str
    why: str


class AlertPage(Struct, frozen=True):
    """One alert with its history, its group, and what was told of that. `before` and `since` are its figure as it is
    now, on both sides of when it likely began; `test` says what decided.
    """

    alert: AlertShown
    history: tuple[Step, ...]
    group: tuple[AlertShown, ...]
    told: tuple[Telling, ...]
    before: Measured | None
    since: Measured | None
    test: str
    worst: tuple[CallLine, ...]


async def build(asked: Asked, parts: Parts) -> Built[AlertPage]:
    """The page."""
    desk, detail = await seen(asked, parts)
    alert = narrowed(detail.alert, asked.visitor.tasks)
    rule = await desk.rule(alert.task, alert.rule)
    around, worst, trouble = await _looked(asked, parts, alert, rule)
    comparison = rule.comparison if rule is not None else alert.evidence.direction
    data = AlertPage(
        alert,
        detail.history,
        tuple(narrowed(one, asked.visitor.tasks) for one in detail.group if sees(asked.visitor, one.task)),
        tuple(map(_telling, await desk.told(alert.group))),
        around.before if around is not None else None,
        around.since if around is not None else None,
        TESTS.get(comparison, ""),
        worst,
    )
    chart = chart_of(asked, alert, around) if around is not None else None
    tables = (
        calls_of(asked, worst),
        *((table_of(asked, "group", "Others of its group", data.group, ""),) if data.group else ()),
        history_of(asked, data.history),
        told_of(asked, data.told),
    )
    extra = {
        "odds": odds_text(alert),
        "figures": figures_of(data),
        "causes": [(cause, cause_href(asked, alert, cause), causes_words(cause)) for cause in alert.causes],
        "trouble": trouble,
        "may_act": alert.state != "resolved" and asked.visitor.may("operator"),
        "place": f"/alerts/{quote(alert.id, safe='')}",
        "lengths": {name: words for name, (words, _) in SILENCES.items()},
        "calls": asked.calls(task=alert.task) if alert.task else "",
    }
    return Built(data, tables, (chart,) if chart is not None else (), alert.words, extra)


async def seen(asked: Asked, parts: Parts) -> tuple[AlertDesk, AlertDetail]:
    """The alert of the address and where it is kept; raises a 404 where there is none that the visitor may see."""
    found = await parts.alert_desk.detail(asked.path["id"]) if parts.alert_desk is not None else None
    if parts.alert_desk is None or found is None or not sees(asked.visitor, found.alert.task):
        raise HTTPException(404, f"there is no alert {asked.path['id'][:80]}; the page of alerts lists them")
    return parts.alert_desk, found


async def _looked(
    asked: Asked, parts: Parts, alert: AlertShown, rule: AlertRule | None
) -> tuple[Around | None, tuple[CallLine, ...], str]:
    """The figure about when it began, and the worst calls; or why telemetry does not tell."""
    try:
        around = None
        if is_drawn(alert):
            window, promise = window_of(asked, alert), promise_of(alert, parts.policy().tasks)
            key = ("alert", alert.id, alert.changed_ns, promise, window)
            around = await parts.asker.figures(key, partial(find, alert, rule, promise, window))
        worst = await parts.asker.ask(partial(worst_of, alert)) if alert.worst else ()
    except StoreError as failure:
        return None, (), str(failure)
    return around, tuple(one for one in worst if asked.visitor.sees(one.task)), ""


def worst_of(alert: AlertShown, stores: Stores) -> tuple[CallLine, ...]:
    """The calls that show it best, as far as they are kept."""
    found = (stores.telemetry.call(call) for call in alert.worst)
    return tuple(line_of(one.call) for one in found if one is not None)


def figures_of(page: AlertPage) -> list[tuple[str, Markup | str]]:
    """The figure before, when it was found, and as it is now."""
    evidence = page.alert.evidence
    limit = {"below": "limit", "above": "limit", "burns": "allowed"}.get(evidence.direction, "before")
    told = [(limit, evidence.before), ("when it was found", evidence.after)]
    if page.since is not None:
        told.append(("since then, until now", page.since))
    return [(name, figure_text(found, evidence.unit)) for name, found in told if found.value is not None]


def causes_words(cause: Cause) -> list[str]:
    """What the record of a change says, a line each."""
    return [short(line, 200) for line in cause.words.splitlines() if line.strip()]


def calls_of(asked: Asked, lines: Sequence[CallLine]) -> Table[CallLine]:
    """The worst calls, as the page of calls shows them."""
    found = call_list.table_of(asked, lines, is_narrowed=False)
    return Table("worst", "The calls that show it best", found.columns, lines, NO_CALLS, found.opens)


def history_of(asked: Asked, steps: Sequence[Step]) -> Table[Step]:
    """What became of it."""
    columns: tuple[Column[Step], ...] = (
        Column(
            "at",
            "when",
            lambda one: written.stamp(one.at_ns),
            lambda one: written.when(one.at_ns, asked.zone, asked.now_ns),
        ),
        Column("before", "from", lambda one: one.before),
        Column("after", "to", lambda one: one.after),
        Column("by", "by", lambda one: one.by),
        Column("why", "why", lambda one: one.why, lambda one: wrapped(one.why, 2000)),
    )
    return Table("history", "Its life", columns, steps)


def told_of(asked: Asked, tellings: Sequence[Telling]) -> Table[Telling]:
    """To whom it was told, and whether that arrived."""

    def at(one: Telling) -> Markup:
        return written.when(one.made_ns, asked.zone, asked.now_ns)

    def letter(one: Telling) -> str | None:
        return asked.to(f"/dead/{quote(one.id, safe='')}") if one.state == "dead" else None

    columns: tuple[Column[Telling], ...] = (
        Column("made", "when", lambda one: written.stamp(one.made_ns), at),
        Column("receiver", "receiver", lambda one: one.receiver),
        Column("kind", "what", lambda one: one.kind),
        Column("state", "state", lambda one: one.state, arrived, letter),
        Column("tries", "tries", lambda one: one.tries, numeric=True),
        Column("why", "why not", lambda one: one.why, lambda one: shown(short(one.why, 160))),
    )
    return Table("told", "Who was told", columns, tellings, NOT_TOLD)


def arrived(one: Telling) -> Markup:
    """Whether a telling arrived."""
    kind: Kind = "good" if one.state == "delivered" else "bad" if one.state == "dead" else "idle"
    word = {"delivered": "arrived", "dead": "given up"}.get(one.state, "tried again" if one.tries else "on its way")
    return mark(kind, word)


def _telling(letter: Letter) -> Telling:
    return Telling(letter.id, letter.kind, letter.receiver, letter.made_ns, letter.tries, letter.state, letter.why)


PAGE: Final = Page(
    "alert", "/alerts/{id}", "Alert", "one alert: what was found, what changed, which calls show it", AlertPage, build
)
