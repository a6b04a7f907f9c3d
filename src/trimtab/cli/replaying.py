"""A recorded run that a command does again: an address in the place of models', a socket in the place of keeper's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from trimtab.clock import SystemClock
from trimtab.errors import TrimtabError
from trimtab.journal.asks import Ask, Begin, Begun, Lease, Open, Release, Told
from trimtab.journal.difference import first_difference
from trimtab.journal.entries import Body, Intent
from trimtab.journal.frames import refusal
from trimtab.journal.keeper import Keeper
from trimtab.journal.recording import Recording, copied, put, taken_again
from trimtab.journal.refusals import ANOTHER, Ambiguous, Divergence, RunExists
from trimtab.processes.listeners import open_unix_listener
from trimtab.testing.replay import ReplayServer
from trimtab.testing.runs import LocalRuns

WORKER: Final = "the replay"


class Replaying:
    """What a command is given in the place of the gateway and of keeper, and what it made of that.

    `environment` is for the command; `served` and `left` count steps of models, tools and others.
    """

    def __init__(self, recording: Recording, server: ReplayServer, local: LocalRuns, socket: Path) -> None:
        self._server = server
        self._copy = _Copy(recording, local)
        server.through(local)
        self._socket = socket
        run = recording.run
        self.environment = {
            "OPENAI_BASE_URL": f"{server.url}/v1",
            "ANTHROPIC_BASE_URL": server.url,
            "TRIMTAB_URL": server.url,
            "TRIMTAB_LOCK": recording.started.lock,
            "TRIMTAB_REPLAY": run,
            "TRIMTAB_REPLAY_SOCKET": str(socket),
        }

    @property
    def diverged(self) -> list[str]:
        """What was asked or done otherwise, in words."""
        return [*self._copy.diverged, *self._server.diverged]

    @property
    def served(self) -> int:
        """How many recorded answers were given again."""
        return self._server.served + len(self._copy.given)

    @property
    def left(self) -> int:
        """How many were not asked for again."""
        return self._server.left + len(self._copy.due - self._copy.given)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """The journal answers at its socket, in a thread of its own."""
        ready = Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]()
        thread = threading.Thread(target=asyncio.run, args=(self._keep(ready),), name="replay", daemon=True)
        thread.start()
        loop, over = ready.result()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(over.set)
            thread.join()

    async def _keep(self, ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
        try:
            over = asyncio.Event()
            keeper = Keeper(self._copy, SystemClock())
            await keeper.start(open_unix_listener(self._socket))
        except BaseException as failure:
            ready.set_exception(failure)
            raise
        ready.set_result((asyncio.get_running_loop(), over))
        await over.wait()
        await keeper.stop()


class _Copy:
    """The run's journal: a copy for the command to be held against, which notes what is not as it was.

    `due` are seqs of those steps that are to be asked for again, but calls of models, `given` those that were.
    """

    def __init__(self, recording: Recording, local: LocalRuns) -> None:
        self.diverged: list[str] = []
        self.due = frozenset[int]()
        self.given = set[int]()
        self._recording = recording
        self._local = local
        self._head = 0
        self._steps: dict[int, tuple[int, Intent]] = {}
        if recording.started.through == "sdk":
            self._take_in()

    def _take_in(self) -> None:
        """Writes the run down as it was, where a worker may take it up."""
        recording = self._recording
        seqs = put(self._local, recording)
        self.due = frozenset(seqs[seq] for seq in taken_again(recording))
        self._steps = {seqs[seq]: (seq, intent) for seq, intent, _ in recording.steps()}
        lease = self._local.do(Open(recording.run, copied(recording), WORKER))
        assert isinstance(lease, Lease)  # noqa: S101 - what an `Open` is told
        self._head = lease.head
        self._local.do(Release(recording.run, lease.epoch, wake_ns=0))

    def do(self, asks: list[Ask]) -> list[Told]:
        """Does them in order, each by itself."""
        return [self._one(ask) for ask in asks]

    def _one(self, ask: Ask) -> Told:
        try:
            told = self._local.do(ask)
        except TrimtabError as refused:
            self._note(ask, refused)
            return refusal(refused)
        if isinstance(ask, Begin) and isinstance(told, Begun):
            if told.seq > self._head:
                self.diverged.append(f"{ask.step} {ask.label} is taken, and none was recorded there")
            elif told.result is not None:
                self.given.add(told.seq)
        return told

    def _note(self, ask: Ask, refused: TrimtabError) -> None:
        detail = str(refused.facts.get("detail"))
        if isinstance(refused, RunExists) and isinstance(ask, Open):
            words = self._difference(self._recording.started.input, ask.started.input, ask.content)
            self.diverged.append(f"it is begun otherwise: {words or detail}")
        elif isinstance(refused, Divergence) and isinstance(ask, Begin):
            seq, intent = self._steps[int(str(refused.facts["seq"]))]
            words = self._difference(intent.input, ask.input, ask.content) if detail == ANOTHER else ""
            self.diverged.append(f"step {seq} ({intent.label}): {words or detail}")
        elif isinstance(refused, Ambiguous):
            self.diverged.append(str(refused))

    def _difference(self, was: Body | None, now: Body | None, content: bytes) -> str:
        """In words, how what is asked differs from what was; empty where that is not kept."""
        recorded = self._recording.content(was)
        asked = now.inline.encode() if now is not None and now.inline is not None else content
        found = first_difference(recorded, asked) if recorded is not None else None
        return found.told() if found is not None else ""


@contextmanager
def replaying(recording: Recording, folder: Path) -> Iterator[Replaying]:
    """Serves a recorded run from a folder until its end."""
    with ReplayServer(recording) as server, LocalRuns(directory=folder) as local:
        found = Replaying(recording, server, local, folder / "keeper.sock")
        with found.listening():
            yield found
