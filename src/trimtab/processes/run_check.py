"""Whether a run's log is whole: the chain of digests, and the bodies that it names."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from msgspec import Struct

from trimtab.journal.client import BlockingAsking
from trimtab.journal.entries import ROOT, Body, Logged, digest_of, encode
from trimtab.journal.reading import body_read, entries_of, row_of
from trimtab.processes.run_export import bodies_in


class Verified(Struct, frozen=True):
    """What was found of a run: its entries, bodies that are not kept any more, and faults, none where it is whole."""

    run: str
    entries: int
    gone: int
    faults: tuple[str, ...]


def verified(journal: BlockingAsking, run: str) -> Verified:
    """Reads a run's log and its bodies; raises `RunUnknown`."""
    head = row_of(journal, run).head
    before, expected, faults, gone, seen = ROOT, 1, list[str](), 0, set[str]()
    for logged in entries_of(journal, run):
        faults += _of_chain(logged, expected, before)
        before, expected = bytes.fromhex(logged.digest), logged.seq + 1
        for body in bodies_in(logged.entry):
            if body.digest in seen:
                continue
            seen.add(body.digest)
            content = body_read(journal, run, body)
            gone += content is None
            faults += _of_body(logged, body, content)
    if expected <= head:
        faults.append(f"entries {expected} to {head} are missing")
    return Verified(run, expected - 1, gone, tuple(faults))


def _of_chain(logged: Logged, expected: int, before: bytes) -> Iterator[str]:
    if logged.seq != expected:
        yield f"entry {logged.seq} stands where {expected} should"
    elif digest_of(before, logged.seq, encode(logged.entry)).hex() != logged.digest:
        yield f"entry {logged.seq} is not what its digest says"


def _of_body(logged: Logged, body: Body, content: bytes | None) -> Iterator[str]:
    if content is not None and (sha256(content).hexdigest() != body.digest or len(content) != body.size):
        yield f"a body of entry {logged.seq} is not what its digest says"
