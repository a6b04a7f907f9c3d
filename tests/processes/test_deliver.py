"""What lies in the outbox is delivered once, tried again while that may help, and then a dead letter."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import msgspec
import pytest

from tests.signals.notify.telling import alert, sent
from trimtab.database.migrate import open_state
from trimtab.journal.alerts import AlertStore, Outgoing, Passed
from trimtab.journal.outbox import Outbox
from trimtab.policy.secrets import Secrets
from trimtab.policy.watch import Address, Alerting, Receiver, Watch
from trimtab.processes.deliver import Delivery, revealed
from trimtab.signals.notify.message import Message
from trimtab.signals.notify.post import Undelivered
from trimtab.testing import JumpingClock

HOUR_S = 3600.0


class Carrier:
    """Stands for the network: does what the receiver's script says, the last of it from then on."""

    def __init__(self, **scripts: list[Exception | None]) -> None:
        self._scripts = scripts
        self.told: list[tuple[str, str]] = []

    def deliver(self, message: Message, receiver: Receiver) -> None:
        self.told.append((receiver.name, message.id))
        script = self._scripts.get(receiver.name, [None])
        done = sum(name == receiver.name for name, _ in self.told)
        failure = script[min(done, len(script)) - 1]
        if failure is not None:
            raise failure


def watch(*names: str) -> Watch:
    receivers = {name: Receiver(name, "webhook", Address("http://127.0.0.1/")) for name in names}
    return Watch(environment="production", alerting=Alerting(receivers=receivers))


class Office:
    """An outbox in a file, and a delivery that is looked at after each pause."""

    def __init__(self, path: Path, carrier: Carrier, *declared: str) -> None:
        self.clock = JumpingClock()
        self.path = path
        self.database = open_state(path)
        self.alerts, self.outbox = AlertStore(open_state(path)), Outbox(self.database)
        self._parts = carrier, lambda: watch(*declared), self.clock, random.Random(1), self._pause
        self.delivery = Delivery(self.outbox, *self._parts)
        self._left = self._writable_at = 0
        self._pause_s = 0.0

    def put(self, name: str, receiver: str = "oncall", body: bytes | None = None) -> None:
        now_ns = self.clock.wall_ns()
        told = msgspec.json.encode(sent("opened", alert())) if body is None else body
        self.alerts.keep(Passed(outgoing=(Outgoing(name, "a1", "opened", receiver, told, now_ns, now_ns),)))

    def work(self, pauses: int, pause_s: float = 1.0, writable_after: int = 0) -> None:
        """Lets it go on until it has paused so often, each time for so long; `writable_after` so many pauses the
        outbox can be written, if it could not before.
        """
        self._left, self._pause_s = pauses, pause_s
        self._writable_at = pauses - writable_after if writable_after else -1
        self.delivery = Delivery(self.outbox, *self._parts)
        with pytest.raises(ExceptionGroup):
            asyncio.run(self._run())

    async def _run(self) -> None:
        try:
            await self.delivery.run()
        except asyncio.CancelledError:
            raise AssertionError("it ended by itself") from None

    async def _pause(self, seconds: float) -> None:
        while self.delivery.under_way:
            await asyncio.sleep(0)
        self.clock.advance(self._pause_s)
        self._left -= 1
        if self._left == self._writable_at:
            self.database.execute("PRAGMA query_only = OFF")
        if self._left <= 0:
            raise EndOfTest

    def state(self, name: str) -> tuple[str, int, str]:
        letter = self.outbox.get(name)
        assert letter is not None
        return letter.state, letter.tries, letter.why


class EndOfTest(Exception):
    """A test has seen enough."""


def test_a_letter_is_delivered_once(tmp_path: Path) -> None:
    """What arrived is not sent again."""
    carrier = Carrier()
    office = Office(tmp_path / "state.db", carrier, "oncall")
    office.put("m1")
    office.work(5)
    assert carrier.told == [("oncall", "m1")]
    assert office.state("m1") == ("delivered", 1, "")


@pytest.mark.parametrize("broken", [ValueError("Port out of range 0-65535"), UnicodeError("p\u00e4ss"), TypeError("x")])
def test_a_carrier_that_breaks_ends_its_letter_alone(tmp_path: Path, broken: Exception) -> None:
    """An address or a secret nobody thought of (a port of 99999, a password that is no ASCII) stops nothing else; what
    broke is told by its kind only, since its text may hold the address.
    """
    carrier = Carrier(oncall=[broken, None])
    office = Office(tmp_path / "state.db", carrier, "oncall", "other")
    office.put("m1")
    office.put("m2", "other")
    office.work(5)
    assert office.state("m2")[0] == "delivered"
    state, tries, why = office.state("m1")
    assert (state, tries, type(broken).__name__ in why, str(broken) in why) == ("dead", 1, True, False)


def test_a_full_disk_brings_no_message_twice(tmp_path: Path) -> None:
    """While it cannot be written that a message arrived, it is not sent again and again."""
    carrier = Carrier()
    office = Office(tmp_path / "state.db", carrier, "oncall")
    office.put("m1")
    office.database.execute("PRAGMA query_only = ON")
    office.work(3)
    assert (carrier.told, office.state("m1")) == ([("oncall", "m1")], ("waiting", 0, ""))


def test_what_became_of_a_message_is_written_once_it_can_be(tmp_path: Path) -> None:
    """It is not sent again for that."""
    carrier = Carrier()
    office = Office(tmp_path / "state.db", carrier, "oncall")
    office.put("m1")
    office.database.execute("PRAGMA query_only = ON")
    office.work(5, writable_after=3)
    assert carrier.told == [("oncall", "m1")]
    assert office.state("m1") == ("delivered", 1, "")


def test_what_is_long_past_is_let_go(tmp_path: Path) -> None:
    """What was delivered is kept for 400 days, as alerts are; what waits is not dropped."""
    office = Office(tmp_path / "state.db", Carrier(oncall=[None]), "oncall")
    office.put("m1")
    office.work(2)
    office.clock.advance(401 * 24 * HOUR_S)
    office.put("m2")
    office.work(2)
    assert office.outbox.get("m1") is None
    assert office.state("m2")[0] == "delivered"


def test_a_failure_is_tried_again_until_it_passes(tmp_path: Path) -> None:
    """The message stays the same, and so does its id."""
    carrier = Carrier(oncall=[Undelivered("HTTP 503"), Undelivered("HTTP 503"), None])
    office = Office(tmp_path / "state.db", carrier, "oncall")
    office.put("m1")
    office.work(40)
    assert carrier.told == [("oncall", "m1")] * 3
    assert office.state("m1") == ("delivered", 3, "")


def test_what_cannot_be_delivered_in_a_day_is_a_dead_letter(tmp_path: Path) -> None:
    """It is given up after a day, and can be sent again from among the dead letters."""
    carrier = Carrier(oncall=[Undelivered("it cannot be reached")])
    office = Office(tmp_path / "state.db", carrier, "oncall")
    office.put("m1")
    office.work(24, HOUR_S)
    assert office.state("m1")[0] == "waiting"
    office.work(2, HOUR_S)
    assert office.state("m1")[::2] == ("dead", "it cannot be reached")
    assert office.outbox.again("m1", office.clock.wall_ns())


def test_one_that_is_sent_again_has_a_day_again(tmp_path: Path) -> None:
    """A letter that was given up long ago and is taken up again is tried as often as a new one."""
    carrier = Carrier(oncall=[Undelivered("it cannot be reached")])
    office = Office(tmp_path / "state.db", carrier, "oncall")
    office.put("m1")
    office.work(26, HOUR_S)
    assert office.state("m1")[0] == "dead"
    office.outbox.again("m1", office.clock.wall_ns())
    office.work(24, HOUR_S)
    assert (office.state("m1")[0], office.state("m1")[1] > 10) == ("waiting", True)
    office.work(2, HOUR_S)
    assert office.state("m1")[0] == "dead"


def test_a_final_refusal_is_a_dead_letter_at_once(tmp_path: Path) -> None:
    """Nothing is gained by trying again."""
    carrier = Carrier(oncall=[Undelivered("HTTP 404", is_final=True)])
    office = Office(tmp_path / "state.db", carrier, "oncall")
    office.put("m1")
    office.work(3)
    assert (office.state("m1")[0], len(carrier.told)) == ("dead", 1)


def test_a_receiver_that_asks_for_rest_is_left_alone(tmp_path: Path) -> None:
    """A busy receiver says for how long, and is not asked again before."""
    carrier = Carrier(oncall=[Undelivered("HTTP 429", after_s=600.0), None])
    office = Office(tmp_path / "state.db", carrier, "oncall")
    office.put("m1")
    office.work(9, 60.0)
    assert len(carrier.told) == 1
    office.work(3, 60.0)
    assert office.state("m1")[0] == "delivered"


def test_a_failing_receiver_holds_up_no_other(tmp_path: Path) -> None:
    """What is for others goes out beside it; of one receiver one message goes at a time."""
    carrier = Carrier(broken=[Undelivered("it cannot be reached")])
    office = Office(tmp_path / "state.db", carrier, "broken", "oncall")
    office.put("m1", "broken")
    office.put("m2")
    office.put("m3")
    office.work(3)
    assert [office.state(name)[0] for name in ("m1", "m2", "m3")] == ["waiting", "delivered", "delivered"]


@pytest.mark.parametrize(
    ("receiver", "body", "why"),
    [
        ("gone", None, "the receiver is not declared any more"),
        ("oncall", b"{", "what was to be told cannot be read"),
    ],
)
def test_what_nobody_can_deliver_is_a_dead_letter(tmp_path: Path, receiver: str, body: bytes | None, why: str) -> None:
    """A receiver that is gone and a body that is damaged are told, not tried for ever."""
    office = Office(tmp_path / "state.db", Carrier(), "oncall")
    office.put("m1", receiver, body)
    office.work(3)
    assert office.state("m1")[::2] == ("dead", why)


def test_what_was_under_way_when_it_ended_is_sent_again(tmp_path: Path) -> None:
    """A message may come twice, under the same id, rather than never."""
    carrier = Carrier()
    office = Office(tmp_path / "state.db", carrier, "oncall")
    office.put("m1")
    again = Office(tmp_path / "state.db", carrier, "oncall")
    again.work(2)
    assert carrier.told == [("oncall", "m1")]


def test_secret_addresses_are_read_where_they_lie(tmp_path: Path) -> None:
    """One that is written down is taken as it stands."""
    (tmp_path / "key").write_text("from a file\n")
    secrets = Secrets({"URL": "from a variable"})
    places = "env:URL", f"file:{tmp_path}/key"
    assert [revealed(Address(place, is_secret=True), secrets) for place in places] == ["from a variable", "from a file"]
    assert revealed(Address("https://hooks.example.com"), secrets) == "https://hooks.example.com"


def test_however_much_waits_for_one_receiver_others_are_told(tmp_path: Path) -> None:
    """A thousand letters for one that does not answer, all due for longer, hold up no letter for another."""
    carrier = Carrier(hook=[Undelivered("it answers 503")])
    office = Office(tmp_path / "state.db", carrier, "hook", "oncall")
    for number in range(1000):
        office.put(f"h{number:03}", "hook")
    office.clock.advance(1.0)
    office.put("m1")
    office.work(2)
    assert ("oncall", "m1") in carrier.told
    assert office.state("m1") == ("delivered", 1, "")


def test_a_receiver_that_answers_gets_one_letter_after_another(tmp_path: Path) -> None:
    """What waits for it goes out in its order at one look, so that more than one letter a second never pile up."""
    carrier = Carrier()
    office = Office(tmp_path / "state.db", carrier, "oncall")
    names = [f"m{number:02}" for number in range(30)]
    for name in names:
        office.put(name)
    office.work(1)
    assert carrier.told == [("oncall", name) for name in names]
    assert {office.state(name) for name in names} == {("delivered", 1, "")}


def test_a_receiver_that_does_not_answer_is_asked_once_a_look(tmp_path: Path) -> None:
    """What waits behind the letter that failed waits for the next look, and is told then."""
    carrier = Carrier(oncall=[None, Undelivered("HTTP 503"), None])
    office = Office(tmp_path / "state.db", carrier, "oncall")
    for name in ("m1", "m2", "m3"):
        office.put(name)
    office.work(1)
    assert carrier.told == [("oncall", "m1"), ("oncall", "m2")]
    office.work(1)
    assert carrier.told[2:] == [("oncall", "m3")]
