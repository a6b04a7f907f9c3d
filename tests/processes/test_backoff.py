"""How long a dead child's successor waits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trimtab.processes.backoff import Backoff


def test_waits_double_to_a_cap_and_five_deaths_are_a_loop() -> None:
    """At once after the first death, then 0.1 s doubling to 5 s; from the fifth on it is a crash loop."""
    backoff = Backoff()
    delays = [backoff.died(None) for _ in range(9)]
    assert [delay.seconds for delay in delays] == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert [delay.looping for delay in delays] == [False] * 4 + [True] * 5
    assert repr(backoff) == "Backoff(9 deaths in a row)"


def test_steady_work_starts_a_new_count() -> None:
    """A child that had worked for 10 s is replaced at once, whatever happened before it."""
    backoff = Backoff()
    for _ in range(6):
        backoff.died(None)
    assert backoff.died(9.9).seconds == 3.2
    assert backoff.died(10.0) == (0.0, 1, False)


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e6)), max_size=200))
def test_wait_is_bounded(lives: list[float | None]) -> None:
    """No series of deaths makes a wait negative or longer than 5 s."""
    backoff = Backoff()
    assert all(0 <= backoff.died(life).seconds <= 5 for life in lives)
