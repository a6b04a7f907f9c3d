"""The life of an alert, held against a model of it; who is told, and when."""

from __future__ import annotations

from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from trimtab.declare.alerting import Address, Receiver
from trimtab.policy.watch import Alerting, Maintenance
from trimtab.signals.alerts.alert import Alert, Evidence, Silence, WhatChanged
from trimtab.signals.alerts.grouping import CLOSE_NS, group_of
from trimtab.signals.alerts.life import HOLD_NS, REOPEN_NS, AlertRefused, Found, Moved, act, advance
from trimtab.signals.alerts.monitors import Place
from trimtab.signals.alerts.telling import HOUR_NS, in_window, mutes, tell

NOON_NS = 1_767_268_800_000_000_000
"""2026-01-01 12:00 UTC, a Thursday."""
MINUTE_NS = 60_000_000_000
PLACES = (Place("extract", "parse"), Place("route", "parse"))
HOOK = Receiver("oncall", "webhook", Address("https://h/a"))
TICKETS = Receiver("board", "webhook", Address("https://h/b"), severities=("ticket",))
ALERTING = Alerting(receivers={"oncall": HOOK, "board": TICKETS}, fallback=("oncall", "board"))


def found(place: Place = PLACES[0], began_ns: int = NOON_NS, **more: Any) -> Found:
    return Found(**{
        "place": place,
        "signal": "parse_rate",
        "severity": "page",
        "began_ns": began_ns,
        "evidence": Evidence("falls", "share"),
        **more,
    })  # fmt: skip


def alert(alert_id: str = "a1", **more: Any) -> Alert:
    facts = {
        "id": alert_id,
        "place": PLACES[0],
        "signal": "parse_rate",
        "severity": "page",
        "state": "open",
        "group": alert_id,
        "began_ns": NOON_NS,
        "found_ns": NOON_NS,
        "evidence": Evidence("falls", "share"),
        "opened_ns": NOON_NS,
        "changed_ns": NOON_NS,
    }
    return Alert(**{**facts, **more})


class Life(RuleBasedStateMachine):
    """Two places that hold or not, and people who act, against what each must then be."""

    @initialize()
    def begin(self) -> None:
        """Nothing is wrong yet."""
        self.now_ns = NOON_NS
        self.alerts: dict[Place, Alert] = {}
        self.model: dict[Place, tuple[str, int, int]] = {}
        self.steps: dict[str, list[tuple[str, str]]] = {}
        self.ids = map(str, count())
        self.heard: set[Place] = set()

    def keep(self, moved: list[Moved]) -> None:
        for one in moved:
            assert one.step is not None
            self.alerts[one.alert.place] = one.alert
            self.steps.setdefault(one.alert.id, []).append((one.step.before, one.step.after))

    @rule(holding=st.sets(st.sampled_from(PLACES)), minutes=st.sampled_from([1, 1, 5, 60, 26 * 60]))
    def look(self, holding: set[Place], minutes: int) -> None:
        """A pass finds some of them."""
        self.now_ns += minutes * MINUTE_NS
        self.keep(advance(self.alerts, [found(place) for place in holding], self.now_ns, lambda: next(self.ids)))
        for place in PLACES:
            state, since_ns, ended_ns = self.model.get(place, ("", 0, 0))
            if place in holding:
                if not state or (
                    state == "resolved" and (place not in self.heard or self.now_ns - ended_ns > REOPEN_NS)
                ):
                    self.heard.discard(place)
                    state, since_ns = "pending", self.now_ns
                elif state == "resolved" or (state == "pending" and self.now_ns - since_ns >= HOLD_NS):
                    state = "open"
            elif state and state != "resolved":
                state, ended_ns = "resolved", self.now_ns
            if state == "open":
                self.heard.add(place)
            if state:
                self.model[place] = state, since_ns, ended_ns

    @rule(place=st.sampled_from(PLACES), what=st.sampled_from(["acknowledge", "resolve", "accept"]))
    def person(self, place: Place, what: Any) -> None:
        """Somebody acts on an alert, or is told that this cannot be."""
        one = self.alerts.get(place)
        if one is None:
            return
        state, since_ns, ended_ns = self.model[place]
        if state == "resolved" or (what == "acknowledge" and state != "open"):
            with pytest.raises(AlertRefused):
                act(one, what, self.now_ns, "ana")
            return
        moved = act(one, what, self.now_ns, "ana", "because")
        assert moved.step is not None
        assert (moved.alert.by, moved.alert.why, moved.step.by) == ("ana", "because", "ana")
        self.keep([moved])
        is_over = what != "acknowledge"
        self.model[place] = ("resolved", since_ns, self.now_ns) if is_over else ("acknowledged", since_ns, ended_ns)

    @invariant()
    def states_are_those_of_the_model(self) -> None:
        """Every alert is what the model says, and its times agree with its state."""
        assert {place: one.state for place, one in self.alerts.items()} == {
            place: state for place, (state, _, _) in self.model.items()
        }
        for one in self.alerts.values():
            assert (one.ended_ns > 0) == (one.state == "resolved")
            assert one.opened_ns > 0 or one.state in {"pending", "resolved"}

    @invariant()
    def history_is_a_path(self) -> None:
        """Each step begins where the one before it ended, and none leads to where it was."""
        for path in self.steps.values():
            assert path[0] == ("", "pending")
            assert all(before == after for (_, after), (before, _) in pairwise(path))
            assert all(before != after for before, after in path)


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLife = Life.TestCase


def test_what_cannot_be_seen_stays() -> None:
    """While telemetry is down nothing is resolved for want of being found."""
    held = {PLACES[0]: alert()}
    assert advance(held, [], NOON_NS, lambda: "x", unseen=lambda place: True) == []


def test_a_limit_has_to_be_passed_over_the_window_too() -> None:
    """A pending alert that `lasts` keeps back does not open, and does once it no longer does."""
    held = {PLACES[0]: alert(state="pending", opened_ns=0)}
    later = NOON_NS + HOLD_NS
    assert advance(held, [found()], later, lambda: "x", lasts=lambda one: False) == []
    [moved] = advance(held, [found()], later, lambda: "x", lasts=lambda one: True)
    assert (moved.alert.state, moved.alert.opened_ns) == ("open", later)


def test_it_is_over_once_that_has_lasted() -> None:
    """What took half an hour to be found must be otherwise for as long; coming back meanwhile it begins anew."""
    held = alert(lasting_ns=30 * MINUTE_NS)
    [quiet] = advance({PLACES[0]: held}, [], NOON_NS, lambda: "x")
    assert (quiet.alert.state, quiet.alert.quiet_ns, quiet.step) == ("open", NOON_NS, None)
    later = NOON_NS + 29 * MINUTE_NS
    assert advance({PLACES[0]: quiet.alert}, [], later, lambda: "x") == []
    [back] = advance({PLACES[0]: quiet.alert}, [found()], later, lambda: "x")
    assert (back.alert, back.step) == (held, None)
    [over] = advance({PLACES[0]: quiet.alert}, [], later + MINUTE_NS, lambda: "x")
    assert over.alert.state == "resolved"


def test_what_is_suspected_again_is_not_over() -> None:
    """Evidence that gathers anew puts the end off, from then on."""
    held = alert(lasting_ns=MINUTE_NS, quiet_ns=NOON_NS)
    later = NOON_NS + 5 * MINUTE_NS
    [moved] = advance({PLACES[0]: held}, [], later, lambda: "x", suspected=lambda place: True)
    assert (moved.alert.state, moved.alert.quiet_ns, moved.step) == ("open", later, None)


def test_nothing_waits_for_a_clock_that_was_ahead() -> None:
    """Set right, what was found or told a day ahead is so for long enough, and what was quiet is so from now on."""
    ahead = NOON_NS + REOPEN_NS
    [opened] = advance({PLACES[0]: alert(state="pending", opened_ns=0, found_ns=ahead)}, [found()], NOON_NS, str)
    assert opened.alert.state == "open"
    [quiet] = advance({PLACES[0]: alert(lasting_ns=MINUTE_NS, quiet_ns=ahead)}, [], NOON_NS, str)
    [over] = advance({PLACES[0]: quiet.alert}, [], NOON_NS + MINUTE_NS, str)
    assert (quiet.alert.state, over.alert.state) == ("open", "resolved")
    told = tell([alert(told="page", told_ns=ahead)], ALERTING, heard, NOON_NS)
    assert [one.kind for one in told.tellings] == ["reminder"]


def test_one_that_comes_back_keeps_its_history() -> None:
    """Within a day it is the same alert, opened again; later it is another."""
    over = alert(state="resolved", ended_ns=NOON_NS)
    [again] = advance({PLACES[0]: over}, [found()], NOON_NS + REOPEN_NS, lambda: "x")
    assert (again.alert.id, again.alert.state, again.alert.reopened) == ("a1", "open", 1)
    [other] = advance({PLACES[0]: over}, [found()], NOON_NS + REOPEN_NS + 1, lambda: "x")
    assert (other.alert.id, other.alert.state) == ("x", "pending")


def test_one_that_leads_others_comes_back_as_itself() -> None:
    """However long ago it was resolved: who was told of its group stands with it, and they hear of the end."""
    over = alert(state="resolved", ended_ns=NOON_NS, told="page", told_to=("oncall",))
    member = alert("a2", place=PLACES[1], group="a1")
    held = {one.place: one for one in (over, member)}
    [again] = advance(held, [found(), found(PLACES[1])], NOON_NS + 2 * REOPEN_NS, lambda: "x")
    assert (again.alert.id, again.alert.state, again.alert.told_to) == ("a1", "open", ("oncall",))


CAUSE = WhatChanged("prompt", "extract", NOON_NS, "a", "b", share=1.0)
GROUPS = {
    "of the same task": (alert("a2", place=Place("extract", "length")), "a1"),
    "of the same task, but later": (
        alert("a2", place=Place("extract", "length"), began_ns=NOON_NS + CLOSE_NS + 1),
        "a2",
    ),
    "of another task": (alert("a2", place=Place("route", "parse")), "a2"),
    "of another task, with the same change": (alert("a2", place=Place("route", "parse"), causes=(CAUSE,)), "a1"),
    "infrastructure of another model": (alert("a2", place=Place("route", "t"), signal="ttft", models=("large",)), "a2"),
}


@pytest.mark.parametrize(("other", "group"), GROUPS.values(), ids=GROUPS)
def test_groups(other: Alert, group: str) -> None:
    """Alerts of one task, or of one change, that begin close together have one cause."""
    assert group_of(other, [alert(causes=(CAUSE,), models=("small",))]) == group


def test_what_serves_several_tasks_is_one_group() -> None:
    """Times of two tasks on one model that rise together are one alert on what serves them; behaviour is not."""
    first = alert(signal="ttft", models=("small", "large"))
    other = alert("a2", place=Place("route", "ttft"), signal="tpot", models=("small",))
    assert group_of(other, [first]) == "a1"
    assert group_of(replace(other, signal="parse_rate"), [first]) == "a2"
    assert group_of(other, [replace(first, state="resolved")]) == "a2"


def test_a_leader_that_comes_back_leaves_no_group() -> None:
    """While any of its own group lasts it goes on to lead that, whatever else it has a cause with by now."""
    again = alert(reopened=1)
    member = alert("a2", place=Place("extract", "tools"), group="a1", began_ns=NOON_NS - 2 * CLOSE_NS)
    other = alert("a3", place=Place("extract", "length"))
    assert group_of(again, [again, member, other]) == "a1"
    assert group_of(again, [again, replace(member, state="resolved"), other]) == "a3"


def heard(_alert: Alert) -> bool:
    return False


def test_a_group_is_told_once() -> None:
    """Of two alerts of one cause one message is made, the page first; then nothing until something changes."""
    ticket = alert("a1", severity="ticket")
    page = alert("a2", place=Place("extract", "tools"), group="a1")
    told = tell([ticket, page], ALERTING, heard, NOON_NS)
    [telling] = told.tellings
    assert (telling.kind, [one.id for one in telling.alerts], telling.receivers) == (
        "opened",
        ["a2", "a1"],
        ("oncall",),
    )
    [leader] = told.leaders
    assert (leader.id, leader.told) == ("a1", "page")
    assert tell([leader, page], ALERTING, heard, NOON_NS + MINUTE_NS) == ((), ())


def test_a_page_that_joins_a_ticket_is_told() -> None:
    """Whoever was told of a ticket, and those who take pages, are told that it grew worse."""
    ticket = alert("a1", severity="ticket", told="ticket", told_ns=NOON_NS)
    page = alert("a2", place=Place("extract", "tools"), group="a1")
    [telling] = tell([ticket, page], ALERTING, heard, NOON_NS).tellings
    assert (telling.kind, telling.receivers) == ("escalated", ("oncall",))


def test_it_is_told_when_all_of_it_is_over() -> None:
    """A group is over with its last alert, and is told as it was."""
    over = alert("a1", state="resolved", ended_ns=NOON_NS, told="page", told_ns=NOON_NS)
    member = alert("a2", place=Place("extract", "tools"), group="a1")
    assert tell([over, member], ALERTING, heard, NOON_NS).tellings == ()
    told = tell([over, replace(member, state="resolved")], ALERTING, heard, NOON_NS)
    assert [(one.kind, len(one.alerts)) for one in told.tellings] == [("resolved", 2)]
    assert told.leaders[0].told == ""


def test_who_takes_tickets_only_is_told_that_an_escalated_group_is_over() -> None:
    """Told of the ticket and not of the page that joined it, they hear of the end, as those do who take both."""
    [leader] = tell([alert(severity="ticket")], ALERTING, heard, NOON_NS).leaders
    page = alert("a2", place=Place("extract", "tools"), group="a1")
    [leader] = tell([leader, page], ALERTING, heard, NOON_NS).leaders
    over = [replace(one, state="resolved", ended_ns=NOON_NS) for one in (leader, page)]
    [telling] = tell(over, ALERTING, heard, NOON_NS).tellings
    assert (telling.kind, telling.severity, telling.receivers) == ("resolved", "page", ("board", "oncall"))


def test_who_was_not_told_is_not_told_that_it_is_over() -> None:
    """Of a page alone those who take tickets only heard nothing; a receiver that is gone from the declaration hears
    no more.
    """
    [leader] = tell([alert()], ALERTING, heard, NOON_NS).leaders
    over = replace(leader, state="resolved", ended_ns=NOON_NS)
    assert tell([over], ALERTING, heard, NOON_NS).tellings[0].receivers == ("oncall",)
    left = replace(ALERTING, receivers={"board": TICKETS})
    assert tell([over], left, heard, NOON_NS).tellings[0].receivers == ()


@pytest.mark.parametrize(
    ("state", "hours", "kinds"), [("open", 3, []), ("open", 4, ["reminder"]), ("acknowledged", 9, [])]
)
def test_reminders(state: str, hours: int, kinds: list[str]) -> None:
    """A page that nobody has acknowledged is told again after four hours."""
    waiting = alert(state=state, told="page", told_ns=NOON_NS)
    told = tell([waiting], ALERTING, heard, NOON_NS + hours * HOUR_NS)
    assert [one.kind for one in told.tellings] == kinds


def test_what_is_silenced_is_told_when_that_ends() -> None:
    """A silence of the task holds it back; of another task it does not; at its end what is still open is told."""
    silence = Silence("s", "extract", "", "", NOON_NS, NOON_NS + HOUR_NS, "ana", "load test")
    during = mutes([silence], (), NOON_NS)
    assert tell([alert()], ALERTING, during, NOON_NS).tellings == ()
    assert len(tell([alert(place=PLACES[1])], ALERTING, during, NOON_NS).tellings) == 1
    after = mutes([silence], (), NOON_NS + HOUR_NS)
    assert len(tell([alert()], ALERTING, after, NOON_NS + HOUR_NS).tellings) == 1
    assert tell([alert(state="resolved", ended_ns=NOON_NS)], ALERTING, after, NOON_NS + HOUR_NS).tellings == ()


@pytest.mark.parametrize(
    ("silence", "matches"),
    [
        (("extract", "", ""), True),
        (("", "parse_rate", ""), True),
        (("", "", "parse"), True),
        (("extract", "parse_rate", "parse"), True),
        (("route", "parse_rate", "parse"), False),
        (("extract", "ttft", ""), False),
    ],
)
def test_silences_match_all_that_they_name(silence: tuple[str, str, str], matches: bool) -> None:
    """Task, signal and rule; an empty one matches all."""
    assert Silence("s", *silence, NOON_NS, NOON_NS + 1, "ana", "w").matches(alert()) is matches


THURSDAY_NOON = 3 * 1440 + 12 * 60
WINDOWS = {
    "of every week": (Maintenance("r", THURSDAY_NOON - 10, THURSDAY_NOON + 10, weekly=True), True),
    "that has ended": (Maintenance("r", THURSDAY_NOON - 10, THURSDAY_NOON, weekly=True), False),
    "over the end of the week": (Maintenance("r", 6 * 1440, THURSDAY_NOON + 1, weekly=True), True),
    "of one day": (Maintenance("r", NOON_NS, NOON_NS + 1, weekly=False), True),
    "of another day": (Maintenance("r", NOON_NS - 2, NOON_NS, weekly=False), False),
}


@pytest.mark.parametrize(("window", "is_open"), WINDOWS.values(), ids=WINDOWS)
def test_windows_of_maintenance(window: Maintenance, is_open: bool) -> None:
    """A window holds from when it begins until before it ends, in UTC."""
    assert in_window(window, NOON_NS) is is_open
    assert mutes((), (window,), NOON_NS)(alert()) is is_open
    assert mutes((), (replace(window, tasks=("route",)),), NOON_NS)(alert()) is False


def test_an_owner_is_told_before_the_rest() -> None:
    """The receivers of a rule, else of the owner, else the fallback; each for the severities it takes."""
    owned = replace(ALERTING, owners={"team": ("board",)})
    ticket = alert(severity="ticket", owner="team")
    assert tell([ticket], owned, heard, NOON_NS).tellings[0].receivers == ("board",)
    assert tell([replace(ticket, receivers=("oncall",))], owned, heard, NOON_NS).tellings[0].receivers == ("oncall",)
    assert tell([replace(ticket, owner="")], owned, heard, NOON_NS).tellings[0].receivers == ("board", "oncall")
    page = replace(ticket, severity="page")
    assert tell([page], owned, heard, NOON_NS).tellings[0].receivers == ("oncall",)
