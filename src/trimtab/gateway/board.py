"""The board: what all gateway workers of a host know together of themselves and of their replicas.

Each worker claims a row, writes its own load and votes there and reads everybody's. A replica has a column under a
hash of (model, url), so that a new snapshot neither moves nor confuses them. Of the replica itself three words are
shared: the breaker's position, the latest health check and the time of the latest success, each written whole by
whoever found it out (an open breaker is moved only by the holder of its trial, checks are made by one worker). What
one worker alone may do is claimed by a lock on a byte, which the kernel frees if that worker dies.

Times are seconds of CLOCK_MONOTONIC, which all processes of a host share, kept as microseconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Final

from trimtab.errors import StoreError
from trimtab.gateway.board_table import (
    BOUND,
    BUCKET_COUNT,
    BUCKETS,
    CHECK,
    DRAINING,
    ENFORCES,
    EPOCH,
    EPOCH_WORDS,
    HEARTBEAT,
    IN_FLIGHT,
    KEY,
    LAST_OK,
    NAME,
    NAME_WORDS,
    OPEN_CALLS,
    OPEN_CONNECTIONS,
    OPENINGS,
    PID,
    POSITION,
    RUN,
    SLOT,
    TOKENS,
    BoardTable,
)
from trimtab.gateway.board_view import BoardView, Enforces, ReplicaView, WorkerView
from trimtab.gateway.bytelocks import ByteLocks
from trimtab.guard import breaker
from trimtab.guard.breaker import Check, Position, Rules, Votes

ROWS_PER_SLOT: Final = 2
SPARE_ROWS: Final = 2
"""A restarted worker's predecessor keeps its row while it drains."""
DEFAULT_RULES: Final = Rules()
LEAST_COLUMNS: Final = 64
COLUMNS_PER_REPLICA: Final = 4

ENFORCES_WORDS: Final[tuple[Enforces, ...]] = ("", "fully", "weakly", "not")

DIRECTORY_LOCK, CHECKS_LOCK = 0, 1
ROW_LOCKS: Final = 1 << 10
TRIAL_LOCKS: Final = 1 << 20

COUNT_BITS: Final = 8
COUNT_MASK: Final = (1 << COUNT_BITS) - 1
CHECK_KNOWN, CHECK_RECOVERED, CHECK_FAILED = 0x80, 0x40, 0x3F
TALLY_BITS: Final = 16
TALLY_MASK: Final = (1 << TALLY_BITS) - 1


class Board:
    """One process's way to the board: `create` makes it, a worker `open`s it, others `watch` it.

    Not for several threads. On a board that is only watched, what writes a row raises `StoreError`.
    """

    def __init__(self, path: Path, rules: Rules) -> None:
        self.path = path
        self.rules = rules
        self._table = BoardTable(path)
        self._locks = ByteLocks(self._table.fd)
        self._bucket_s = rules.window_s / BUCKET_COUNT
        self._row: int | None = None
        self._trials: dict[int, int] = {}
        self._trials_made = 0

    @classmethod
    def create(cls, path: Path, slots: int, replicas: int) -> None:
        """Puts an empty board for `slots` workers and about `replicas` replicas at `path`."""
        BoardTable.create(path, slots * ROWS_PER_SLOT + SPARE_ROWS, max(LEAST_COLUMNS, replicas * COLUMNS_PER_REPLICA))

    @classmethod
    def open(cls, path: Path, slot: int, epoch: str, rules: Rules = DEFAULT_RULES) -> Board:
        """The board as the worker of `slot` uses it, with a row that comes free when this process dies.

        Raises `FormatError` for a file that is no board, `StoreError` when every row is taken.
        """
        board = cls(path, rules)
        try:
            board.reap()
            board._claim_row(slot, epoch)
        except BaseException:
            board.close()
            raise
        return board

    @classmethod
    def watch(cls, path: Path, rules: Rules = DEFAULT_RULES) -> Board:
        """The board without a row of one's own, for `view` and `reap`; raises `FormatError` as `open` does."""
        return cls(path, rules)

    def close(self) -> None:
        """Gives the row back and leaves the board; calls still in flight there no longer count."""
        if self._row is not None:
            self._table.clear_row(self._row)
            self._row = None
        self._table.close()

    # Workers

    def heartbeat(self, now: float, open_calls: int, open_connections: int, draining: bool) -> None:
        """Tells that this worker lives, and what it has to do."""
        at = self._table.worker(self._own_row())
        words = self._table.words
        words[at + HEARTBEAT] = _micros(now)
        words[at + OPEN_CALLS] = open_calls
        words[at + OPEN_CONNECTIONS] = open_connections
        words[at + DRAINING] = draining

    def reap(self) -> list[str]:
        """Clears the rows of workers that died, so that their calls no longer count; returns their epochs."""
        table = self._table
        dead = []
        for row in range(table.rows):
            at = table.worker(row)
            if row == self._row or not table.words[at + PID] or not self._locks.claim(ROW_LOCKS + row):
                continue
            if table.words[at + PID]:
                dead.append(table.text(at + EPOCH, EPOCH_WORDS))
                table.clear_row(row)
            self._locks.free(ROW_LOCKS + row)
        return dead

    # Columns

    def columns(self, replicas: Sequence[tuple[str, str]]) -> list[int]:
        """The columns of these (model, url), which stay theirs while any worker names them or has a call there.

        What this worker named before and does not name now may be given to others. Raises `StoreError` when all
        columns are in use.
        """
        words, row = self._table.words, self._own_row()
        with self._directory():
            known = {words[self._table.entry(column) + KEY]: column for column in range(self._table.columns)}
            keys = [_key(model, url) for model, url in replicas]
            kept = {known[key] for key in keys if key in known}
            for column in range(self._table.columns):
                words[self._table.field(column, BOUND) + row] = column in kept
            for key, (model, url) in zip(keys, replicas, strict=True):
                if key not in known:
                    known[key] = self._allot(key, model, url)
                    words[self._table.field(known[key], BOUND) + row] = 1
        return [known[key] for key in keys]

    def _allot(self, key: int, model: str, url: str) -> int:
        """A column that nobody uses, empty ones first, made ready for this replica."""
        table = self._table
        unused = [column for column in range(table.columns) if not self._used(column)]
        if not unused:
            detail = f"all {table.columns} places for replicas are in use; restart with `trimtab up` to make more"
            raise StoreError(store="board", detail=detail)
        column = min(unused, key=lambda column: table.words[table.entry(column) + KEY] != 0)
        entry = table.entry(column)
        table.words[entry + KEY] = 0
        table.clear_replica(column)
        table.put_text(entry + NAME, NAME_WORDS, f"{model}\t{url}")
        table.words[entry + KEY] = key
        return column

    def _used(self, column: int) -> bool:
        return self._table.total(column, BOUND) > 0 or self._table.total(column, IN_FLIGHT) > 0

    # Load

    def acquire(self, column: int, tokens: int) -> None:
        """Counts a call of about `tokens` tokens that goes to a replica."""
        words, rows = self._table.words, self._table.rows
        at = self._table.field(column, IN_FLIGHT) + self._own_row()
        words[at] += 1
        words[at + rows] += tokens

    def release(self, column: int, tokens: int) -> None:
        """Takes back what `acquire` counted, with the same `tokens`."""
        words, rows = self._table.words, self._table.rows
        at = self._table.field(column, IN_FLIGHT) + self._own_row()
        words[at] -= 1
        words[at + rows] -= tokens

    def outstanding_tokens(self, column: int) -> int:
        """Tokens of all calls that are under way at a replica."""
        return self._table.total(column, TOKENS)

    def in_flight(self, column: int) -> int:
        """Calls that are under way at a replica."""
        return self._table.total(column, IN_FLIGHT)

    def busy_since(self, column: int, now: float, seconds: float) -> bool:
        """Whether a replica has a call under way, or answered one well within the last `seconds`."""
        return self.in_flight(column) > 0 or self._replica_word(column, LAST_OK) >= _micros(now - seconds)

    # Breaker

    def closed(self, column: int) -> bool:
        """Whether the breaker of a replica is closed; the quick way to the usual answer."""
        return not self._replica_word(column, POSITION) & COUNT_MASK

    def position(self, column: int) -> Position:
        """Where the breaker of a replica stands."""
        word = self._replica_word(column, POSITION)
        return Position(word & COUNT_MASK, (word >> COUNT_BITS) / 1e6)

    def check(self, column: int) -> Check | None:
        """The latest health check of a replica."""
        word = self._replica_word(column, CHECK)
        if not word:
            return None
        return Check(
            at=(word >> COUNT_BITS) / 1e6,
            failed=word & CHECK_FAILED,
            known=bool(word & CHECK_KNOWN),
            recovered=bool(word & CHECK_RECOVERED),
        )

    def trial_at(self, column: int, now: float) -> float:
        """When a replica that is not closed may be asked by a trial; in the past once it is half-open."""
        return breaker.trial_at(self.position(column), self.check(column), now, self.rules)

    def votes(self, column: int, now: float) -> Votes:
        """What all workers have seen of a replica, as far as it counts: a breaker that closed begins anew."""
        table = self._table
        since = self._quiet_since(column)
        at = table.field(column, RUN)
        in_a_row = sum(run & COUNT_MASK for run in table.words[at : at + table.rows] if run >> COUNT_BITS > since)
        last = int(now / self._bucket_s)
        first = max(last - BUCKET_COUNT, int(self._closed_at(column) / 1e6 / self._bucket_s)) + 1
        at = table.field(column, BUCKETS)
        failures = works = 0
        for bucket in table.words[at : at + BUCKET_COUNT * table.rows]:
            if first <= bucket >> (2 * TALLY_BITS) <= last:
                failures += bucket >> TALLY_BITS & TALLY_MASK
                works += bucket & TALLY_MASK
        return Votes(in_a_row, failures, failures + works)

    def failed(self, column: int, now: float, *, trial: bool) -> None:
        """Votes against a replica, and moves its breaker if that is enough."""
        words = self._table.words
        at = self._table.field(column, RUN) + self._own_row()
        if words[at] >> COUNT_BITS <= self._quiet_since(column):
            words[at] = _micros(now) << COUNT_BITS | 1
        elif words[at] & COUNT_MASK < COUNT_MASK:
            words[at] += 1
        self._tally(column, now, TALLY_BITS)
        before = self.position(column)
        self._move(column, before, breaker.after_failure(before, self.votes(column, now), now, self.rules, trial=trial))

    def worked(self, column: int, now: float, *, trial: bool) -> None:
        """Votes for a replica; the success of a trial closes its breaker."""
        self._table.words[self._table.replica(column) + LAST_OK] = _micros(now)
        self._tally(column, now, 0)
        if trial:
            before = self.position(column)
            self._move(column, before, breaker.after_success(before, now, trial=True))

    def checked(self, column: int, now: float, *, passed: bool) -> None:
        """Tells what a health check of a replica found."""
        before = self.check(column)
        failed_before = 0 if before is None else before.failed
        failed = 0 if passed else min(failed_before + 1, CHECK_FAILED)
        known = CHECK_KNOWN if passed or (before is not None and before.known) else 0
        recovered = CHECK_RECOVERED if passed and failed_before else 0
        words, at = self._table.words, self._table.replica(column) + CHECK
        words[at] = _micros(now) << COUNT_BITS | known | recovered | failed
        check, position = self.check(column), self.position(column)
        if check is not None:
            self._move(column, position, breaker.after_check(position, check, self.rules))

    def enforces(self, column: int) -> Enforces:
        """What the latest enforcement probe of a replica proved."""
        return ENFORCES_WORDS[self._table.words[self._table.replica(column) + ENFORCES]]

    def probed(self, column: int, found: Enforces) -> None:
        """Tells what an enforcement probe proved."""
        self._table.words[self._table.replica(column) + ENFORCES] = ENFORCES_WORDS.index(found)

    def _move(self, column: int, before: Position, after: Position) -> None:
        if after == before:
            return
        table, row = self._table, self._own_row()
        opens = min(after.opens, COUNT_MASK)
        table.words[table.replica(column) + POSITION] = _micros(after.since) << COUNT_BITS | opens
        if opens:
            table.words[table.field(column, OPENINGS) + row] += 1

    def _quiet_since(self, column: int) -> int:
        """When failures in a row begin to count: the latest success or closing of the breaker, in microseconds."""
        return max(self._closed_at(column), self._replica_word(column, LAST_OK))

    def _closed_at(self, column: int) -> int:
        """When the breaker closed, in microseconds; 0 while it is open or if it never was."""
        word = self._replica_word(column, POSITION)
        return 0 if word & COUNT_MASK else word >> COUNT_BITS

    def _replica_word(self, column: int, word: int) -> int:
        return self._table.words[self._table.replica(column) + word]

    def _tally(self, column: int, now: float, shift: int) -> None:
        """Counts a vote in the bucket of `now`: a success at bit 0, a failure at bit `TALLY_BITS`."""
        number = int(now / self._bucket_s)
        at = self._table.field(column, BUCKETS + number % BUCKET_COUNT) + self._own_row()
        bucket = self._table.words[at]
        if bucket >> (2 * TALLY_BITS) != number:
            bucket = number << (2 * TALLY_BITS)
        if bucket >> shift & TALLY_MASK < TALLY_MASK:
            self._table.words[at] = bucket + (1 << shift)

    # What one worker alone may do

    def claim_trial(self, column: int, now: float) -> int:
        """Takes the one trial of a half-open replica: its number in this process, 0 if there is none to take."""
        if column in self._trials or self.trial_at(column, now) > now or not self._locks.claim(TRIAL_LOCKS + column):
            return 0
        if self.closed(column) or self.trial_at(column, now) > now:
            self._locks.free(TRIAL_LOCKS + column)  # another worker's trial ended between the look and the claim
            return 0
        self._trials_made += 1
        self._trials[column] = self._trials_made
        return self._trials_made

    def holds_trial(self, column: int, number: int) -> bool:
        """Whether the trial of that number is still under way."""
        return number != 0 and self._trials.get(column) == number

    def free_trial(self, column: int) -> None:
        """Gives the trial back that this process holds."""
        del self._trials[column]
        self._locks.free(TRIAL_LOCKS + column)

    def trial_free(self, column: int, now: float) -> bool:
        """Whether a replica that is not closed is half-open and nobody has its trial."""
        number = self.claim_trial(column, now)
        if number:
            self.free_trial(column)
        return number != 0

    def claim_checks(self) -> bool:
        """Takes the health checks of this host, unless another worker has them; kept until it leaves or dies."""
        return self._locks.claim(CHECKS_LOCK)

    # For people

    def view(self, now: float) -> BoardView:
        """All workers, and all replicas that a worker names, as they stand at `now`."""
        table = self._table
        rows = [row for row in range(table.rows) if table.words[table.worker(row) + PID]]
        columns = [column for column in range(table.columns) if table.words[table.entry(column) + KEY]]
        return BoardView(
            workers=tuple(self._worker_view(row, now) for row in rows),
            replicas=tuple(self._replica_view(column, now) for column in columns if self._used(column)),
        )

    def _worker_view(self, row: int, now: float) -> WorkerView:
        at = self._table.worker(row)
        words = self._table.words
        beat = words[at + HEARTBEAT]
        return WorkerView(
            row=row,
            slot=words[at + SLOT],
            pid=words[at + PID],
            epoch=self._table.text(at + EPOCH, EPOCH_WORDS),
            heartbeat_age_s=max(0.0, now - beat / 1e6) if beat else None,
            open_calls=words[at + OPEN_CALLS],
            open_connections=words[at + OPEN_CONNECTIONS],
            draining=bool(words[at + DRAINING]),
        )

    def _replica_view(self, column: int, now: float) -> ReplicaView:
        model, _, url = self._table.text(self._table.entry(column) + NAME, NAME_WORDS).partition("\t")
        position, check, votes = self.position(column), self.check(column), self.votes(column, now)
        fresh = check is not None and now - check.at <= self.rules.check_stale_s
        retry_at = breaker.trial_at(position, check, now, self.rules)
        return ReplicaView(
            model=model,
            url=url,
            state=breaker.state(position, check, now, self.rules),
            in_flight=self.in_flight(column),
            outstanding_tokens=self.outstanding_tokens(column),
            failures_in_a_row=votes.in_a_row,
            window_failures=votes.failures,
            window_votes=votes.total,
            openings=self._table.total(column, OPENINGS),
            retry_in_s=max(0.0, retry_at - now) if position.opens else None,
            healthy=not check.failed if check is not None and fresh else None,
            enforces=self.enforces(column),
        )

    def __repr__(self) -> str:
        row = "watching" if self._row is None else f"row {self._row}"
        return f"Board({self.path.name}, {row} of {self._table.rows}, {self._table.columns} columns)"

    # Rows

    def _own_row(self) -> int:
        if self._row is None:
            raise StoreError(store="board", detail="this process only watches it")
        return self._row

    def _claim_row(self, slot: int, epoch: str) -> None:
        table = self._table
        for row in range(table.rows):
            if self._locks.claim(ROW_LOCKS + row):
                table.clear_row(row)
                at = table.worker(row)
                table.words[at + SLOT] = slot
                table.put_text(at + EPOCH, EPOCH_WORDS, epoch)
                table.words[at + PID] = os.getpid()
                self._row = row
                return
        raise StoreError(store="board", detail=f"all {table.rows} rows for workers are taken")

    @contextmanager
    def _directory(self) -> Iterator[None]:
        self._locks.wait(DIRECTORY_LOCK)
        try:
            yield
        finally:
            self._locks.free(DIRECTORY_LOCK)


def _micros(seconds: float) -> int:
    return int(seconds * 1e6)


def _key(model: str, url: str) -> int:
    """What (model, url) is known by in the directory: 63 bits, never 0."""
    digest = blake2b(f"{model}\0{url}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1 | 1
