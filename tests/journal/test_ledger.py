"""The attempt ledger: every try of a step, by whom, how it ended and what it cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.journal.logs import BEGAN, logged
from trimtab.journal.entries import Entry, Intent, Leased, Logged, Reconciled, Result, Started, StepKind, Tried
from trimtab.journal.ledger import MOST_LINES, ledgers, tries_of
from trimtab.journal.steps import Step, log_of


def tries(*entries: Entry) -> list[list[tuple[str, str, int]]]:
    """Of each step who tried, how it ended, and of which step the try is."""
    log = log_of("r", logged((Started(BEGAN, "refund"), *entries)))
    return [[(one.layer, one.cause, one.step) for one in ledger] for ledger in ledgers(log).values()]


def intent(request: str = "aa", step: StepKind = "model") -> Intent:
    return Intent(BEGAN, step, "answer", request, 0)


def test_one_good_try() -> None:
    """A step that went well at once has one line, which bears what it cost."""
    log = log_of(
        "r", logged((Started(BEGAN), intent(), Result(BEGAN, 2, "ok", took_s=0.5, cost_pusd=7, input_tokens=3)))
    )
    assert ledgers(log) == {2: (Tried("transport", "ok", BEGAN, took_s=0.5, cost_pusd=7, input_tokens=3),)}


def test_a_step_under_way() -> None:
    """It has a line that has not ended."""
    assert tries(intent(step="tool")) == [[("tool", "", 0)]]


def test_what_a_gateway_tried() -> None:
    """The lines of its result are taken as they are."""
    told = (Tried("transport", "upstream_error", 1, "small"), Tried("fallback", "ok", 2, "large", 0.1, 5))
    log = log_of("r", logged((Started(BEGAN), intent(), Result(BEGAN, 2, "ok", tried=told))))
    assert ledgers(log)[2] == told


def test_a_client_that_asks_again() -> None:
    """The same request after an error begins with the tries of the step before; after a good answer it does not."""
    failed = Result(BEGAN, 2, "error", error="deadline_total")
    assert tries(intent(), failed, intent(), Result(BEGAN, 4, "ok"), intent()) == [
        [("transport", "deadline_total", 0)],
        [("transport", "deadline_total", 2), ("client", "ok", 0)],
        [("transport", "", 0)],
    ]


def test_another_driver() -> None:
    """A lease that was granted between intent and result is a try of the driver before."""
    leased = (Leased(BEGAN, 1, "a"), intent(step="tool"), Leased(BEGAN, 2, "b"), Result(BEGAN, 3, "ok"))
    assert tries(*leased) == [[("driver", "lease_lost", 0), ("driver", "ok", 0)]]


def test_what_was_found_to_have_happened_was_not_tried_again() -> None:
    """A person said that it happened: no second driver took it."""
    entries = (
        intent(step="tool"),
        Leased(BEGAN, 2, "b"),
        Reconciled(BEGAN, 2, "happened", "ann"),
        Result(BEGAN, 2, "ok"),
    )
    assert tries(*entries) == [[("tool", "ok", 0)]]


def test_a_gateway_worker_that_died() -> None:
    """The result that was unknown is a try, and the one that took its place is the gateway's."""
    gone = Result(BEGAN, 2, "cancelled", error="abandoned")
    assert tries(intent(), gone, Result(BEGAN, 2, "ok")) == [[("gateway", "abandoned", 0), ("gateway", "ok", 0)]]


def test_a_ledger_is_bounded() -> None:
    """Of a client that asks again without end the latest tries are kept."""
    entries: list[Entry] = []
    for number in range(MOST_LINES + 50):
        entries += [intent(), Result(BEGAN, 2 + 2 * number, "error", error="internal")]
    assert len(tries(*entries)[-1]) == MOST_LINES


class Looked(list[Logged]):
    """Leases that count how many of them were looked at."""

    looks = 0

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        self.looks += len(found) if isinstance(at, slice) else 1
        return found

    def __iter__(self) -> Iterator[Logged]:
        for one in super().__iter__():
            self.looks += 1
            yield one


def test_a_run_that_was_taken_up_often_is_not_looked_through_for_each_step() -> None:
    """Of thousands of leases a step has those between its beginning and its end looked at."""
    leases = Looked(Logged(seq, Leased(BEGAN + seq, seq, "a"), "") for seq in range(1, 20_002, 2))
    step = Step(10_000, intent(step="tool"), Result(BEGAN, 10_000, "ok"), 10_004)
    found = tries_of(step, leases)
    assert [one.cause for one in found] == ["lease_lost", "lease_lost", "ok"]
    assert leases.looks < 100
