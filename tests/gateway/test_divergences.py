"""A request that is not recorded is held against those that are, away from the event loop."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from trimtab.gateway.runs.recorded_runs import RecordedRuns
from trimtab.journal.asks import Ask, Told
from trimtab.journal.entries import Intent, Logged, Started, body_of
from trimtab.journal.recorded import RecordedSteps, Request
from trimtab.journal.requests import Path


class Watched(tuple[Path, ...]):
    """Volatile paths that know which threads looked at them."""

    def __new__(cls) -> Watched:
        made = super().__new__(cls, (("id",),))
        made.threads = set()
        return made

    threads: set[int]

    def __iter__(self) -> Iterator[Path]:
        self.threads.add(threading.get_ident())
        return super().__iter__()


class NoKeeper:
    """Has nothing: what is read here stands in the log itself."""

    async def do(self, ask: Ask) -> Told:
        raise AssertionError(ask)


async def test_recorded_requests_are_read_in_a_thread() -> None:
    """Up to 64 MiB of them are: the calls of other clients of the worker go on meanwhile."""
    steps, volatile = RecordedSteps("r", "model"), Watched()
    bodies = b'{"id": 1, "n": 1}', b'{"id": 2, "n": 22}'
    made = [
        Intent(1, "model", "triage", f"{at}", 0, input=body_of(body), tool="chat_completions")
        for at, body in enumerate(bodies)
    ]
    steps.take([Logged(seq, entry, "") for seq, entry in enumerate((Started(1, "triage"), *made), 1)])
    told = await RecordedRuns(NoKeeper()).divergence(steps, "triage", Request(b'{"n": 23}', b'{"n":23}'), volatile)
    assert "triage" in str(told)
    assert volatile.threads
    assert threading.get_ident() not in volatile.threads
