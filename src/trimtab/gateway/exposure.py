"""Whom a rollout reached: a table in a file that all workers of a host share, with a bound that holds among them."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from trimtab.errors import StoreError
from trimtab.gateway.bytelocks import ByteLocks

NUMBER: Final = struct.Struct("<Q")
HEAD: Final = 64
REACHED, COPIED, DROPPED = 0, 8, 16
OWNER_ONLY: Final = 0o600
LEAST_SLOTS: Final = 64


class Exposed(Struct, frozen=True):
    """How many units a canary reached; how many calls a shadow copied, and dropped because it was busy."""

    reached: int = 0
    copied: int = 0
    dropped: int = 0


class Exposure:
    """The open table. A unit is a number from 1 to 2^64 - 1; once it is in, it stays in.

    Looking one up takes no lock. Opening makes the file where there is none.
    Raises `StoreError` when the file cannot be used.
    """

    def __init__(self, path: Path, limit: int) -> None:
        slots = _slots(limit)
        size = HEAD + NUMBER.size * slots
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)
            try:
                # A write into a hole of a mapped file kills the process when the disk is full.
                os.posix_fallocate(self._fd, 0, size)
                self._map = mmap.mmap(self._fd, size)
            except BaseException:
                os.close(self._fd)
                raise
        except OSError as failure:
            raise StoreError(store=str(path), detail=str(failure)) from failure
        self._mask = slots - 1
        self._limit = limit
        self._locks = ByteLocks(self._fd)

    def admits(self, unit: int) -> bool:
        """Whether the unit is among those that were reached, or becomes one because there is still room."""
        if self._slot(unit)[1]:
            return True
        if self._read(REACHED) >= self._limit:
            return False
        with self._alone():
            slot, is_in = self._slot(unit)
            reached = self._read(REACHED)
            if is_in or reached >= self._limit:
                return is_in
            NUMBER.pack_into(self._map, REACHED, reached + 1)  # first: a death between the two reaches one less
            NUMBER.pack_into(self._map, slot, unit)
        return True

    def copied(self) -> None:
        """A call was copied."""
        self._count(COPIED)

    def dropped(self) -> None:
        """A call was not copied, because too many copies were under way."""
        self._count(DROPPED)

    @property
    def figures(self) -> Exposed:
        """The counts of all workers."""
        return Exposed(self._read(REACHED), self._read(COPIED), self._read(DROPPED))

    def close(self) -> None:
        """Lets go of the file."""
        self._map.close()
        os.close(self._fd)

    def _slot(self, unit: int) -> tuple[int, bool]:
        """The place of a unit, or the free one where it would go; the table is at most half full.

        Raises `StoreError` for a file that is full, which is none of ours.
        """
        for step in range(self._mask + 1):
            place = HEAD + NUMBER.size * ((unit + step) & self._mask)
            found = NUMBER.unpack_from(self._map, place)[0]
            if found in (0, unit):
                return place, found == unit
        raise StoreError(store="of whom a rollout reached", detail="its table is full; begin the rollout anew")

    def _read(self, place: int) -> int:
        number: int = NUMBER.unpack_from(self._map, place)[0]
        return number

    def _count(self, place: int) -> None:
        with self._alone():
            NUMBER.pack_into(self._map, place, self._read(place) + 1)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._locks.wait(0)
        try:
            yield
        finally:
            self._locks.free(0)

    def __repr__(self) -> str:
        return f"Exposure({self._read(REACHED)} of {self._limit})"


def _slots(limit: int) -> int:
    slots = LEAST_SLOTS
    while slots < 2 * limit:
        slots *= 2
    return slots
