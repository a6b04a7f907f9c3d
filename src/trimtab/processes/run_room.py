"""The journal of runs as control has it: read in a thread of its own, beside keeper, which alone writes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Final, Protocol, TypeVar

from starlette.exceptions import HTTPException

from trimtab.clock import Clock
from trimtab.console.run_desk import Branch, Compared, Redriven, Wanted
from trimtab.declare.runs import VolatilePath
from trimtab.declare.volatile import volatile_of
from trimtab.errors import DeclarationError, InvalidRequest, JournalUnavailable
from trimtab.journal.asks import Ask, Find, FindReviews, Reviews, RunRow, Runs, Told
from trimtab.journal.client import BlockingAsking
from trimtab.journal.entries import Body, Erased, Logged, Order, Reconciliation
from trimtab.journal.erasing import FindShreds, Shreds
from trimtab.journal.keeping import FindHolds, Hold, Holds
from trimtab.journal.reading import body_read, entries_of, row_of, rows_of
from trimtab.journal.refusals import JournalRefusal, ReviewUnknown, RunUnknown
from trimtab.journal.run_counts import CountRuns, LiveRuns, RunsCounted
from trimtab.journal.runs.divided import Divided
from trimtab.journal.runs.reader import READS
from trimtab.journal.steps import Log, blinded, log_of
from trimtab.processes.run_acts import dead, forked, ordered, reconciled, redriven
from trimtab.processes.run_book import compared, tree_of
from trimtab.processes.run_changes import Load, NoFork
from trimtab.processes.run_export import NoCase, case_line, exported

T = TypeVar("T")
MOST_ENTRIES: Final = 300_000
"""Entries of logs that are kept for the next look, of all runs together; beyond that, those looked at least go."""
MOST_EXPORTED: Final = 256 << 20


class ReadingFace(BlockingAsking, Protocol):
    """A reader of the journal that can be let go of."""

    def close(self) -> None:
        """Lets go of it."""


class RunRoom:
    """Reads in one thread, writes in another: an answer that keeper owes holds up no page.

    `open_reader` is called in the thread that will use it, again and again while it raises `StoreError`, or gives None
    where no run was ever kept. `load` reads the declaration, which what a fork changes is held against.
    """

    def __init__(
        self,
        open_reader: Callable[[], ReadingFace | None],
        keeper: BlockingAsking,
        clock: Clock,
        load: Load | None = None,
    ) -> None:
        self._readers = _Thread(open_reader, "runs-read")
        self._writers = _Thread(open_reader, "runs-write")
        self._keeper = keeper
        self._clock = clock
        self._load = load
        self._logs: OrderedDict[str, tuple[list[Logged], Log]] = OrderedDict()

    def __repr__(self) -> str:
        return f"RunRoom({len(self._logs)} logs)"

    async def do(self, ask: Ask) -> Told:
        """What is told: by the reader beside keeper where it only reads, else by keeper. Raises `JournalRefusal`,
        `StoreError` and `JournalUnavailable`.
        """
        thread = self._readers if isinstance(ask, READS) else self._writers
        return await thread.do(lambda reader: Divided(reader, self._keeper).do(ask))

    async def find(self, wanted: Find) -> tuple[RunRow, ...]:
        """Runs, the latest first."""
        return await self._read(lambda journal: rows_of(journal, wanted))

    async def live(self) -> tuple[LiveRuns, ...]:
        """How many runs have not ended, by task, state and whom they wait for."""
        told = await self._read(lambda journal: journal.do(CountRuns()))
        return told.live if isinstance(told, RunsCounted) else ()

    async def log(self, run: str) -> tuple[RunRow, Log]:
        """A run with its log, without what was said of samples that others still look at."""
        return await self._read(lambda journal: self._log(journal, run))

    async def bodies(self, run: str, named: Sequence[Body]) -> Mapping[str, bytes | None]:
        """The bytes of bodies by their digests."""
        return await self._read(lambda journal: {one.digest: body_read(journal, run, one) for one in named})

    async def compared(self, left: str, right: str) -> Compared:
        """Two runs side by side."""
        return await self._read(lambda journal: compared(journal, left, right))

    async def tree(self, run: str) -> Branch:
        """A run with the runs that it began."""
        return await self._read(lambda journal: tree_of(journal, run))

    async def dead(self, wanted: Find) -> tuple[RunRow, ...]:
        """Runs that failed or are parked, and were not forked since."""
        return await self._read(lambda journal: dead(journal, wanted))

    async def case(self, run: str, at: int) -> str:
        """A step as a case, a line of JSON; its run is kept as long as what was exported is."""
        line = await self._read(lambda journal: case_line(journal, run, at))
        with suppress(JournalUnavailable):
            await self._write(lambda journal: journal.do(Hold(run, "exported", "console")))
        return line

    async def export(self, run: str) -> bytes:
        """A run whole, as lines of JSON; raises `InvalidRequest` for one over 256 MiB."""
        return await self._read(lambda journal: _bounded(exported(journal, run, self._volatile()), run))

    def _volatile(self) -> Sequence[VolatilePath]:
        """What is declared volatile in requests; nothing while the declaration has mistakes."""
        with suppress(DeclarationError):
            return volatile_of(self._load()) if self._load is not None else ()
        return ()

    async def order(self, order: Order, by: str, reason: str, *, run: str = "", task: str = "") -> tuple[str, ...]:
        """Gives an order; the runs that it reached."""
        return await self._write(lambda journal: ordered(journal, order, by, reason, run=run, task=task))

    async def fork(self, wanted: Wanted) -> RunRow:
        """Makes a fork."""
        now_ns = self._clock.wall_ns()
        return await self._write(lambda journal: forked(journal, wanted, now_ns, self._load))

    async def reconcile(
        self, run: str, of: int, found: Reconciliation, by: str, reason: str, output: bytes | None
    ) -> RunRow:
        """Says what became of a step whose outcome was unknown."""
        now_ns = self._clock.wall_ns()
        return await self._write(lambda journal: reconciled(journal, run, of, found, by, reason, output, now_ns))

    async def redrive(self, run: str) -> Redriven:
        """Takes up a run that failed in a fork."""
        now_ns = self._clock.wall_ns()
        return await self._write(lambda journal: redriven(journal, row_of(journal, run), now_ns))

    async def close(self) -> None:
        """Lets go of the journal."""
        for thread in (self._readers, self._writers):
            await thread.close()

    async def _read(self, work: Callable[[BlockingAsking], T]) -> T:
        with _mapped():
            return await self._readers.do(work)

    async def _write(self, work: Callable[[BlockingAsking], T]) -> T:
        with _mapped():
            return await self._writers.do(lambda reader: work(Divided(reader, self._keeper)))

    def _log(self, journal: BlockingAsking, run: str) -> tuple[RunRow, Log]:
        """A run's log; what was read before is not read again, unless it was erased or is of another run by now."""
        row = row_of(journal, run)
        entries, log = self._logs.pop(run, ([], None))
        if log is not None and (log.started is None or log.started.at_ns != row.started_ns or log.head > row.head):
            entries, log = [], None
        if log is None or log.head < row.head:
            fresh = list(entries_of(journal, run, (log.head if log is not None else 0) + 1))
            erased = log is not None and any(isinstance(one.entry, Erased) for one in fresh)
            entries = list(entries_of(journal, run)) if erased else entries + fresh
            log = blinded(log_of(run, entries))
        self._logs[run] = (entries, log)
        while len(self._logs) > 1 and sum(len(kept) for kept, _ in self._logs.values()) > MOST_ENTRIES:
            self._logs.popitem(last=False)
        return row, log


class _Thread:
    """A thread with a reader of its own."""

    def __init__(self, open_reader: Callable[[], ReadingFace | None], name: str) -> None:
        self._open = open_reader
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._reader: ReadingFace | None = None

    async def do(self, work: Callable[[BlockingAsking], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(self._opened()))

    def _opened(self) -> BlockingAsking:
        if self._reader is None:
            self._reader = self._open()
        return self._reader or _NoRuns()

    async def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, reader.close)
        self._thread.shutdown(wait=False, cancel_futures=True)


class _NoRuns:
    """The journal before it has a run."""

    def do(self, ask: Ask) -> Told:
        run: str = getattr(ask, "run", "")
        if run:
            raise RunUnknown(run=run)
        review: str = getattr(ask, "review", "")
        if review:
            raise ReviewUnknown(review=review)
        if isinstance(ask, FindHolds):
            return Holds(())
        if isinstance(ask, CountRuns):
            return RunsCounted(())
        if isinstance(ask, FindShreds):
            return Shreds(())
        return Reviews(()) if isinstance(ask, FindReviews) else Runs(())


@contextmanager
def _mapped() -> Iterator[None]:
    """What the journal refuses as what an answer of HTTP says."""
    try:
        yield
    except RunUnknown as unknown:
        raise HTTPException(404, str(unknown)) from unknown
    except (JournalRefusal, NoFork, NoCase, DeclarationError) as refused:
        raise InvalidRequest(detail=str(refused)) from refused


def _bounded(lines: Iterator[bytes], run: str) -> bytes:
    found, size = [], 0
    for line in lines:
        size += len(line)
        if size > MOST_EXPORTED:
            detail = f"run {run} has more than {MOST_EXPORTED >> 20} MiB; `trimtab runs export` writes it to a file"
            raise InvalidRequest(detail=detail)
        found.append(line)
    return b"".join(found)
