"""Background calls: taken in, taken up under a lease, settled, polled; what fails for good is parked."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from trimtab.journal.asks import Nothing, Open, Sweep, Written
from trimtab.journal.background import (
    ABANDONED,
    REDRIVE,
    BackgroundCall,
    BackgroundCalls,
    BackgroundCounts,
    CountBackground,
    FindBackground,
    Kind,
    Poll,
    Polled,
    Redrive,
    Settle,
    Status,
    Submit,
    Submitted,
    Take,
    Taken,
    ToldOf,
)
from trimtab.journal.entries import Body, Ended, Ordered, Result, Started
from trimtab.journal.refusals import (
    AskInvalid,
    BackgroundUnknown,
    RepeatDiffers,
    RunExists,
    TooManyWaiting,
)
from trimtab.journal.runs.leases import SECOND_NS, begin_run, fence, grant, let_go
from trimtab.journal.runs.notes import FINAL, INCOMPLETE, end, end_as_ordered
from trimtab.journal.runs.steps import read_entry, step_at
from trimtab.journal.runs.transaction import Row, Transaction

MOST_PARKED_AT_ONCE: Final = 100
"""Calls that one `Take` finds to have been tried too often before it takes one."""
MOST_CALLS: Final = 1000
MOST_DETAIL: Final = 500
MOST_TOLD: Final = 8192
MOST_HEADERS: Final = 64 << 10
LATE: Final = "deadline_total"
LATE_STATUS: Final = 504
ABANDONED_STATUS: Final = 502
THROUGH: Final = "background"


class Waiting(Struct):
    """A call as it stands in this commit; in the order of the statement `background`."""

    number: int
    key: str
    kind: Kind
    surface: str
    model: str
    request: str
    headers: str
    shown: str
    receiver: str
    status: Status
    submitted_ns: int
    deadline_ns: int
    life_ns: int
    keep_ns: int
    due_ns: int | None
    tries: int
    most_tries: int
    after: int
    answer: int
    status_code: int
    error: str
    detail: str
    told: str
    over_ns: int | None
    expires_ns: int | None


def submit(tx: Transaction, ask: Submit) -> Submitted:
    """Takes a call in, once."""
    started = ask.started
    if started.through != THROUGH or started.input is None or not ask.surface:
        raise AskInvalid(run=ask.run, detail="what is submitted is a background call with a request")
    headers = msgspec.json.encode(ask.headers).decode()
    if len(headers) > MOST_HEADERS or len(ask.shown) > MOST_HEADERS or "\0" in headers + ask.shown + ask.repeat:
        raise AskInvalid(run=ask.run, detail=f"its headers have at most {MOST_HEADERS:,} bytes; send fewer")
    before = _before(tx, ask)
    if before is not None:
        return Submitted(before, changed=False)
    waiting = tx.rows("background_waiting", key=ask.key)[0][0]
    if waiting >= ask.limits.most_waiting:
        raise TooManyWaiting(key=ask.key, limit=ask.limits.most_waiting)
    row = begin_run(tx, Open(ask.run, started, content=ask.content))
    tx.write(
        "add_background",
        number=row.number,
        key=ask.key,
        kind=ask.kind,
        surface=ask.surface,
        model=ask.model,
        request=started.input.digest,
        repeats=ask.repeat,
        headers=headers,
        shown=ask.shown,
        receiver=ask.receiver,
        submitted_ns=tx.now_ns,
        deadline_ns=tx.now_ns + _ns(ask.limits.life_s),
        life_ns=_ns(ask.limits.life_s),
        keep_ns=_ns(ask.limits.keep_s),
        most_tries=ask.limits.most_tries,
    )
    return Submitted(_told(row, _found(tx, row)))


def _before(tx: Transaction, ask: Submit) -> BackgroundCall | None:
    """The call that this one repeats."""
    digest = ask.started.input.digest if ask.started.input is not None else ""
    row = tx.find(ask.run)
    if row is not None:
        waiting = _find(tx, row)
        if waiting is None or (waiting.key, waiting.request) != (ask.key, digest):
            raise RunExists(run=ask.run, detail="another request")
        return _told(row, waiting)
    again = tx.rows("background_again", key=ask.key, repeats=ask.repeat) if ask.repeat else []
    if not again:
        return None
    row = tx.row(again[0][0])
    waiting = _found(tx, row)
    was = waiting.request, waiting.kind, waiting.surface, row.task
    if was != (digest, ask.kind, ask.surface, ask.started.task):
        raise RepeatDiffers(run=row.run, repeat=ask.repeat)
    return _told(row, waiting)


def take(tx: Transaction, ask: Take) -> Taken | Nothing:
    """Takes up the call that is due for the longest time."""
    busy = "," + ",".join(ask.busy) + "," if ask.busy else ""
    for _ in range(MOST_PARKED_AT_ONCE):
        found = tx.many("background_next", now_ns=tx.now_ns, busy=busy)
        if not found:
            break
        row = tx.row(found[0][0])
        waiting = _found(tx, row)
        if waiting.tries >= waiting.most_tries:
            detail = f"its worker died at each of {waiting.tries} tries"
            died = Settle(row.run, row.epoch, "dead", status=ABANDONED_STATUS, error=ABANDONED, detail=detail)
            _bury(tx, row, waiting, died)
            continue
        lease = grant(tx, row, ask.owner, ask.ttl_s)
        waiting.tries += 1
        _save(tx, waiting)
        started = read_entry(tx, row, 1)
        body = started.input if isinstance(started, Started) else None
        headers = msgspec.json.decode(waiting.headers, type=dict[str, str])
        call = _told(row, waiting)
        return Taken(call, lease.epoch, lease.until_ns, waiting.after, headers, _bytes(tx, body))
    return Nothing()


def settle(tx: Transaction, ask: Settle) -> Written:
    """Writes what became of a try, and gives its lease back."""
    row = tx.row(ask.run)
    waiting = _find(tx, row)
    if waiting is None:
        raise BackgroundUnknown(run=ask.run)
    if ask.epoch == row.epoch and not row.owner:
        return Written(row.head, changed=False)
    fence(row, ask.epoch)
    if row.ordered in FINAL:
        end_as_ordered(tx, row)
    elif ask.how == "done":
        _complete(tx, row, waiting, ask)
    elif ask.how == "back":
        waiting.tries -= 1
        _return(tx, row, waiting, tx.now_ns)
    elif _goes_again(waiting, ask, tx.now_ns):
        waiting.tries -= not ask.counted
        waiting.after = ask.of or waiting.after
        waiting.error, waiting.detail, waiting.status_code = ask.error, ask.detail[:MOST_DETAIL], ask.status
        _return(tx, row, waiting, tx.now_ns + _ns(ask.delay_s))
    else:
        _bury(tx, row, waiting, ask)
    return Written(row.head)


def _goes_again(waiting: Waiting, ask: Settle, now_ns: int) -> bool:
    if ask.how != "again" or now_ns + _ns(ask.delay_s) >= waiting.deadline_ns:
        return False
    return not ask.counted or waiting.tries < waiting.most_tries


def _complete(tx: Transaction, row: Row, waiting: Waiting, ask: Settle) -> None:
    step = step_at(tx, row, ask.of)
    result = read_entry(tx, row, step.result) if step is not None and step.result else None
    if not isinstance(result, Result) or step is None:
        raise AskInvalid(run=row.run, detail=f"its step {ask.of} has no result")
    waiting.answer, waiting.status_code = step.result, ask.status
    waiting.error = waiting.detail = ""
    _save(tx, waiting)
    end(tx, row, Ended(tx.now_ns, "completed", output=result.output, detail=INCOMPLETE if ask.incomplete else ""))


def _return(tx: Transaction, row: Row, waiting: Waiting, due_ns: int) -> None:
    """Nobody makes the call until then."""
    waiting.due_ns = due_ns
    _save(tx, waiting)
    let_go(tx, row)
    if row.state == "running":
        row.state = "waiting"


def _bury(tx: Transaction, row: Row, waiting: Waiting, ask: Settle) -> None:
    """The call failed for good: it is parked, and its receiver is told."""
    step = step_at(tx, row, ask.of) if ask.of else None
    waiting.after = ask.of or waiting.after
    waiting.answer = step.result if step is not None else 0
    waiting.status, waiting.status_code = "failed", ask.status
    waiting.error, waiting.detail, waiting.told = ask.error, ask.detail[:MOST_DETAIL], ask.told[:MOST_TOLD]
    _over(tx, waiting)
    let_go(tx, row)
    row.state, row.waits_for, row.error = "parked", REDRIVE, ask.error


def _over(tx: Transaction, waiting: Waiting) -> None:
    waiting.due_ns, waiting.over_ns = None, tx.now_ns
    waiting.expires_ns = tx.now_ns + waiting.keep_ns
    _save(tx, waiting, untold=bool(waiting.receiver))


def redrive(tx: Transaction, ask: Redrive) -> Written:
    """Makes a call again that failed for good."""
    row = tx.row(ask.run)
    waiting = _find(tx, row)
    if waiting is None or row.ended or row.waits_for != REDRIVE:
        raise AskInvalid(run=row.run, detail="it is no background call that failed for good, or not kept any more")
    seq = tx.append(row, Ordered(tx.now_ns, "resume", ask.by, "re-driven"))
    tx.moved(row)
    row.state, row.waits_for, row.error = "waiting", "", ""
    row.ordered = row.ordered_by = row.ordered_why = ""
    again = replace(waiting, status="queued", tries=0, answer=0, status_code=0, error="", detail="", told="")
    again.due_ns, again.deadline_ns = tx.now_ns, tx.now_ns + waiting.life_ns
    again.over_ns = again.expires_ns = None
    _save(tx, again)
    return Written(seq)


def poll(tx: Transaction, ask: Poll) -> Polled:
    """How a call stands, with its answer."""
    row = tx.find(ask.run)
    waiting = _find(tx, row) if row is not None else None
    if row is None or waiting is None or not (ask.anybody or waiting.key == ask.key):
        raise BackgroundUnknown(run=ask.run)
    result = read_entry(tx, row, waiting.answer) if waiting.answer else None
    if not isinstance(result, Result):
        return Polled(_told(row, waiting))
    return Polled(_told(row, waiting), result, _bytes(tx, result.output))


def find(tx: Transaction, ask: FindBackground) -> BackgroundCalls:
    """A page of calls."""
    limit = max(1, min(ask.limit, MOST_CALLS))
    if ask.untold:
        runs = tx.many("untold_background", limit=limit)
    else:
        submitted_ns, number = 1 << 62, 0
        if ask.before:
            last = tx.row(ask.before)
            submitted_ns, number = _found(tx, last).submitted_ns, last.number
        statuses = "," + ",".join(ask.statuses) + "," if ask.statuses else ""
        runs = tx.many(
            "find_background", submitted_ns=submitted_ns, number=number, task=ask.task, key=ask.key, statuses=statuses,
            limit=limit,
        )  # fmt: skip
    rows = [tx.row(run) for (run,) in runs]
    return BackgroundCalls(tuple(replace(_told(row, _found(tx, row)), shown="{}", told="") for row in rows))


def told_of(tx: Transaction, ask: ToldOf) -> Written:
    """Notes that receivers will be told."""
    for run, over_ns in ask.calls:
        row = tx.find(run)
        if row is not None:
            tx.write("background_told", number=row.number, over_ns=over_ns)
    return Written(0)


def count(tx: Transaction, ask: CountBackground) -> BackgroundCounts:
    """How many there are."""
    queued, in_progress, oldest_ns = tx.many("count_background")[0]
    return BackgroundCounts(int(queued), int(in_progress), tx.rows("dead_background")[0][0], oldest_ns)


def sweep(tx: Transaction, ask: Sweep, limit: int) -> None:
    """What time alone brings: calls whose time is over fail, answers that need not be kept are forgotten.

    Leases of workers that are gone are over.
    """
    _expire_leases(tx, ask, limit)
    for (run,) in tx.many("background_late", now_ns=tx.now_ns, limit=limit):
        row = tx.row(run)
        waiting = _found(tx, row)
        detail = f"it was not done within {waiting.life_ns / SECOND_NS:g} s after it was submitted"
        if row.ordered in FINAL:
            end_as_ordered(tx, row)
        else:
            _bury(tx, row, waiting, Settle(run, row.epoch, "dead", status=LATE_STATUS, error=LATE, detail=detail))
    for (run,) in tx.many("background_expired", now_ns=tx.now_ns, limit=limit):
        row = tx.row(run)
        waiting = _found(tx, row)
        if not row.ended:
            end(tx, row, Ended(tx.now_ns, "failed", error=waiting.error, detail=waiting.detail))
        tx.write("drop_background", number=row.number)


def _expire_leases(tx: Transaction, ask: Sweep, limit: int) -> None:
    if ask.here is None and not ask.gone:
        return
    for run, owner in tx.many("background_leased", now_ns=tx.now_ns, limit=limit):
        if owner in ask.gone or (ask.here is not None and owner not in ask.here):
            row = tx.row(run)
            row.until_ns = tx.now_ns
            tx.moved(row)


def _bytes(tx: Transaction, body: Body | None) -> bytes | None:
    if body is None:
        return None
    return tx.bodies.load(body.digest) if body.inline is None else body.inline.encode()


def _find(tx: Transaction, row: Row) -> Waiting | None:
    found = tx.rows("background", number=row.number) if row.through == THROUGH else []
    return Waiting(*found[0]) if found else None


def _found(tx: Transaction, row: Row) -> Waiting:
    found = _find(tx, row)
    if found is None:
        raise BackgroundUnknown(run=row.run)
    return found


def _save(tx: Transaction, waiting: Waiting, *, untold: bool = False) -> None:
    tx.write(
        "save_background",
        number=waiting.number,
        status=waiting.status,
        deadline_ns=waiting.deadline_ns,
        due_ns=waiting.due_ns,
        tries=waiting.tries,
        after=waiting.after,
        answer=waiting.answer,
        status_code=waiting.status_code,
        error=waiting.error,
        detail=waiting.detail,
        told=waiting.told,
        over_ns=waiting.over_ns,
        expires_ns=waiting.expires_ns,
        untold=int(untold),
    )


def _told(row: Row, waiting: Waiting) -> BackgroundCall:
    status = waiting.status
    if status == "queued" and row.ordered in FINAL:
        status = "cancelled"
    elif status == "queued" and row.owner:
        status = "in_progress"
    return BackgroundCall(
        run=row.run,
        key=waiting.key,
        kind=waiting.kind,
        surface=waiting.surface,
        task=row.task,
        model=waiting.model,
        status=status,
        submitted_ns=waiting.submitted_ns,
        deadline_ns=waiting.deadline_ns,
        tries=waiting.tries,
        most_tries=waiting.most_tries,
        shown=waiting.shown,
        due_ns=waiting.due_ns,
        over_ns=waiting.over_ns,
        expires_ns=waiting.expires_ns,
        status_code=waiting.status_code,
        error=waiting.error,
        detail=waiting.detail,
        told=waiting.told,
        receiver=waiting.receiver,
        order=row.ordered,
        end_user=row.end_user,
    )


def _ns(seconds: float) -> int:
    return round(seconds * SECOND_NS)
