"""A fork has what came before it as entries of its own: it is read, resumed and replayed like any other run."""

from __future__ import annotations

from typing import Final

from msgspec import structs

from trimtab.journal import entries
from trimtab.journal.entries import Ended, Result
from trimtab.journal.refusals import AskInvalid
from trimtab.journal.runs.transaction import Row, Transaction

MOST_COPIED: Final = 200_000


def copy_prefix(tx: Transaction, origin: Row, fork: Row, before: int, answer: Result | None = None) -> None:
    """Puts the entries of `origin` before one into the log of its fork, under the same seqs; never its end.

    Results of those steps that came later follow behind them; `answer` takes the place of the last step's own.
    """
    if before > MOST_COPIED:
        raise AskInvalid(run=fork.run, detail=f"a fork has at most {MOST_COPIED:,} entries before it")
    before = min(before, _end_of(tx, origin))
    for _, _, content in tx.many("copy_entries", number=origin.number, before=before):
        tx.append_content(fork, content)
    tx.write("copy_events", number=origin.number, fork=fork.number, before=before)
    for seq, alike, occurrence, branch, after, _, taken, result, outcome, output, call, _ in tx.many(
        "copy_steps", number=origin.number, before=before
    ):
        fork.steps += 1
        tx.write(
            "add_step", number=fork.number, seq=seq, alike=alike, occurrence=occurrence, branch=branch, after=after,
            epoch=0, taken=taken, output=b"", call=call, binds="", holder="",
        )  # fmt: skip
        if answer is not None and answer.of == seq:
            at = tx.append(fork, answer)
            given = bytes.fromhex(answer.output.digest) if answer.output is not None else b""
            finished(tx, fork, seq, at, answer.outcome, given)
        elif result:
            at = result if result < before else _late(tx, origin, fork, result)
            finished(tx, fork, seq, at, outcome, output)


def _end_of(tx: Transaction, origin: Row) -> int:
    """Where a run's end is written, behind which little follows; of one that goes on, the place of its next entry."""
    seq = origin.head if origin.ended else 0
    while seq and not isinstance(entries.decode(tx.rows("entry", number=origin.number, seq=seq)[0][0]), Ended):
        seq -= 1
    return seq or origin.head + 1


def finished(tx: Transaction, row: Row, seq: int, result: int, outcome: str, output: bytes) -> None:
    """Notes in the table of steps that one has a result, and that nobody has it under way any more."""
    tx.write(
        "finish_step", number=row.number, seq=seq, result=result, outcome=outcome, output=output, holder=""
    )  # fmt: skip


def _late(tx: Transaction, origin: Row, fork: Row, seq: int) -> int:
    found = entries.decode(tx.rows("entry", number=origin.number, seq=seq)[0][0])
    if isinstance(found, Result):
        return tx.append(fork, structs.replace(found))
    return tx.append(fork, found)
