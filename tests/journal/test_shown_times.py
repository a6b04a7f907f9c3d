"""When the steps of a run were, as a picture of it over time shows them."""

from __future__ import annotations

from tests.journal.logs import SECOND
from trimtab.journal.entries import Intent, Result, Started
from trimtab.journal.steps import Log, Step, without_pause


def step(seq: int, at_s: int, ended_s: int, took_s: float | None = None) -> Step:
    intent = Intent(at_s * SECOND, "tool", "look", "aa", 0)
    return Step(seq, intent, Result(ended_s * SECOND, seq, "ok", None, took_s=took_s), seq + 1)


def test_what_a_fork_has_of_its_origin_ends_where_it_begins() -> None:
    """However long ago that was; what it did itself stays when it was, and so do all steps of what is no fork."""
    steps = (step(3, 10, 12), step(5, 13, 100, took_s=0.0), step(8, 105, 106))
    forked = without_pause(Log("f", Started(100 * SECOND, "t", fork_of="r", fork_seq=6), steps))
    assert forked.steps == (step(3, 97, 99), step(5, 100, 100, took_s=0.0), step(8, 105, 106))
    begun = Log("r", Started(100 * SECOND, "t"), steps)
    assert without_pause(begun) == begun
    alone = Log("f", Started(100 * SECOND, "t", fork_of="r", fork_seq=2), steps[2:])
    assert without_pause(alone) == alone
