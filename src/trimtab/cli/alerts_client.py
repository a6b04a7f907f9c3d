"""Who deals with alerts: control over its socket, or this process while nothing else runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from trimtab.cli.control_client import ControlClient, refusal
from trimtab.cli.holding import held
from trimtab.clock import SystemClock
from trimtab.database.migrate import open_state
from trimtab.errors import TrimtabError
from trimtab.ids import IdSource
from trimtab.journal.alerts import AlertsAsked, AlertStore
from trimtab.policy.watch import Watch, watch_of
from trimtab.processes.alert_api import MINUTE_NS, SECOND_NS, Listed, NewSilence, Silences, Trial, Why
from trimtab.processes.alert_book import AlertBook
from trimtab.processes.alert_test import Tested, tested
from trimtab.reports.window import since_ns
from trimtab.signals.alerts.alert import Act, Silence
from trimtab.signals.alerts.evaluation import MAX_MONITORS
from trimtab.signals.alerts.shown import AlertDetail, AlertShown, RulesShown, rules_shown

T = TypeVar("T")
OWNER = "(owner)"


class AlertsRefused(TrimtabError):
    """{detail}"""


class Wanted(msgspec.Struct, frozen=True):
    """Which alerts a verb is about; an empty field narrows nothing."""

    task: str = ""
    rule: str = ""
    signal: str = ""
    state: str = ""
    since: str = ""
    limit: int = 50


class AlertOffice(Protocol):
    """What can be done with alerts; every operation raises `TrimtabError` when it fails."""

    def list(self, wanted: Wanted) -> tuple[AlertShown, ...]:
        """The alerts asked for, newest first."""

    def show(self, alert: str) -> AlertDetail:
        """One alert with its history and its group."""

    def act(self, alert: str, what: Act, why: str) -> AlertShown:
        """What a person does with an alert."""

    def rules(self) -> RulesShown:
        """All that is watched."""

    def silences(self) -> tuple[Silence, ...]:
        """The silences that hold."""

    def silence(self, wanted: NewSilence) -> Silence:
        """Makes a silence."""

    def unsilence(self, silence: str) -> Silence:
        """Ends a silence."""

    def test(self, wanted: Trial) -> Tested:
        """What would be sent of a rule; sent if that is wanted."""


@contextmanager
def alert_office(root: Path) -> Iterator[AlertOffice]:
    """Whoever may write the alerts of the project in `root`.

    Raises `DeclarationError` for a project that cannot be read, `StoreError` when the alerts cannot be used.
    """
    with held(root) as (places, project):
        if project is None:
            yield AskedOffice(places.control_socket)
            return
        watch = watch_of(project)
        with closing(AlertBook(AlertStore(open_state(places.state)), IdSource(), SystemClock().wall_ns())) as book:
            book.evaluation.begin(watch)
            yield OwnOffice(book, watch)


class AskedOffice:
    """Control does it."""

    def __init__(self, socket: Path) -> None:
        self._client = ControlClient(socket)

    def list(self, wanted: Wanted) -> tuple[AlertShown, ...]:
        """The alerts asked for, newest first."""
        given = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value}
        return self._ask("GET", f"/api/alerts?{urlencode(given)}", Listed).alerts

    def show(self, alert: str) -> AlertDetail:
        """One alert with its history and its group."""
        return self._ask("GET", f"/api/alerts/{quote(alert, safe='')}", AlertDetail)

    def act(self, alert: str, what: Act, why: str) -> AlertShown:
        """What a person does with an alert."""
        return self._ask("POST", f"/api/alerts/{quote(alert, safe='')}/{what}", AlertShown, Why(why))

    def rules(self) -> RulesShown:
        """All that is watched."""
        return self._ask("GET", "/api/alerts/rules", RulesShown)

    def silences(self) -> tuple[Silence, ...]:
        """The silences that hold."""
        return self._ask("GET", "/api/silences", Silences).silences

    def silence(self, wanted: NewSilence) -> Silence:
        """Makes a silence."""
        return self._ask("POST", "/api/silences", Silence, wanted)

    def unsilence(self, silence: str) -> Silence:
        """Ends a silence."""
        return self._ask("DELETE", f"/api/silences/{quote(silence, safe='')}", Silence)

    def test(self, wanted: Trial) -> Tested:
        """What would be sent of a rule; sent if that is wanted."""
        return self._ask("POST", "/api/alerts/test", Tested, wanted)

    def _ask(self, method: str, target: str, kind: type[T], body: msgspec.Struct | None = None) -> T:
        sent = None if body is None else msgspec.json.encode(body)
        status, answer = self._client.ask(method, target, sent)
        if status >= 300:
            raise AlertsRefused(detail=refusal(answer).message)
        return msgspec.json.decode(answer, type=kind)


class OwnOffice:
    """This process does it, under the directory's lock; nothing is evaluated meanwhile."""

    def __init__(self, book: AlertBook, watch: Watch) -> None:
        self._book = book
        self._watch = watch

    @property
    def _now_ns(self) -> int:
        return SystemClock().wall_ns()

    def list(self, wanted: Wanted) -> tuple[AlertShown, ...]:
        """The alerts asked for, newest first."""
        since = since_ns(wanted.since, self._now_ns) if wanted.since else 0
        asked = AlertsAsked(wanted.task, wanted.rule, wanted.signal, wanted.state, since, wanted.limit)
        return self._book.list(asked, self._watch, self._now_ns)

    def show(self, alert: str) -> AlertDetail:
        """One alert with its history and its group."""
        return self._book.detail(alert, self._watch, self._now_ns)

    def act(self, alert: str, what: Act, why: str) -> AlertShown:
        """What a person does with an alert."""
        return self._book.act(alert, what, self._watch, self._now_ns, OWNER, why)

    def rules(self) -> RulesShown:
        """All that is watched."""
        minute = self._book.minute or self._now_ns // MINUTE_NS
        behind_s = (self._now_ns - minute * MINUTE_NS) / SECOND_NS
        return rules_shown(self._book.evaluation, self._watch, minute, behind_s, MAX_MONITORS)

    def silences(self) -> tuple[Silence, ...]:
        """The silences that hold."""
        return self._book.silences(self._now_ns)

    def silence(self, wanted: NewSilence) -> Silence:
        """Makes a silence."""
        now_ns = self._now_ns
        until_ns = now_ns + int(wanted.for_s * SECOND_NS)
        facts = wanted.task, wanted.signal, wanted.rule, now_ns, until_ns, OWNER, wanted.why
        return self._book.silence(Silence("", *facts), now_ns)

    def unsilence(self, silence: str) -> Silence:
        """Ends a silence."""
        return self._book.unsilence(silence, self._now_ns)

    def test(self, wanted: Trial) -> Tested:
        """What would be sent of a rule; sent when `trimtab up` runs next, if that is wanted."""
        found = tested(self._watch, wanted.rule, wanted.task, self._now_ns)
        if wanted.send:
            self._book.put_test(msgspec.json.encode(found.message), found.receivers, self._now_ns)
        return found
