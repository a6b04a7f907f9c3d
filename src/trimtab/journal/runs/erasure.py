"""Everything that a run says of a person taken out, in one commit; its log can be verified before and after.

Of each entry its place, kind, times, outcome and figures stay, and its digest. What is left is sealed by an entry
behind it, `Erased`, whose own digest follows from that of the entry before it as in any log.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

from msgspec.structs import fields, replace

from trimtab.journal import entries
from trimtab.journal.entries import Body, Ended, Entry, Erased, State, bodies_of
from trimtab.journal.erasing import Erase, FindShreds, RunErased, Shred, Shreds
from trimtab.journal.refusals import AskInvalid
from trimtab.journal.runs.named import DIGEST
from trimtab.journal.runs.notes import end
from trimtab.journal.runs.transaction import Row, Transaction

PAGE: Final = 1000
MOST_SHREDS: Final = 10_000
SAYS: Final[dict[str, Any]] = {
    **dict.fromkeys(("name", "key", "conversation", "end_user", "request", "binds", "detail", "reason"), ""),
    **dict.fromkeys(("difference", "headers", "id", "chunk_delays_us", "chunk_lengths"), ""),
    **dict.fromkeys(("input", "output", "edited", "changes"), None),
    "overrides": {},
    "passed_over": {},
}
"""Fields of entries that may say something of a person, and what they say after."""
NOTHING: Final = Body("", 0)


def erase(tx: Transaction, ask: Erase) -> RunErased:
    """Takes out one run; one that goes on is cancelled first, so that no driver and no call adds to it."""
    if not ask.end_user:
        raise AskInvalid(run="", detail="whose runs are to be taken out is not said")
    found = tx.many("run_of_user", end_user=ask.end_user)
    if not found:
        return RunErased()
    row = tx.row(found[0][0])
    if not row.ended:
        end(tx, row, Ended(tx.now_ns, "cancelled", error="erased"))
    digests = _reviews(tx, row)
    seal, count = sha256(), 0
    for seq, content, digest in _entries(tx, row.number):
        entry: Entry = entries.decode(content)
        digests |= {body.digest for body in bodies_of(entry) if body.inline is None and body.digest}
        left = entries.encode(emptied(entry))
        tx.write("erase_entry", number=row.number, seq=seq, content=left)
        seal.update(sealed(seq, digest, left))
        count += 1
    tx.append(row, Erased(tx.now_ns, ask.erasure, count, seal.hexdigest(), ask.by))
    reviews = tx.rows("reviews_counted", number=row.number)[0][0]
    tx.write("drop_steps", number=row.number, before=row.head + 1)
    for statement in ("drop_given", "drop_arrived", "drop_reviews", "drop_background"):
        tx.write(statement, number=row.number)
    for body in digests:
        tx.write("shred", digest=body)
    tx.flush()
    tx.write("erase_run", number=row.number)
    tx.write("theirs_too", end_user=ask.end_user, run=row.run)
    tx.forget()
    return RunErased(row.run, count, reviews, len(digests))


def emptied(entry: Entry) -> Entry:
    """What stays of an entry: nothing that its author, a user or a model wrote."""
    if isinstance(entry, Erased):
        return entry
    there = {field.name for field in fields(entry)}
    if isinstance(entry, State):
        return replace(entry, value=NOTHING)
    return replace(entry, **{name: value for name, value in SAYS.items() if name in there} | _value(there))


def _value(there: set[str]) -> dict[str, None]:
    return {"value": None} if "value" in there else {}


def sealed(seq: int, digest: bytes, left: bytes) -> bytes:
    """What a seal is made over: each entry's place, its digest and what is left of it."""
    return b"%d %s %d\n" % (seq, bytes(digest).hex().encode(), len(left)) + left


def shred(tx: Transaction, ask: Shred) -> Shreds:
    """Notes bodies that are to go or are gone."""
    if len(ask.add) + len(ask.done) > MOST_SHREDS:
        raise AskInvalid(run="", detail=f"an ask notes at most {MOST_SHREDS:,} bodies")
    for digest in ask.add:
        tx.write("shred", digest=digest)
    for digest in ask.done:
        tx.write("shredded", digest=digest)
    return Shreds(())


def find_shreds(tx: Transaction, ask: FindShreds) -> Shreds:
    """Bodies that are still to go."""
    limit = max(1, min(ask.limit, MOST_SHREDS))
    return Shreds(tuple(digest for (digest,) in tx.rows("shreds", limit=limit, after=ask.after)))


def _reviews(tx: Transaction, row: Row) -> set[str]:
    named = tx.rows("naming_reviews", number=row.number)
    texts = [bytes(body) for bodies in named for body in bodies if body is not None]
    return {digest.decode() for text in texts for digest in DIGEST.findall(text) if b'"inline"' not in text}


def _entries(tx: Transaction, number: int) -> Iterator[tuple[int, bytes, bytes]]:
    since = 1
    while page := tx.rows("entries", number=number, since=since, limit=PAGE):
        yield from page
        since = page[-1][0] + 1
