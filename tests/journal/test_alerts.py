"""Alerts in `state.db`: a pass is kept whole or not at all, and what is to be delivered is taken out of the outbox."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from trimtab.database.connection import connect
from trimtab.database.migrate import known, migrate, open_state
from trimtab.errors import StoreError
from trimtab.journal.alerts import (
    AlertRow,
    AlertsAsked,
    AlertStore,
    MonitorRow,
    Outgoing,
    Passed,
    SilenceRow,
    StepRow,
)
from trimtab.journal.dead_letters import DeadLetters, Letters
from trimtab.journal.outbox import Letter, Outbox

AT_NS = 1_767_225_600_000_000_000


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(state: Path) -> Iterator[AlertStore]:
    with contextlib.closing(AlertStore(open_state(state), most=2)) as made:
        yield made


@pytest.fixture
def outbox(state: Path) -> Iterator[Outbox]:
    with contextlib.closing(Outbox(open_state(state))) as made:
        yield made


def row(alert: str, state: str = "open", at_ns: int = AT_NS, task: str = "extract") -> AlertRow:
    return AlertRow(
        alert, f"{task}\x1fparse", task, "parse", "parse_rate", "page", state, alert, at_ns, at_ns, alert.encode()
    )


def outgoing(letter: str = "l1", due_ns: int = AT_NS) -> Outgoing:
    return Outgoing(letter, "a1", "opened", "oncall", b"{}", AT_NS, due_ns)


def test_a_pass_is_kept_whole(store: AlertStore, outbox: Outbox) -> None:
    """Minute, monitors, alerts with their steps, and what is to be delivered."""
    step = StepRow("a1", AT_NS, "", "pending", "evidence", "")
    monitor = MonitorRow("p", "extract", b"m", b"l")
    store.keep(Passed(7, (monitor,), (), (row("a1"),), (step,), (outgoing(),)))
    assert (store.minute(), store.monitors(), store.get("a1")) == (7, ((b"m", b"l"),), b"a1")
    assert store.history("a1") == (step,)
    assert [one.id for one in outbox.due(AT_NS, 10)] == ["l1"]


def test_a_pass_that_fails_leaves_nothing(store: AlertStore, outbox: Outbox) -> None:
    """A step of an alert that is not there undoes the rest."""
    stray = StepRow("nobody", AT_NS, "", "open", "evidence", "")
    with pytest.raises(StoreError):
        store.keep(Passed(7, (MonitorRow("p", "t", b"m", b"l"),), (), (row("a1"),), (stray,), (outgoing(),)))
    assert (store.minute(), store.monitors(), store.get("a1")) == (None, (), None)
    assert outbox.due(AT_NS, 10) == ()


def test_what_was_learned_is_kept_until_it_is_learned_anew(store: AlertStore) -> None:
    """Where a monitor stands changes each minute, what it learned once a day; one that is gone goes whole."""
    store.keep(Passed(1, (MonitorRow("p", "t", b"1", b"old"),)))
    store.keep(Passed(2, (MonitorRow("p", "t", b"2", None),)))
    assert store.monitors() == ((b"2", b"old"),)
    store.keep(Passed(3, (MonitorRow("p", "t", b"3", b"new"),)))
    assert store.monitors() == ((b"3", b"new"),)
    store.keep(Passed(4, gone=("p",)))
    assert (store.minute(), store.monitors()) == (4, ())


def opened(alert: str) -> StepRow:
    return StepRow(alert, AT_NS, "pending", "open", "evidence", "")


def test_alerts_are_listed_as_asked(store: AlertStore) -> None:
    """By task, rule, signal, state and time; the one found last first."""
    alerts = row("a1"), row("a2", "resolved", AT_NS + 1), row("a3", "acknowledged", AT_NS + 2, "route")
    store.keep(Passed(alerts=alerts, steps=(opened("a2"),)))
    listed = {
        "all": (AlertsAsked(), (b"a3", b"a2", b"a1")),
        "active": (AlertsAsked(state="active"), (b"a3", b"a1")),
        "resolved": (AlertsAsked(state="resolved"), (b"a2",)),
        "task": (AlertsAsked(task="route"), (b"a3",)),
        "rule": (AlertsAsked(rule="tools"), ()),
        "signal": (AlertsAsked(signal="parse_rate", limit=1), (b"a3",)),
        "tasks": (AlertsAsked(tasks=("route", "other"), limit=1), (b"a3",)),
        "other tasks": (AlertsAsked(tasks=("extract",), limit=1), (b"a2",)),
        "since": (AlertsAsked(since_ns=AT_NS + 1), (b"a3", b"a2")),
    }
    for asked, expected in listed.values():
        assert store.list(asked) == expected
    assert store.living(AT_NS + 2) == (b"a1", b"a3")
    assert store.living(AT_NS + 1) == (b"a1", b"a2", b"a3")


def test_what_did_not_last_takes_no_room_of_what_is_listed(store: AlertStore) -> None:
    """Nobody was told of it: it is neither shown nor counted among as many as are asked for."""
    over = StepRow("a2", AT_NS, "pending", "resolved", "evidence", "it did not last")
    alerts = row("a1", "resolved"), row("a2", "resolved", AT_NS + 1)
    store.keep(Passed(alerts=alerts, steps=(opened("a1"), over)))
    assert store.list(AlertsAsked(limit=1)) == (b"a1",)


def test_whoever_leads_an_alert_that_lives_is_among_the_living(store: AlertStore) -> None:
    """Of a group the leader knows who was told, however long ago it was resolved itself."""
    member = msgspec.structs.replace(row("a2", at_ns=AT_NS + 1), led_by="a1")
    store.keep(Passed(alerts=(row("a1", "resolved"), member)))
    assert store.living(AT_NS + 9) == (b"a1", b"a2")
    store.keep(Passed(alerts=(msgspec.structs.replace(member, state="resolved"),)))
    assert store.living(AT_NS + 9) == ()


def test_only_so_many_resolved_alerts_are_kept(store: AlertStore) -> None:
    """The oldest go, with their history; one that is open never does."""
    store.keep(Passed(alerts=(row("a0"), row("a1", "resolved")), steps=(opened("a1"),)))
    alerts = row("a2", "resolved", AT_NS + 1), row("a3", "resolved", AT_NS + 2)
    store.keep(Passed(alerts=alerts, steps=(opened("a2"), opened("a3"))))
    assert store.list(AlertsAsked(limit=9)) == (b"a3", b"a2", b"a0")
    assert store.history("a1") == ()
    store.retain(AT_NS + 2)
    assert store.list(AlertsAsked(limit=9)) == (b"a3", b"a0")


def test_silences_end(store: AlertStore) -> None:
    """One is kept until it has ended, and its end can be changed."""
    silence = SilenceRow("s1", "extract", "", "", AT_NS, AT_NS + 10, "ana", "load test")
    store.silence(silence)
    assert store.silences(AT_NS + 9) == (silence,)
    store.silence(msgspec.structs.replace(silence, until_ns=AT_NS + 5))
    assert store.silences(AT_NS + 5) == ()


def test_delivery_is_tried_until_it_arrives(store: AlertStore, outbox: Outbox) -> None:
    """What failed is due again when it was said to be; what arrived is not."""
    store.keep(Passed(alerts=(row("a1"),), outgoing=(outgoing("l1"), outgoing("l2", AT_NS + 5))))
    assert [one.id for one in outbox.due(AT_NS, 10)] == ["l1"]
    outbox.failed("l1", "503", AT_NS + 60)
    assert outbox.due(AT_NS + 59, 10)[0].id == "l2"
    waiting = outbox.get("l1")
    assert waiting == Letter("l1", "a1", "opened", "oncall", b"{}", AT_NS, AT_NS + 60, 1, "waiting", "503")
    outbox.delivered("l1")
    outbox.delivered("l2")
    assert outbox.due(2**62, 10) == ()
    assert [(one.id, one.state) for one in outbox.of_alert("a1")] == [("l2", "delivered"), ("l1", "delivered")]
    outbox.retain(AT_NS + 1)
    assert outbox.of_alert("a1") == ()


def test_a_clock_that_was_ahead_puts_nothing_off(store: AlertStore, outbox: Outbox) -> None:
    """What is due an hour from now waits for that; nothing is put off for a day, so that is due at once."""
    hour_ns = 3600 * 10**9
    store.keep(Passed(outgoing=(outgoing("l1", AT_NS + hour_ns), outgoing("l2", AT_NS + 24 * hour_ns))))
    assert [one.id for one in outbox.due(AT_NS, 10)] == ["l2"]
    assert [one.id for one in outbox.due(AT_NS + hour_ns, 10)] == ["l1", "l2"]


def test_what_cannot_be_delivered_is_a_dead_letter(state: Path, store: AlertStore, outbox: Outbox) -> None:
    """It waits among the dead letters, and is taken up again from there; both once."""
    store.keep(Passed(alerts=(row("a1"),), outgoing=(outgoing(),)))
    outbox.failed("l1", "503", AT_NS)
    outbox.dead("l1", "gave up after 2 tries", AT_NS + 7)
    outbox.dead("l1", "again", AT_NS + 8)
    assert outbox.due(2**62, 10) == ()
    letters = DeadLetters(open_state(state), most=10)
    [letter] = letters.list(Letters())
    assert (letter.id, letter.kind, letter.task, letter.cause) == ("l1", "alert", "extract", "undelivered")
    assert (letter.detail, letter.attempts, letter.last_call) == ("gave up after 2 tries", 2, "oncall")
    assert outbox.again("l1", AT_NS + 9)
    assert not outbox.again("l1", AT_NS + 9)
    begun_anew = Letter("l1", "a1", "opened", "oncall", b"{}", AT_NS + 9, AT_NS + 9, 0, "waiting", "")
    assert outbox.due(AT_NS + 9, 10) == (begun_anew,)
    assert letters.list(Letters()) == ()
    letters.close()


def test_dead_letters_of_an_older_release_are_kept(tmp_path: Path) -> None:
    """The table of dead letters is made anew for alerts, and keeps what was in it."""
    path = tmp_path / "old.db"
    with contextlib.closing(connect(path)) as old:
        migrate(old, path, tuple(one for one in known() if one.number < 6))
        old.execute(
            "INSERT INTO dead_letters (id, kind, task, model, cause, detail, attempts, first_ns, last_ns, last_call,"
            " size_bytes, kept, admitted) VALUES ('c1', 'records', 't', 'm', 'unreadable', 'd', 0, 1, 2, '', 3, 1, x'')"
        )
    with contextlib.closing(DeadLetters(open_state(path), most=10)) as letters:
        [letter] = letters.list(Letters())
    assert (letter.id, letter.kind, letter.first_ns, letter.last_ns, letter.size_bytes) == ("c1", "records", 1, 2, 3)
