"""Alerts as they are kept: what the evaluation decides and people do, joined with `state.db`.

Used from one thread, which is not that of telemetry: alerts live on while telemetry is down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import asdict, replace

from trimtab.ids import IdSource
from trimtab.journal.alerts import AlertRow, AlertsAsked, AlertStore, MonitorRow, Outgoing, Passed, SilenceRow, StepRow
from trimtab.policy.watch import Watch
from trimtab.signals.alerts.alert import Act, Alert, Silence, Step, Telling
from trimtab.signals.alerts.evaluation import Evaluation
from trimtab.signals.alerts.lenses import Learned
from trimtab.signals.alerts.life import REOPEN_NS, AlertRefused, Found, Moved, act, advance, dropped
from trimtab.signals.alerts.monitors import Monitor, Place
from trimtab.signals.alerts.shown import AlertDetail, AlertShown, sent, shown
from trimtab.signals.alerts.telling import mutes, tell

MINUTE_NS: Final = 60_000_000_000
MAX_SILENCES: Final = 1000
LONGEST_SILENCE_NS: Final = 90 * 86_400 * 1_000_000_000
MOST_WORDS: Final = 500

_alerts = msgspec.msgpack.Decoder(Alert)
_monitors = msgspec.msgpack.Decoder(Monitor)
_learned = msgspec.msgpack.Decoder(Learned)


class AlertBook:
    """Every alert that lives, the silences, and the monitors; all of it can be read from the store at any time."""

    def __init__(self, store: AlertStore, ids: IdSource, now_ns: int) -> None:
        """Reads what an earlier life left. Raises `StoreError`."""
        self._store = store
        self._ids = ids
        self.minute = store.minute()
        self.evaluation = Evaluation(_read(store))
        self.alerts = {one.place: one for one in map(_alerts.decode, store.living(now_ns - REOPEN_NS))}
        self._silences = tuple(map(_silence, store.silences(now_ns)))

    def __repr__(self) -> str:
        active = sum(one.is_active for one in self.alerts.values())
        return f"AlertBook({active} active, {self.evaluation!r})"

    def begin(self, watch: Watch, now_ns: int) -> None:
        """Takes the rules in force; alerts of what is not declared any more are over."""
        self.evaluation.begin(watch)
        rules = {(task, rule.name) for task, one in watch.tasks.items() for rule in one.alerts}
        rules |= {(task, rule.name) for rule in watch.events for task in ("", *watch.tasks)}
        gone = [one for place, one in self.alerts.items() if one.is_active and (place.task, place.rule) not in rules]
        if gone:
            self.keep([dropped(one, now_ns) for one in gone], watch, now_ns)

    def advance(
        self,
        found: Iterable[Found],
        now_ns: int,
        lasts: Callable[[Alert], bool],
        unseen: Callable[[Place], bool],
    ) -> list[Moved]:
        """What becomes of alerts, as `life.advance` says; nothing is kept yet."""

        def suspected(place: Place) -> bool:
            watcher = self.evaluation.watcher(place)
            return watcher is not None and watcher.is_suspicious

        return advance(self.alerts, found, now_ns, lambda: self._ids.new(now_ns), lasts, unseen, suspected)

    def keep(self, moved: Sequence[Moved], watch: Watch, now_ns: int, minute: int | None = None) -> tuple[Telling, ...]:
        """Keeps alerts that moved, with all monitors that did and what is to be told of it; at once, or not at all.

        Gives what is to be told. Raises `StoreError`; then this book is to be read anew.
        """
        alerts = {**self.alerts, **{one.alert.place: one.alert for one in moved}}
        muted = mutes(self._silences, watch.alerting.maintenance, now_ns)
        told = tell(alerts.values(), watch.alerting, muted, now_ns)
        alerts |= {one.place: one for one in told.leaders}
        kept, gone = self.evaluation.changed()
        changed = [one for place, one in alerts.items() if self.alerts.get(place) is not one]
        self._store.keep(
            Passed(
                minute,
                tuple(
                    MonitorRow(
                        one.place.key, one.place.task, _encode(one), None if learned is None else _encode(learned)
                    )
                    for one, learned in kept
                ),
                tuple(place.key for place in gone),
                tuple(map(_row, changed)),
                tuple(StepRow(*msgspec.structs.astuple(one.step)) for one in moved if one.step is not None),
                tuple(one for telling in told.tellings for one in self._outgoing(telling, watch, now_ns)),
            )
        )
        self.minute = minute if minute is not None else self.minute
        self.alerts = {
            place: one
            for place, one in alerts.items()
            if one.is_active or one.told or now_ns - one.ended_ns <= REOPEN_NS or self._is_led(one, alerts)
        }
        return told.tellings

    @staticmethod
    def _is_led(leader: Alert, alerts: Mapping[Place, Alert]) -> bool:
        return any(one.group == leader.id and one.is_active for one in alerts.values())

    def _outgoing(self, telling: Telling, watch: Watch, now_ns: int) -> Iterable[Outgoing]:
        body = msgspec.json.encode(sent(telling.kind, telling.alerts, watch, telling.leader, telling.severity))
        for receiver in telling.receivers:
            yield Outgoing(self._ids.new(now_ns), telling.group, telling.kind, receiver, body, now_ns, now_ns)

    def act(
        self, alert_id: str, what: Act, watch: Watch, now_ns: int, by: str, why: str, tasks: tuple[str, ...] = ()
    ) -> AlertShown:
        """What a person does with an alert: to acknowledge one does so for its group, the rest is of it alone.

        With `tasks` the others of its group are left alone that are not of these. Raises `AlertRefused` for one that
        is not there or of which that cannot be.
        """
        alert = self._active(alert_id)
        moved = [act(alert, what, now_ns, by, why)]
        if what == "acknowledge":
            moved += [
                act(one, what, now_ns, by, why)
                for one in self.alerts.values()
                if one.group == alert.group and one.id != alert.id and one.state == "open"
                if not tasks or one.place.task in tasks
            ]
        watcher = self.evaluation.watcher(alert.place)
        if watcher is not None and what != "acknowledge":
            minute = self.minute or now_ns // MINUTE_NS
            if what == "accept":
                watcher.accept(min(alert.began_ns // MINUTE_NS, minute), minute)
            else:
                watcher.begin_anew(minute)
        self.keep(moved, watch, now_ns)
        return self._shown(moved[0].alert, watch, now_ns)

    def _active(self, alert_id: str) -> Alert:
        found = next((one for one in self.alerts.values() if one.id == alert_id), None)
        if found is None:
            if self._store.get(alert_id) is None:
                raise _missing(alert_id)
            raise AlertRefused(detail=f"alert {alert_id} was resolved long ago; nothing more can be done with it")
        return found

    def list(self, wanted: AlertsAsked, watch: Watch, now_ns: int) -> tuple[AlertShown, ...]:
        """The alerts asked for, newest first; without those that did not last and were never told."""
        found = map(_alerts.decode, self._store.list(wanted))
        return tuple(self._shown(one, watch, now_ns) for one in found)

    def detail(self, alert_id: str, watch: Watch, now_ns: int) -> AlertDetail:
        """One alert with its history and its group; raises `AlertRefused` if there is none of that id."""
        body = self._store.get(alert_id)
        if body is None:
            raise _missing(alert_id)
        alert = _alerts.decode(body)
        history = tuple(Step(*msgspec.structs.astuple(one)) for one in self._store.history(alert_id))
        others = tuple(
            self._shown(one, watch, now_ns)
            for one in self.alerts.values()
            if one.group == alert.group and one.id != alert.id
        )
        return AlertDetail(self._shown(alert, watch, now_ns), history, others)

    def silence(self, wanted: Silence, now_ns: int) -> Silence:
        """Keeps a silence; raises `AlertRefused` for one that cannot be, or where there are too many."""
        length_ns = wanted.until_ns - now_ns
        if not 0 < length_ns <= LONGEST_SILENCE_NS:
            raise AlertRefused(detail="a silence ends later than now and within 90 days; give another time")
        if not (wanted.task or wanted.signal or wanted.rule):
            raise AlertRefused(
                detail="a silence of everything is none; name a task, signal or rule, or declare maintenance"
            )
        if len(self.silences(now_ns)) >= MAX_SILENCES:
            raise AlertRefused(detail=f"there are {MAX_SILENCES} silences already; end some first")
        fresh = replace(wanted, id=self._ids.new(now_ns), from_ns=now_ns, why=wanted.why[:MOST_WORDS])
        self._store.silence(SilenceRow(**asdict(fresh)))
        self._silences = (*self.silences(now_ns), fresh)
        return fresh

    def unsilence(self, silence_id: str, now_ns: int) -> Silence:
        """Ends a silence now; raises `AlertRefused` if there is none of that id."""
        found = next((one for one in self.silences(now_ns) if one.id == silence_id), None)
        if found is None:
            raise AlertRefused(detail=f"there is no silence {silence_id}; `trimtab alerts silences` lists them")
        ended = replace(found, until_ns=now_ns)
        self._store.silence(SilenceRow(**asdict(ended)))
        self._silences = tuple(one for one in self._silences if one.id != silence_id)
        return ended

    def silences(self, now_ns: int) -> tuple[Silence, ...]:
        """The silences that hold now, the next to end first."""
        live = (one for one in self._silences if one.until_ns > now_ns)
        return tuple(sorted(live, key=lambda one: (one.until_ns, one.id)))

    def put_test(self, body: bytes, receivers: Iterable[str], now_ns: int) -> None:
        """Puts a test message into the outbox."""
        outgoing = [
            Outgoing(self._ids.new(now_ns), "", "test", receiver, body, now_ns, now_ns) for receiver in receivers
        ]
        self._store.keep(Passed(outgoing=tuple(outgoing)))

    def retain(self, since_ns: int) -> None:
        """Drops what was over before then."""
        self._store.retain(since_ns)

    def close(self) -> None:
        """Lets go of the database."""
        self._store.close()

    def _shown(self, alert: Alert, watch: Watch, now_ns: int) -> AlertShown:
        muted = alert.is_active and mutes(self._silences, watch.alerting.maintenance, now_ns)(alert)
        return shown(alert, watch.alerting, muted=muted)


def _missing(alert_id: str) -> AlertRefused:
    return AlertRefused(detail=f"there is no alert {alert_id[:80]}; `trimtab alerts list` lists them")


def _read(store: AlertStore) -> Iterable[tuple[Monitor, Learned]]:
    """The monitors that this release can read; others begin anew."""
    for body, learned in store.monitors():
        try:
            yield _monitors.decode(body), _learned.decode(learned)
        except msgspec.DecodeError:
            continue


def _row(alert: Alert) -> AlertRow:
    return AlertRow(
        alert.id,
        alert.place.key,
        alert.place.task,
        alert.place.rule,
        alert.signal,
        alert.severity,
        alert.state,
        alert.group,
        alert.found_ns,
        alert.changed_ns,
        _encode(alert),
    )


def _silence(row: SilenceRow) -> Silence:
    return Silence(**asdict(row))


def _encode(value: msgspec.Struct) -> bytes:
    return msgspec.msgpack.encode(value)
