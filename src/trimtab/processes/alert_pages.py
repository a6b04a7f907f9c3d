"""What the pages of alerts are handed: the watch and the outbox, both used in the one thread of the watch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from trimtab.console.alert_desk import Quiet
from trimtab.errors import InvalidRequest
from trimtab.journal.outbox import Letter, Outbox
from trimtab.policy.watch import AlertRule, Receiver, TaskWatch, Watch
from trimtab.processes.alert_api import AlertConflict, watched_now
from trimtab.processes.alert_book import AlertBook
from trimtab.processes.alert_test import tested
from trimtab.processes.alert_watch import AlertWatch
from trimtab.signals.alerts.alert import Act, Silence
from trimtab.signals.alerts.life import AlertRefused
from trimtab.signals.alerts.shown import AlertDetail, AlertShown, RulesShown
from trimtab.signals.alerts.telling import in_window

SECOND_NS: Final = 1_000_000_000

T = TypeVar("T")


class AlertPages:
    """The alerts of one host, for people."""

    def __init__(self, watch: AlertWatch, outbox: Outbox) -> None:
        self._watch = watch
        self._outbox = outbox

    def __repr__(self) -> str:
        return f"AlertPages({self._watch!r})"

    async def detail(self, alert: str) -> AlertDetail | None:
        """One alert with its history and its group; None if there is none of that id."""
        try:
            return await self._watch.ask(lambda book, rules, now_ns: book.detail(alert, rules, now_ns))
        except AlertRefused:
            return None

    async def rule(self, task: str, name: str) -> AlertRule | None:
        """A rule in force of a task, or of the whole project."""

        def find(book: AlertBook, rules: Watch, now_ns: int) -> AlertRule | None:
            known = rules.tasks.get(task, TaskWatch()).alerts if task else rules.events
            return next((one for one in known if one.name == name), None)

        return await self._watch.ask(find)

    async def declared(self) -> Mapping[str, Sequence[AlertRule]]:
        """The rules in force by task, those of the whole project under the empty name."""

        def read(book: AlertBook, rules: Watch, now_ns: int) -> Mapping[str, Sequence[AlertRule]]:
            return {**{name: one.alerts for name, one in rules.tasks.items()}, "": rules.events}

        return await self._watch.ask(read)

    async def told(self, group: str) -> Sequence[Letter]:
        """What was or is to be told of a group, the newest first."""
        return await self._watch.ask(lambda book, rules, now_ns: self._outbox.of_alert(group))

    async def rules(self) -> RulesShown:
        """All that is watched."""
        return await self._watch.ask(watched_now)

    async def receivers(self) -> Sequence[Receiver]:
        """Those that are declared, by name."""
        found = await self._watch.ask(lambda book, rules, now_ns: rules.alerting.receivers)
        return tuple(found[name] for name in sorted(found))

    async def quiet(self) -> Quiet:
        """What keeps people from being told now."""

        def read(book: AlertBook, rules: Watch, now_ns: int) -> Quiet:
            windows = tuple(one for one in rules.alerting.maintenance if in_window(one, now_ns))
            return Quiet(book.silences(now_ns), windows)

        return await self._watch.ask(read)

    async def act(self, alert: str, what: Act, by: str, why: str, tasks: tuple[str, ...] = ()) -> AlertShown:
        """What a person does with an alert; raises `AlertConflict` where that cannot be."""
        return await self._changed(lambda book, rules, now_ns: book.act(alert, what, rules, now_ns, by, why, tasks))

    async def silence(self, wanted: Silence, length_s: float) -> Silence:
        """Tells nobody of some alerts for so long from now on; raises `AlertConflict` where that cannot be."""

        def make(book: AlertBook, rules: Watch, now_ns: int) -> Silence:
            return book.silence(replace(wanted, until_ns=now_ns + int(length_s * SECOND_NS)), now_ns)

        return await self._changed(make)

    async def unsilence(self, silence: str) -> Silence:
        """Ends a silence now; raises `AlertConflict` if there is none of that id."""
        return await self._changed(lambda book, rules, now_ns: book.unsilence(silence, now_ns))

    async def send_test(self, receiver: str) -> None:
        """Lets a receiver be told of an alert that is none: of the first rule there is. Raises `InvalidRequest`."""

        def make(book: AlertBook, rules: Watch, now_ns: int) -> None:
            if receiver not in rules.alerting.receivers:
                raise InvalidRequest(detail=f"there is no receiver {receiver[:80]}; declare it as [receivers.NAME]")
            task, rule = _first_rule(rules)
            found = tested(rules, rule, task, now_ns)
            book.put_test(msgspec.json.encode(found.message), (receiver,), now_ns)

        await self._changed(make)

    async def again(self, letter: str) -> bool:
        """Takes a telling up again that was given up; False where there is none such."""
        return await self._watch.ask(lambda book, rules, now_ns: self._outbox.again(letter, now_ns))

    async def _changed(self, what: Callable[[AlertBook, Watch, int], T]) -> T:
        try:
            return await self._watch.change(what)
        except AlertRefused as refused:
            raise AlertConflict(detail=refused.facts["detail"]) from refused


def _first_rule(rules: Watch) -> tuple[str, str]:
    found = next(((name, one.alerts[0].name) for name, one in rules.tasks.items() if one.alerts), None)
    if found is not None:
        return found
    if not rules.events:
        raise AlertRefused(detail="nothing is watched, so that there is nothing to send; declare a task or a rule")
    return "", rules.events[0].name
