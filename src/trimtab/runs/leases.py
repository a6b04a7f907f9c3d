"""Keeps the leases of the runs that this process drives, from a thread of its own, whatever their loops are doing."""

from __future__ import annotations

import threading
from typing import Protocol

from trimtab.errors import JournalUnavailable, TrimtabError
from trimtab.journal.asks import Ask, Lease, Renew, Told
from trimtab.journal.entries import Order
from trimtab.journal.refusals import JournalRefusal


class Held(Protocol):
    """A run that is driven here."""

    run: str
    epoch: int

    def renewed(self, lease: Lease) -> None:
        """Its lease was renewed; says what was ordered meanwhile."""

    def heard(self, order: Order, by: str, reason: str) -> None:
        """An order was given to it."""

    def halt(self, why: TrimtabError) -> None:
        """It is not held here any more."""


class Asks(Protocol):
    """The journal for threads."""

    def do(self, ask: Ask) -> Told:
        """What was told; raises `JournalRefusal` and `JournalUnavailable`."""


class Leases:
    """The leases of one runtime. The thread runs while there are any; it renews each three times before it runs out."""

    def __init__(self, keeper: Asks, lease_s: float) -> None:
        self._keeper = keeper
        self._lease_s = lease_s
        self._held: dict[str, Held] = {}
        self._guard = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"Leases({len(self._held)} held for {self._lease_s:g} s)"

    def hold(self, session: Held) -> None:
        """Keeps its lease from here on."""
        with self._guard:
            self._held[session.run] = session
            if self._thread is None:
                self._over = threading.Event()
                self._thread = threading.Thread(target=self._run, args=(self._over,), name="leases", daemon=True)
                self._thread.start()

    def let_go(self, session: Held) -> None:
        """Keeps it no longer."""
        with self._guard:
            if self._held.get(session.run) is session:
                del self._held[session.run]
            if not self._held:
                self._over.set()
                self._thread = None

    def hear(self, runs: tuple[str, ...], order: Order, by: str, reason: str) -> None:
        """Tells those of these runs that are held here of an order."""
        with self._guard:
            reached = [self._held[run] for run in runs if run in self._held]
        for session in reached:
            session.heard(order, by, reason)

    def _run(self, over: threading.Event) -> None:
        while not over.wait(self._lease_s / 3):
            with self._guard:
                held = list(self._held.values())
            for session in held:
                self._renew(session)

    def _renew(self, session: Held) -> None:
        try:
            told = self._keeper.do(Renew(session.run, session.epoch, self._lease_s))
        except JournalUnavailable:
            return  # the next step finds out, and the lease may last until keeper is back
        except JournalRefusal as refusal:
            session.halt(refusal)
            return
        if isinstance(told, Lease):
            session.renewed(told)
