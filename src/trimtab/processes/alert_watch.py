"""Once a minute all that has come is held against every rule, and what is decided is kept and put into the outbox.

A pass reads telemetry in the desk's thread, decides in a thread of its own, and keeps all of it at once: one that was
cut short is done again and comes to the same. While telemetry is down, only what needs none of it is looked at.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, NamedTuple, TypeVar

from msgspec.structs import replace

from trimtab.clock import Clock
from trimtab.errors import StoreError
from trimtab.ids import IdSource
from trimtab.journal.alerts import AlertStore
from trimtab.policy.watch import AlertRule, Watch
from trimtab.processes.alert_book import AlertBook
from trimtab.processes.alert_sight import RESTART_NS, RESTARTED, Happenings, Sight
from trimtab.processes.desk import Desk, Stores
from trimtab.processes.logs import event
from trimtab.record.events import Change
from trimtab.signals.alerts.alert import Alert
from trimtab.signals.alerts.burning import Burning, burning
from trimtab.signals.alerts.causes import Found as Looked
from trimtab.signals.alerts.causes import Question, look, window_figure
from trimtab.signals.alerts.evaluation import Alarm, by_place
from trimtab.signals.alerts.finding import found_of, found_of_burning, is_beyond, with_causes, worded
from trimtab.signals.alerts.grouping import group_of
from trimtab.signals.alerts.life import Found, Moved
from trimtab.signals.alerts.monitors import DAY, HISTORY_DAYS, Place, Watcher
from trimtab.signals.alerts.taking import HOUR_S, QUARTER_S, Rows, rules_of, take, wanted
from trimtab.store.telemetry import MINUTE_NS, CallFilter, Telemetry

EVERY_S: Final = 60.0
MARGIN_NS: Final = 10 * 1_000_000_000
"""How long after its end a minute is looked at: records are on their way for a moment."""
MOST_AHEAD: Final = 60
"""Minutes by which the clock may go back; if it does by more it was wrong before, and what it brought is forgotten."""
MAX_BEHIND: Final = DAY
"""Minutes that are caught up with at most after a stop; what lies further back is passed over, and said to be."""
CHUNK: Final = 60
"""Minutes that one pass takes in at most."""
LEARNING: Final = 4
"""Tasks that learn in one pass; the others wait for the next."""
KEPT_NS: Final = 400 * 86_400 * 1_000_000_000
"""How long resolved alerts are kept."""
MOST_CHANGES: Final = 200
HOUR: Final = 60

log = logging.getLogger("trimtab.control")

T = TypeVar("T")


class Taken(NamedTuple):
    """What one pass read of telemetry: counts by minute, those of whole hours, what burns, and what restarted."""

    rows: Rows
    hours: Rows
    burning: Sequence[Burning]
    restarts: Sequence[Change]


class AlertWatch:
    """The alerts of one host. `run` works until it is cancelled; `ask` puts a question to the book at any time."""

    def __init__(
        self,
        open_store: Callable[[], AlertStore],
        watch: Callable[[], Watch],
        sight: Sight,
        clock: Clock,
        ids: IdSource,
    ) -> None:
        self._open_store = open_store
        self._watch = watch
        self._clock = clock
        self._ids = ids
        self._happenings = Happenings(sight)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="alerts")
        self._book: AlertBook | None = None
        self._newest_ns = 0
        self._looked_ns = clock.wall_ns()
        self._retained_ns = 0
        self._trouble = ""
        self._one_at_a_time = asyncio.Lock()

    def __repr__(self) -> str:
        return f"AlertWatch({self._book!r})"

    @property
    def behind_s(self) -> float:
        """Seconds since a pass last looked at everything and kept what it decided, or since this process began."""
        return max(0.0, (self._clock.wall_ns() - self._looked_ns) / 1e9)

    async def run(self, desk: Desk) -> None:
        """Looks every minute; without a pause while it catches up."""
        try:
            while True:
                more = await self.round(desk)
                await asyncio.sleep(0.0 if more else EVERY_S)
        finally:
            self._thread.submit(self._close)
            self._thread.shutdown(wait=False)

    async def ask(self, question: Callable[[AlertBook, Watch, int], T]) -> T:
        """An answer of the book, the rules in force and the time; raises `StoreError` and what the question raises."""
        return await self._in_thread(lambda: question(self._opened(), self._watch(), self._clock.wall_ns()))

    async def change(self, what: Callable[[AlertBook, Watch, int], T]) -> T:
        """As `ask`, of what changes the book: not amid a pass, which may last some seconds."""
        async with self._one_at_a_time:
            try:
                return await self.ask(what)
            except StoreError:
                await self._in_thread(self._close)
                raise

    async def round(self, desk: Desk) -> bool:
        """One pass; whether another should follow at once. What fails is said in the log and done again."""
        try:
            async with self._one_at_a_time:
                more = await self._pass(desk)
        except StoreError as failure:
            if str(failure) != self._trouble:
                self._trouble = str(failure)
                event(log, logging.ERROR, "alerts_not_kept", detail=self._trouble)
            await self._in_thread(self._close)
            return False
        except Exception:
            log.exception("alerts_broke")
            await self._in_thread(self._close)
            return False
        self._trouble = ""
        return more

    async def _pass(self, desk: Desk) -> bool:
        now_ns, watch = self._clock.wall_ns(), self._watch()
        if not watch.digest:
            return False
        self._newest_ns, self._looked_ns = min(self._newest_ns, now_ns), min(self._looked_ns, now_ns)
        book = await self._in_thread(self._opened)
        await self._in_thread(lambda: book.begin(watch, now_ns))
        since, until, more = self._span(book, desk, now_ns)
        taken = await self._read(desk, book, watch, since, until, now_ns)
        if taken is not None:
            await self._in_thread(lambda: book.evaluation.step(taken.rows, taken.hours))
        looked_ns = self._looked_ns if taken is None else now_ns
        behind_ns = now_ns - looked_ns
        restarts = taken.restarts if taken is not None else ()
        happened = self._happenings.look(watch, desk, now_ns, self._newest_ns, behind_ns, restarts)
        alarms = by_place(book.evaluation.alarms())
        found = [one for one in happened if not _is_settled(one, book.alerts.get(one.place))]
        found += [found_of(alarm, watch) for alarm in alarms.values()]
        found += [found_of_burning(one, watch) for one in taken.burning] if taken is not None else []
        beyond = await self._beyond(desk, book, alarms, until)
        moved = book.advance(
            found,
            now_ns,
            lambda alert: beyond.get(alert.place, True),
            lambda place: taken is None and (bool(place.task) or place.rule == RESTARTED),
        )
        moved = await self._explained(desk, book, watch, moved, alarms, until)
        await self._in_thread(lambda: self._keep(book, moved, watch, now_ns, until if taken is not None else None))
        self._looked_ns = looked_ns
        return more and taken is not None

    def _span(self, book: AlertBook, desk: Desk, now_ns: int) -> tuple[int, int, bool]:
        """The minutes (since, until] that are looked at now, and whether more may follow at once."""
        reached = (now_ns - int(desk.lag.age_s * 1e9) - MARGIN_NS) // MINUTE_NS
        since = book.minute if book.minute is not None else reached
        if since - reached > MOST_AHEAD:
            event(log, logging.WARNING, "alerts_from_ahead", minutes=since - reached)
            book.evaluation.go_back(reached)
            since = reached
        if reached - since > MAX_BEHIND:
            event(log, logging.WARNING, "alerts_passed_over", minutes=reached - since - MAX_BEHIND)
            since = reached - MAX_BEHIND
        until = max(since, min(reached, since + CHUNK))
        return since, until, until < reached

    async def _read(
        self, desk: Desk, book: AlertBook, watch: Watch, since: int, until: int, now_ns: int
    ) -> Taken | None:
        """What telemetry holds of these minutes; new monitors are made and learn before them. None while it is down."""
        rules = rules_of(watch)

        def read(telemetry: Telemetry) -> Taken:
            need = wanted(rules)
            recent = telemetry.changes(now_ns - RESTART_NS, now_ns, MOST_CHANGES)
            return Taken(
                take(telemetry, need, since, until),
                take(telemetry, need.hourly(), since // HOUR * HOUR, until // HOUR * HOUR, HOUR_S),
                burning(telemetry, watch.tasks, until),
                [one for one in recent if one.kind == RESTARTED],
            )

        try:
            if not self._newest_ns:
                latest = await desk.ask(lambda stores: stores.telemetry.tail(CallFilter(limit=1)))
                self._newest_ns = latest[0].at_ns if latest else 1
            taken = await desk.ask(lambda stores: read(stores.telemetry))
            await self._in_thread(lambda: book.evaluation.discover(taken.rows))
            await self._learn(desk, book, watch, since)
        except StoreError as failure:
            event(log, logging.WARNING, "alerts_wait", detail=str(failure))
            return None
        self._newest_ns = max(self._newest_ns, taken.rows.newest * MINUTE_NS)
        return taken

    async def _learn(self, desk: Desk, book: AlertBook, watch: Watch, minute: int) -> None:
        """Lets the monitors of some tasks learn from what came before a minute."""
        due = await self._in_thread(lambda: book.evaluation.due(minute))
        for task in list(due)[:LEARNING]:
            watchers = due[task]
            past = await desk.ask(partial(_history, task=task, watchers=watchers, minute=minute))
            await self._in_thread(partial(book.evaluation.learn, watchers, past.rows, past.hours, minute))

    async def _beyond(
        self, desk: Desk, book: AlertBook, alarms: Mapping[Place, Alarm], until: int
    ) -> Mapping[Place, bool]:
        """Of pending alerts on a declared limit: whether the figure over the rule's window lies beyond it."""
        found = {}
        for place, alarm in alarms.items():
            alert = book.alerts.get(place)
            if alert is not None and alert.state == "pending" and alarm.rule.comparison in {"below", "above"}:
                figure = await self._asked(desk, _question(alarm.rule, alert, until), window_figure)
                found[place] = figure is None or is_beyond(alarm.rule, figure)
        return found

    async def _explained(
        self,
        desk: Desk,
        book: AlertBook,
        watch: Watch,
        moved: Sequence[Moved],
        alarms: Mapping[Place, Alarm],
        until: int,
    ) -> list[Moved]:
        """What opens now gets its figures, causes and worst calls, and its group."""
        done: list[Moved] = []
        for one in moved:
            alert, step = one
            if step is None:
                pass  # it is as it was
            elif step.after == "open":
                rule = _rule(watch, alert.place)
                if rule is not None and alert.place.task:
                    looked: Looked | None = await self._asked(desk, _question(rule, alert, until), look)
                    alert = with_causes(alert, looked, alarms)
                alert = replace(alert, group=group_of(alert, self._others(book, done)))
                alert = worded(alert)
                event(log, logging.WARNING, "alert_open", alert=alert.id, severity=alert.severity, words=alert.words)
            elif step.after == "resolved" and step.before != "pending":
                event(log, logging.INFO, "alert_resolved", alert=alert.id, why=step.why)
            done.append(Moved(alert, step))
        return done

    @staticmethod
    def _others(book: AlertBook, done: Sequence[Moved]) -> list[Alert]:
        fresh = {one.alert.place: one.alert for one in done}
        return list({**book.alerts, **fresh}.values())

    async def _asked(self, desk: Desk, question: Question, look: Callable[..., T]) -> T | None:
        """What telemetry says; None where it fails, so that the alert opens without."""
        try:
            return await desk.ask(lambda stores: look(stores.telemetry, question))
        except StoreError as failure:
            event(log, logging.WARNING, "alert_not_explained", rule=question.place.rule, detail=str(failure))
            return None

    def _keep(self, book: AlertBook, moved: Sequence[Moved], watch: Watch, now_ns: int, minute: int | None) -> None:
        book.keep(moved, watch, now_ns, minute)
        if now_ns - self._retained_ns >= DAY * MINUTE_NS:
            self._retained_ns = now_ns
            book.retain(now_ns - KEPT_NS)

    def _opened(self) -> AlertBook:
        if self._book is None:
            self._book = AlertBook(self._open_store(), self._ids, self._clock.wall_ns())
        return self._book

    def _close(self) -> None:
        """Lets go of the book: the next pass reads it anew, so that nothing is in memory that was not kept."""
        book, self._book = self._book, None
        if book is not None:
            book.close()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


class _Past(NamedTuple):
    """The quarters of an hour of a task, and its hours for what is watched by the hour."""

    rows: Rows
    hours: Rows


def _history(stores: Stores, task: str, watchers: Sequence[Watcher], minute: int) -> _Past:
    """What a task's monitors learn from: what was counted up to a minute."""
    need = wanted((one.rule for one in watchers), history=True)
    since = minute - HISTORY_DAYS * DAY
    rows = take(stores.telemetry, need, since, minute, QUARTER_S, (task,))
    if all(one.lens.cadence == "minute" for one in watchers):
        return _Past(rows, Rows())
    return _Past(rows, take(stores.telemetry, need.hourly(), since, minute, HOUR_S, (task,)))


def _is_settled(found: Found, alert: Alert | None) -> bool:
    """Whether somebody resolved it since it was found, of which whoever found it hears in a moment."""
    if alert is None or alert.is_active or not alert.by:
        return False
    return 0 < found.found_ns <= alert.ended_ns


def _question(rule: AlertRule, alert: Alert, until: int) -> Question:
    evidence = alert.evidence
    began = alert.began_ns // MINUTE_NS
    return Question(alert.place, rule, evidence.what, evidence.direction, began, until, alert.models, alert.worst)


def _rule(watch: Watch, place: Place) -> AlertRule | None:
    task = watch.tasks.get(place.task)
    rules = (*(task.alerts if task is not None else ()), *watch.events)
    return next((rule for rule in rules if rule.name == place.rule), None)
