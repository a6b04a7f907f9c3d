"""One commit: the rows of runs it has touched, and what is appended to their logs."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from msgspec import Struct

from trimtab.errors import StoreError
from trimtab.journal import entries
from trimtab.journal.asks import RunRow
from trimtab.journal.entries import ENDED, Body, Entry, Order
from trimtab.journal.refusals import AskInvalid, RunUnknown
from trimtab.journal.runs.bodies import RunBodies
from trimtab.journal.runs.database import Database, Rows

MOST_ENTRY_BYTES: Final = 1 << 20
PLAIN = dict[str, Any]


class Row(Struct):
    """A run as it stands in this commit; in the order of the statement `run`.

    `held_to` is the last entry that a driver which took it up again is held against. `ordered` is the order that holds.
    """

    number: int
    run: str
    task: str
    name: str
    through: str
    lock: str
    key: str
    input: str
    parent: str
    parent_seq: int
    fork_of: str
    fork_seq: int
    conversation: str
    end_user: str
    retention: str
    started_ns: int
    head: int
    digest: bytes
    state: Any
    epoch: int
    owner: str
    leased_seq: int
    held_to: int
    until_ns: int | None
    wake_ns: int | None
    woken: int
    waits_for: str
    ordered: str
    ordered_by: str
    ordered_why: str
    steps: int
    cost_pusd: int
    ended_ns: int | None
    error: str
    advanced: bool = False
    moved: bool = False

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.state in ENDED

    @property
    def ready_ns(self) -> int | None:
        """When anybody may claim it: None while nobody may, and while it waits for something that has no time."""
        if self.ended or self.ordered or self.state == "parked" or self.through == "gateway":
            return None
        if self.owner:
            return self.until_ns or 0
        return 0 if self.woken else self.wake_ns

    @property
    def order(self) -> Order | None:
        """The order that holds; None where there is none."""
        return self.ordered or None  # type: ignore[return-value]

    def told(self) -> RunRow:
        """The run as lists show it."""
        return RunRow(
            run=self.run,
            task=self.task,
            name=self.name,
            through=self.through,  # type: ignore[arg-type]
            state=self.state,
            started_ns=self.started_ns,
            head=self.head,
            steps=self.steps,
            cost_pusd=self.cost_pusd,
            ended_ns=self.ended_ns,
            owner=self.owner,
            until_ns=self.until_ns,
            wake_ns=self.wake_ns,
            waits_for=self.waits_for,
            parent=self.parent,
            fork_of=self.fork_of,
            fork_seq=self.fork_seq,
            lock=self.lock,
            conversation=self.conversation,
            end_user=self.end_user,
            error=self.error,
            retention=self.retention,
        )


class Transaction:
    """What is read and written for the asks of one commit.

    Rows of runs are written once, at its end or before a statement that looks at many of them. `written` counts what
    was changed: an ask that is refused has changed nothing.
    """

    def __init__(self, database: Database, bodies: RunBodies, now_ns: int, new_id: Callable[[], str]) -> None:
        self.now_ns = now_ns
        self.written = 0
        self.new_id = new_id
        self.bodies = bodies
        self._database = database
        self._rows: dict[str, Row] = {}
        self._kept = False
        self._given: dict[tuple[int, str, int], tuple[int, str]] = {}

    def __repr__(self) -> str:
        return f"Transaction({len(self._rows)} runs, {self.written} written)"

    def rows(self, name: str, **facts: Any) -> Rows:
        """What a statement gives about single runs."""
        return self._database.rows(name, facts)

    def many(self, name: str, **facts: Any) -> Rows:
        """What a statement gives that looks at the rows of many runs."""
        self.flush()
        return self._database.rows(name, facts)

    def write(self, name: str, **facts: Any) -> None:
        """Changes something."""
        self.written += 1
        self._database.run(name, facts)

    def find(self, run: str) -> Row | None:
        """A run as it stands; None where there is none."""
        row = self._rows.get(run)
        if row is None:
            found = self._database.rows("run", {"run": run})
            if not found:
                return None
            row = self._rows[run] = Row(*found[0])
        return row

    def row(self, run: str) -> Row:
        """A run as it stands; raises `RunUnknown`."""
        row = self.find(run)
        if row is None:
            raise RunUnknown(run=run)
        return row

    def add(self, facts: PLAIN) -> Row:
        """A run that begins, without entries."""
        self.written += 1
        self._database.rows("add_run", facts)
        return self.row(facts["run"])

    def keep(self, run: str, body: Body | None, content: bytes) -> None:
        """Puts the bytes of a body into the body store; raises `AskInvalid` where they are not what it says."""
        if not content:
            return
        if body is None or body.inline is not None:
            raise AskInvalid(run=run, detail="its content belongs to no body")
        if body.size != len(content) or sha256(content).hexdigest() != body.digest:
            raise AskInvalid(run=run, detail="its content is not what the digest of its body says")
        self._kept = True
        self.bodies.keep(content)

    def append(self, row: Row, entry: Entry) -> int:
        """Writes the next entry of a log; its seq."""
        content = entries.encode(entry)
        if len(content) > MOST_ENTRY_BYTES:
            detail = f"an entry has at most {MOST_ENTRY_BYTES:,} bytes; give its long texts as bodies"
            raise AskInvalid(run=row.run, detail=detail)
        return self.append_content(row, content)

    def append_content(self, row: Row, content: bytes) -> int:
        """Writes the next entry of a log by its bytes; its seq."""
        seq = row.head + 1
        digest = entries.digest_of(row.digest, seq, content)
        self.written += 1
        self._database.run(
            "add_entry",
            {"number": row.number, "seq": seq, "version": entries.VERSION, "content": content, "digest": digest},
        )
        row.head, row.digest, row.advanced = seq, digest, True
        return seq

    def moved(self, row: Row) -> None:
        """Notes that more of a run's row changed than its head."""
        self.written += 1
        row.moved = True

    def given(self, number: int, session: str, alike: int) -> tuple[int, str]:
        """How far recorded steps that asked for the same were given out in a session, and to which call."""
        found = self._given.get((number, session, alike))
        if found is None:
            rows = self.rows("given", number=number, session=session, alike=alike)
            found = (rows[0][0], rows[0][1]) if rows else (0, "")
        return found

    def give(self, number: int, session: str, alike: int, seq: int, call: str) -> None:
        """Notes that they were given out so far; such a note alone does not make a commit wait for the disk."""
        self._given[number, session, alike] = (seq, call)

    def flush(self) -> None:
        """Writes the rows that changed."""
        for row in self._rows.values():
            if row.moved:
                self._database.run("save_run", _saved(row))
            elif row.advanced:
                self._database.run("advance_run", _advanced(row))
            row.moved = row.advanced = False

    def commit(self) -> None:
        """Makes all of it last: bodies first, then the entries that name them."""
        if self._kept:
            self.bodies.sync()
        self.flush()
        given = [
            {"number": number, "session": session, "alike": alike, "seq": seq, "call": call}
            for (number, session, alike), (seq, call) in self._given.items()
        ]
        if given and not self.written:
            self._database.rollback()
            self._database.write_soon("give", given)
            return
        for facts in given:
            self._database.run("give", facts)
        self._database.commit()


def _advanced(row: Row) -> PLAIN:
    return {
        "number": row.number,
        "head": row.head,
        "digest": row.digest,
        "state": row.state,
        "waits_for": row.waits_for,
        "steps": row.steps,
        "cost_pusd": row.cost_pusd,
    }


def _saved(row: Row) -> PLAIN:
    return _advanced(row) | {
        "epoch": row.epoch,
        "owner": row.owner,
        "leased_seq": row.leased_seq,
        "held_to": row.held_to,
        "until_ns": row.until_ns,
        "wake_ns": row.wake_ns,
        "ready_ns": row.ready_ns,
        "woken": row.woken,
        "ordered": row.ordered,
        "ordered_by": row.ordered_by,
        "ordered_why": row.ordered_why,
        "ended_ns": row.ended_ns,
        "error": row.error,
    }


def internal(detail: str) -> StoreError:
    """A mistake of the store itself, for which everything is taken back."""
    return StoreError(store="journal", detail=detail)
