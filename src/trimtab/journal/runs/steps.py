"""Steps: what to do about one that a driver or a call is about to take, and what became of it."""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NamedTuple

from msgspec import structs

from trimtab.errors import StoreError
from trimtab.journal import entries
from trimtab.journal.asks import Begin, Begun, Finish, Written
from trimtab.journal.background import BRANCH
from trimtab.journal.entries import Body, Intent, Result, Started
from trimtab.journal.refusals import (
    ANOTHER,
    Ambiguous,
    AskInvalid,
    Divergence,
    NotApproved,
    ResultConflict,
    StepUnknown,
)
from trimtab.journal.runs import tries
from trimtab.journal.runs.forks import finished
from trimtab.journal.runs.leases import fence, goes_on
from trimtab.journal.runs.transaction import Row, Transaction

MOST_NAME: Final = 1000
NO_OUTPUT: Final = b""


class Step(NamedTuple):
    """A recorded step; in the order of its columns. `result` is the seq of its result, 0 where there is none.

    `holder` is the gateway worker that has it under way, where no driver does.
    """

    seq: int
    alike: int
    occurrence: int
    branch: str
    after: int
    epoch: int
    taken: int
    result: int
    outcome: str
    output: bytes
    call: str
    holder: str


def alike_of(label: str, request: str) -> int:
    """What stands for a label and the digest of a request: 63 bits of their sha256."""
    return int.from_bytes(sha256(f"{label}\0{request}".encode()).digest()[:8], "big") >> 1


def begin(tx: Transaction, ask: Begin) -> Begun:
    """Says what is recorded for a step, or writes its intent; one that is taken is told what its fork changes."""
    begun = _begin(tx, ask)
    row = tx.row(ask.run)
    if begun.found != "go" or ask.step != "model" or not (row.fork_of or row.parent):
        return begun
    started = read_entry(tx, row, 1)
    changes = started.changes if isinstance(started, Started) else None
    return begun if changes is None else structs.replace(begun, changes=changes)


def _begin(tx: Transaction, ask: Begin) -> Begun:
    row = tx.row(ask.run)
    fence(row, ask.epoch)
    goes_on(row)
    _check(ask)
    alike = alike_of(ask.label, ask.request)
    if ask.branch:
        recorded = _next_of_branch(tx, row, ask, alike)
        if recorded is not None:
            return _meet(tx, row, ask, recorded)
        last = _one(tx.rows("last_alike", number=row.number, alike=alike))
    else:
        last = _one(tx.rows("last_alike", number=row.number, alike=alike))
        if last is not None:
            recorded = _unordered(tx, row, ask, alike, last)
            if recorded is not None:
                return _meet(tx, row, ask, recorded)
    return _write(tx, row, ask, alike, last)


def finish(tx: Transaction, ask: Finish) -> Written:
    """Writes the result of a step; also of one whose run has ended meanwhile, as it has happened."""
    row = tx.row(ask.run)
    result = ask.result
    step = step_at(tx, row, result.of)
    if step is None:
        raise StepUnknown(run=row.run, seq=result.of)
    output = digest_of(result.output)
    if step.result:
        if step.outcome == result.outcome and step.output == output:
            return Written(step.result, changed=False)
        if step.outcome != "cancelled":
            raise ResultConflict(run=row.run, seq=result.of)
    if ask.epoch != row.epoch:
        fence(row, ask.epoch)
    tx.keep(row.run, result.output, ask.content)
    seq = tx.append(row, result)
    finished(tx, row, result.of, seq, result.outcome, output)
    row.cost_pusd += result.cost_pusd or 0
    tries.count_finished(row, result)
    if step.holder:
        tries.closed(row)
    return Written(seq)


def digest_of(body: Body | None) -> bytes:
    """The digest of a body as its bytes; empty where there is none."""
    return bytes.fromhex(body.digest) if body is not None else NO_OUTPUT


def step_at(tx: Transaction, row: Row, seq: int) -> Step | None:
    """The step whose intent is at a place; None where there is none."""
    return _one(tx.rows("step", number=row.number, seq=seq))


def read_entry(tx: Transaction, row: Row, seq: int) -> entries.Entry:
    """An entry that is known to be there."""
    found = tx.rows("entry", number=row.number, seq=seq)
    if not found:
        raise StoreError(store="journal", detail=f"run {row.run} has lost entry {seq}; verify it and restore a copy")
    entry: entries.Entry = entries.decode(found[0][0])
    return entry


def intent_at(tx: Transaction, row: Row, seq: int) -> Intent:
    """The intent at a place; raises `StepUnknown`."""
    found = tx.rows("entry", number=row.number, seq=seq)
    entry = entries.decode(found[0][0]) if found else None
    if not isinstance(entry, Intent):
        raise StepUnknown(run=row.run, seq=seq)
    return entry


def _check(ask: Begin) -> None:
    texts = (
        ask.label,
        ask.request,
        ask.branch,
        ask.key,
        ask.call,
        ask.tool,
        ask.binds,
        ask.lock,
        ask.session,
        ask.holder,
    )
    if not ask.request or any(len(text) > MOST_NAME or "\0" in text for text in texts):
        detail = f"a step has a request's digest, and texts of at most {MOST_NAME:,} characters"
        raise AskInvalid(run=ask.run, detail=detail)


def _one(rows: list[tuple[object, ...]]) -> Step | None:
    return Step(*rows[0]) if rows else None  # type: ignore[arg-type]


def _next_of_branch(tx: Transaction, row: Row, ask: Begin, alike: int) -> Step | None:
    """The step that follows `after` in a branch, if it is the one that is asked for; None at the end of the branch."""
    step = _one(tx.rows("next_of_branch", number=row.number, branch=ask.branch, after=ask.after))
    if step is None:
        return None
    if step.alike != alike and not _is_next_try(row, ask, step):
        raise _divergence(tx, row, ask, step)
    stem, mark, _ = ask.branch.rpartition("#")
    if mark and not ask.after and step.seq <= row.held_to:
        _tell_apart(tx, row, ask, [one for one in _all_alike(tx, row, alike) if _is_sibling(one, stem)], step)
    return step


def _is_next_try(row: Row, ask: Begin, step: Step) -> bool:
    """Whether a background call is tried again: its request is what was submitted, whatever it is seen as now."""
    return row.through == "background" and ask.branch == BRANCH and step.epoch != row.epoch


def _is_sibling(step: Step, stem: str) -> bool:
    return step.after == 0 and step.branch.rpartition("#")[0] == stem


def _all_alike(tx: Transaction, row: Row, alike: int) -> list[Step]:
    return [Step(*one) for one in tx.rows("all_alike", number=row.number, alike=alike)]


def _tell_apart(tx: Transaction, row: Row, ask: Begin, steps: list[Step], step: Step) -> None:
    """Raises `Ambiguous` where steps that began alike, and that nothing tells apart, had different answers."""
    ends = {(one.outcome, one.output) for one in steps if one.result}
    if step.result and len(ends) > 1:
        raise Ambiguous(run=row.run, count=len(steps), label=ask.label, seq=step.seq)


def _divergence(tx: Transaction, row: Row, ask: Begin, step: Step) -> Divergence:
    recorded = intent_at(tx, row, step.seq)
    if recorded.label != ask.label:
        detail = f"it asks for {ask.label!a} there"
    elif step.epoch == row.epoch and step.seq > row.held_to:
        detail = f"this driver took it and begins another one after step {ask.after} of branch {ask.branch!a}"
    else:
        detail = ANOTHER
    return Divergence(
        run=row.run, seq=step.seq, label=recorded.label, detail=detail, recorded=recorded.request, request=ask.request
    )


def _unordered(tx: Transaction, row: Row, ask: Begin, alike: int, last: Step) -> Step | None:
    """The recorded step that a call which nobody orders stands for; None for one that is new."""
    if (ask.call and last.call == ask.call) or (is_abandoned(last) and not ask.served):
        return last
    if not (ask.served or row.held_to):
        return None
    session = f"served/{ask.session}" if ask.served else f"epoch/{row.epoch}"
    until = row.head if ask.served else row.held_to
    seq, call = tx.given(row.number, session, alike)
    after = seq - 1 if ask.call and call == ask.call else seq
    step = _one(tx.rows("next_alike", number=row.number, alike=alike, after=after, until=until))
    if step is None:
        return None
    group = [one for one in _all_alike(tx, row, alike) if one.branch == "" and one.seq <= until]
    _tell_apart(tx, row, ask, [one for one in group if _overlap(one, step)], step)
    tx.give(row.number, session, alike, step.seq, ask.call)
    return step


def is_abandoned(step: Step) -> bool:
    """Whether it was closed because the worker that had it under way is gone, and nobody has taken it again."""
    return step.outcome == "cancelled" and not step.taken


def _overlap(one: Step, other: Step) -> bool:
    """Whether two steps were under way at the same time."""
    return (not other.result or one.seq < other.result) and (not one.result or other.seq < one.result)


def _meet(tx: Transaction, row: Row, ask: Begin, step: Step) -> Begun:
    """What to do about a step whose intent is recorded."""
    if step.result and not is_cut(tx, row, step):
        found = read_entry(tx, row, step.result)
        if not isinstance(found, Result):
            raise StoreError(store="journal", detail=f"entry {step.result} of run {row.run} is no result")
        return Begun(step.seq, step.occurrence, "recorded", result=found)
    intent = intent_at(tx, row, step.seq)
    if step.epoch == row.epoch and row.epoch and step.taken:
        return Begun(step.seq, step.occurrence, "go", key=intent.key)
    if step.holder and (step.holder, step.call) == (ask.holder, ask.call):
        return Begun(step.seq, step.occurrence, "go", key=intent.key, again=intent.call != ask.call)
    repeats = intent.effect == "read" or (intent.effect == "idempotent" and intent.key)
    if step.taken and not repeats:
        tx.moved(row)
        row.state, row.waits_for = "parked", f"step {step.seq}"
        return Begun(step.seq, step.occurrence, "unknown")
    _taken_again(tx, row, ask, step)
    tries.count_begun(row, intent.step, asks=False)
    return Begun(step.seq, step.occurrence, "go", key=intent.key, again=True)


def _taken_again(tx: Transaction, row: Row, ask: Begin, step: Step) -> None:
    """A step that somebody left is taken by another driver, or sent again by another call."""
    tx.moved(row)
    call, holder = (ask.call, _holder(row, ask)) if not row.epoch else (step.call, "")
    tx.write("take_step", number=row.number, seq=step.seq, taken=1, epoch=row.epoch, call=call, holder=holder)
    if step.holder:
        tries.closed(row)
    if holder:
        tries.opened(row)


def _holder(row: Row, ask: Begin) -> str:
    return ask.holder if row.through == "gateway" and not ask.epoch else ""


def is_cut(tx: Transaction, row: Row, step: Step) -> bool:
    """Whether a step's answer was cut because its driver had gone: it has none then. A driver that left the answer by
    itself has gone on to another step of the branch.
    """
    if step.outcome != "cancelled":
        return False
    return not step.branch or not tx.rows("next_of_branch", number=row.number, branch=step.branch, after=step.seq)


def _write(tx: Transaction, row: Row, ask: Begin, alike: int, last: Step | None) -> Begun:
    occurrence = 0 if last is None else last.occurrence + 1
    binds = ask.binds if ask.step != "step" else ""
    if binds:
        used, approved = tx.rows("bound", number=row.number, binds=binds)[0]
        if used >= approved:
            raise NotApproved(run=row.run, label=ask.label)
    intent = Intent(
        tx.now_ns, ask.step, ask.label, ask.request, occurrence, row.epoch, ask.branch, ask.after, ask.effect, ask.key,
        ask.tool, ask.input, ask.binds, ask.lock, ask.call,
    )  # fmt: skip
    tx.keep(row.run, ask.input, ask.content)
    seq = tx.append(row, intent)
    tx.write(
        "add_step", number=row.number, seq=seq, alike=alike, occurrence=occurrence, branch=ask.branch, after=ask.after,
        epoch=row.epoch, taken=1, output=NO_OUTPUT, call=ask.call, binds=binds, holder=_holder(row, ask),
    )  # fmt: skip
    row.steps += 1
    tries.count_begun(row, ask.step, asks=last is None or not last.result or last.outcome == "ok")
    if _holder(row, ask):
        tries.opened(row)
    if ask.served:
        tx.give(row.number, f"served/{ask.session}", alike, seq, ask.call)
    return Begun(seq, occurrence, "go", key=ask.key)
