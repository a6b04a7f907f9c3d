"""Single bodies taken out of packs before their time, with what only they were made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from trimtab.errors import FormatError
from trimtab.record import packs
from trimtab.record.packs import Entry, Kind
from trimtab.record.reached import Frames
from trimtab.record.retention import rewrite

BEFORE: Final = 8
"""Packs before the first that holds one of these, in which pieces of a stream may lie."""
Referenced = Callable[[Set[bytes]], Set[bytes]]
"""Which of these digests something else still refers to."""


class Shredded(NamedTuple):
    """Bodies that no pack holds for what was taken out, and the bytes that came free."""

    gone: frozenset[bytes]
    freed: int


def shred(bodies: Path, digests: Set[bytes], referenced: Referenced) -> Shredded:
    """Takes these bodies out of all finished packs, but for those that something else refers to.

    What they are made of goes too, unless another body in the same packs is made of it as well. One that lies in a pack
    which is still written, or in a damaged one, is not among those that are gone: ask again later.
    """
    staying = set(referenced(digests))
    going, waiting, freed = digests - staying, set[bytes](), 0
    for _, paths in groupby(map(Path, sorted(packs.files(bodies))), key=lambda path: path.parent):
        found = dict(_holding(list(paths), going, waiting))
        if found:
            freed += _take_out(found, going, staying)
    return Shredded(frozenset(digests - waiting), freed)


def _holding(paths: list[Path], going: Set[bytes], waiting: set[bytes]) -> Iterator[tuple[Path, list[Entry]]]:
    """The packs of an epoch from the first to the last that holds one of these."""
    scanned, holds = list[tuple[Path, list[Entry]]](), list[int]()
    for path in paths:
        try:
            entries = list(packs.scan(path, 0))
        except FormatError:
            waiting |= going
            continue
        here = going & {entry.digest for entry in entries}
        if here and not packs.finished(path):
            waiting |= here
            continue
        if here:
            holds.append(len(scanned))
        scanned.append((path, entries if packs.finished(path) else []))
    if holds:
        yield from scanned[max(0, holds[0] - BEFORE) : holds[-1] + 1]


def _take_out(found: dict[Path, list[Entry]], going: Set[bytes], staying: Set[bytes]) -> int:
    frames = Frames()
    for path, entries in found.items():
        frames.add(path, entries)
    theirs = frames.reached(going & frames.digests)
    kept = frames.reached(_others(found.values(), theirs) | (staying & frames.digests))
    lost = theirs - kept
    freed = 0
    for path, entries in found.items():
        left = [entry for entry in entries if entry.kind is not Kind.END and entry.digest not in lost]
        if len(left) < sum(entry.kind is not Kind.END for entry in entries):
            freed += rewrite(path, left)
    return freed


def _others(packs_of: Iterable[list[Entry]], theirs: Set[bytes]) -> set[bytes]:
    return {entry.digest for entries in packs_of for entry in entries if entry.digest not in theirs}
