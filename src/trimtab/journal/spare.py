"""Room on the disk for what has happened already: what begins is refused first, so that what ends can be written."""

from __future__ import annotations

import sqlite3
from typing import Final

from trimtab.errors import JournalUnavailable, StorageFull, StoreError
from trimtab.journal.asks import Ask, AskReview, Begin, Claim, Journal, Note, Open, Tell, Told
from trimtab.journal.entries import Ended
from trimtab.journal.frames import refusal
from trimtab.record.disk import NO_ROOM
from trimtab.record.room import Room

BEGINNINGS: Final = (Open, Claim, Begin, AskReview, Tell)
LOWEST_BYTE: Final = 0xFF
"""The kind of an error of SQLite is in its lowest byte, what kind of it above (sqlite.org, result codes)."""


class Spared:
    """A journal with disk space held back. A commit that meets a full disk is given some of it, and from then until
    there is room again nothing begins: no run, step, review or event. Results, ends, leases, orders and decisions are
    written as long as the reserve lasts.
    """

    def __init__(self, journal: Journal, room: Room) -> None:
        self._journal = journal
        self._room = room

    def do(self, asks: list[Ask]) -> list[Told]:
        """As the journal does; raises `StoreError` when nothing was done."""
        full = self._full()
        while True:
            taken = [ask for ask in asks if full is None or not begins(ask)]
            try:
                told = iter(self._journal.do(taken) if taken else ())
            except StoreError as failure:
                if not is_of_room(failure) or not self._room.give_back():
                    raise
                full = self._room.refusal()
            else:
                break
        refused = refusal(JournalUnavailable(detail=str(full)))
        return [refused if full is not None and begins(ask) else next(told) for ask in asks]

    def _full(self) -> StorageFull | None:
        try:
            self._room.check(0, 0)
        except StorageFull as full:
            return full
        return None

    def __repr__(self) -> str:
        return f"Spared({self._journal!r}, {self._room!r})"


def begins(ask: Ask) -> bool:
    """Whether an ask begins something, which can wait while the disk is full."""
    return isinstance(ask, BEGINNINGS) or (isinstance(ask, Note) and not isinstance(ask.entry, Ended))


def is_of_room(failure: BaseException | None) -> bool:
    """Whether a full disk is the reason of a failure."""
    while failure is not None:
        if isinstance(failure, StorageFull) or (isinstance(failure, OSError) and failure.errno in NO_ROOM):
            return True
        if isinstance(failure, sqlite3.Error):
            code = getattr(failure, "sqlite_errorcode", 0)
            return code & LOWEST_BYTE == sqlite3.SQLITE_FULL
        failure = failure.__cause__
    return False
