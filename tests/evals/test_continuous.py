"""What is known of a scorer over all slots of a schedule."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import msgspec

from trimtab.evals.continuous import Result, Watched, after, resolved, worst
from trimtab.statistics.rates import Counted

HOUR = 60
CASES = [f"c{n}" for n in range(20)]


def slot(number: int, failing: Sequence[str] = ()) -> list[Result]:
    """All cases, of which some fail."""
    return [Result(case, case not in failing, f"{number}/{case}") for case in CASES]


def taught(slots: int = 169) -> Watched:
    """After a week of hours in which the last case failed every tenth time."""
    known = Watched("extract", "exact", "suite")
    for n in range(slots):
        known = after(known, (n + 1) * HOUR, slot(n, CASES[-1:] if n % 10 == 0 else ()), len(CASES), 0.5)
    return known


def test_a_week_is_learned_from_first() -> None:
    """169 hourly slots lie a week apart, first to last; no alarm comes of them though all fail in one."""
    known = taught(168)
    bad = after(known, 169 * HOUR, slot(168, CASES), len(CASES), 0.5)
    assert (known.state, bad.state, bad.runs) == (None, None, 169)
    assert known.baseline["c0"] == Counted(168, 168)
    assert known.baseline["c19"] == Counted(151, 168)


def test_few_slots_and_many_cases_are_learned_for_longer() -> None:
    """Daily, 24 slots; of 500 cases until 2500 samples are there, which 20 an hour are after 125 hours and a week."""
    known = Watched("extract", "exact", "suite")
    for n in range(24):
        known = after(known, (n + 1) * 1440, slot(n), len(CASES), 0.5)
        assert known.state is None
    assert after(known, 25 * 1440, slot(24), len(CASES), 0.5).state is not None
    assert after(taught(), 170 * HOUR, slot(169), 1000, 0.5).state is None
    assert after(taught(), 170 * HOUR, slot(169), 500, 0.5).state is not None


def test_a_drop_raises_an_alarm_that_names_the_calls() -> None:
    """Of cases that never failed two fail in each slot now: the alarm comes within a day, and tells since when."""
    known = taught()
    hours = 0
    while not known.alarmed and hours < 24:
        known = after(known, (170 + hours) * HOUR, slot(169 + hours, ("c1", "c2", "c19")), len(CASES), 0.5)
        hours += 1
    assert known.alarmed
    decision = known.decision
    assert decision is not None and decision.since is not None
    assert 168 * HOUR <= decision.since <= 171 * HOUR
    assert decision.direction == "falls"
    assert decision.baseline is not None and decision.baseline > 0.99
    assert {call.partition("/")[2] for call in worst(known)[:2]} == {"c1", "c2"}
    assert known.baseline["c1"].n == 169 + hours - 1
    held = after(known, (170 + hours) * HOUR, slot(169 + hours, ("c1", "c2")), len(CASES), 0.5)
    assert held.alarmed == known.alarmed
    assert held.baseline == known.baseline


def test_an_alarm_ends_when_all_is_as_before() -> None:
    """Within two days of good slots."""
    known = taught()
    for n in range(30):
        known = after(known, (170 + n) * HOUR, slot(169 + n, CASES[:4]), len(CASES), 0.5)
    assert known.alarmed
    for n in range(48):
        known = after(known, (200 + n) * HOUR, slot(199 + n), len(CASES), 0.5)
    assert not known.alarmed
    assert worst(known) == ()


def test_what_people_say_of_an_alarm() -> None:
    """Accepted, it learns what is now; resolved, it is held against the same as before."""
    known = taught()
    for n in range(12):
        known = after(known, (170 + n) * HOUR, slot(169 + n, CASES[:4]), len(CASES), 0.5)
    assert known.alarmed
    assert resolved(known, accepted=True) == Watched("extract", "exact", "suite")
    anew = resolved(known, accepted=False)
    assert (anew.alarmed, anew.state, anew.baseline) == (0, None, known.baseline)


def test_it_goes_on_from_what_was_stored() -> None:
    """Encoded and read again, the next slot gives the same."""
    random = Random(4)
    known = taught()
    for n in range(20):
        failing = [case for case in CASES if random.random() < 0.05]
        read = msgspec.msgpack.decode(msgspec.msgpack.encode(known), type=Watched)
        assert read == known
        known = after(read, (170 + n) * HOUR, slot(169 + n, failing), len(CASES), 0.5)
        assert known == after(known, 0, (), len(CASES), 0.5)
