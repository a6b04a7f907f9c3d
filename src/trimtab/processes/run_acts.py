"""What people do with runs: fork one, order some, say what became of an effect, take up again what failed."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from trimtab.console.run_desk import Redriven, Wanted
from trimtab.declare.changed import encode
from trimtab.journal.asks import Direct, Directed, Find, Open, Reconcile, RunRow
from trimtab.journal.background import REDRIVE, Redrive
from trimtab.journal.client import BlockingAsking
from trimtab.journal.entries import Body, Order, Reconciled, Reconciliation, Result, Started, Through, body_of
from trimtab.journal.reading import log_read, row_of, rows_of
from trimtab.journal.refusals import JournalRefusal, RunExists, RunUnknown
from trimtab.journal.steps import Log, Step
from trimtab.processes.run_changes import Load, NoFork, otherwise

DEAD: Final = ("failed", "parked")
"""How a run stands that goes on only when a person does something."""
MOST_AT_ONCE: Final = 1000
AGAIN: Final = ".again"
GOOD: Final = 200
"""The status of a model's answer."""


def forked(journal: BlockingAsking, wanted: Wanted, now_ns: int, load: Load | None = None) -> RunRow:
    """Makes a run that has what came before a step as its own, and goes on from there.

    `load` reads the declaration that changes are held against. Raises `RunUnknown`, `RunExists` for an id that is
    taken, `NoFork`, `DeclarationError`.
    """
    log = log_read(journal, wanted.run)
    if log.started is None:
        raise NoFork(run=wanted.run, detail="its log has no beginning")
    if _is_there(journal, wanted.id):
        raise RunExists(run=wanted.id, detail="it is there already")
    seq, step = place_of(log, wanted.at)
    asked, answer, content = dict(wanted.overrides), None, b""
    if wanted.answer is not None:
        if step is None:
            raise NoFork(run=wanted.run, detail="another answer needs a step to be the answer of")
        answer, content = _answer(step, wanted.answer, now_ns)
        asked["answer"] = f"of step {step.seq}"
        seq = step.seq + 1
    found = otherwise(journal, log, seq, asked, load)
    started, changed = _started(log, log.started, now_ns), b""
    started = replace(started, fork_of=wanted.run, fork_seq=seq, overrides=found.overrides, changes=None)
    if found.changes:
        changed = encode(found.changes)
        started = replace(started, changes=body_of(changed))
    long = started.changes is not None and started.changes.inline is None
    journal.do(Open(wanted.id, started, answer=answer, answered=content, changed=changed if long else b""))
    return row_of(journal, wanted.id)


def place_of(log: Log, at: int) -> tuple[int, Step | None]:
    """The entry before which a fork leaves, and the step there; raises `NoFork`."""
    if not at:
        return _after_all(log), None
    step = log.step(at)
    if step is None:
        raise NoFork(run=log.run, detail=f"there is no step at {at}")
    return step.seq, step


def _after_all(log: Log) -> int:
    """Behind all that is recorded, but before the end of the run."""
    latest = max((max(step.seq, step.result_seq) for step in log.steps), default=1)
    return latest + 1


def _started(log: Log, started: Started, now_ns: int) -> Started:
    """The beginning of a run that does the same; it belongs to no other run, and has no key.

    That of a background call is of calls alone.
    """
    through: Through = "gateway" if started.through == "background" else started.through
    return replace(started, at_ns=now_ns, key="", parent="", parent_seq=0, through=through)


def _answer(step: Step, content: bytes, now_ns: int) -> tuple[Result, bytes]:
    """Told like the one it stands for, if that was a good one."""
    body: Body = body_of(content)
    good = step.result if step.result is not None and step.result.outcome == "ok" else None
    status = good.status if good is not None else GOOD if step.intent.step == "model" else 0
    kind = good.content_type if good is not None else ""
    result = Result(now_ns, step.seq, "ok", body, took_s=0.0, status=status, content_type=kind or "application/json")
    return result, content if body.inline is None else b""


def _is_there(journal: BlockingAsking, run: str) -> bool:
    try:
        row_of(journal, run)
    except RunUnknown:
        return False
    return True


def ordered(
    journal: BlockingAsking, order: Order, by: str, reason: str = "", *, run: str = "", task: str = ""
) -> tuple[str, ...]:
    """Gives an order to a run, to all of a task, or (both empty) to all; the runs that it reached."""
    told = journal.do(Direct(order, by, run, task, reason))
    return told.runs if isinstance(told, Directed) else ()


def reconciled(
    journal: BlockingAsking,
    run: str,
    of: int,
    found: Reconciliation,
    by: str,
    reason: str,
    output: bytes | None,
    now_ns: int,
) -> RunRow:
    """Says what became of an effect whose outcome was unknown, so that its run goes on."""
    body = body_of(output) if output is not None else None
    content = output if body is not None and body.inline is None and output is not None else b""
    journal.do(Reconcile(run, Reconciled(now_ns, of, found, by, reason, body), content))
    return row_of(journal, run)


def dead(journal: BlockingAsking, wanted: Find) -> tuple[RunRow, ...]:
    """Runs that failed or wait for a person to say what became of a step, but those that were forked since."""
    if not wanted.run:
        return rows_of(journal, replace(wanted, states=wanted.states or DEAD, unforked=True))
    rows = rows_of(journal, wanted)
    return tuple(row for row in rows if not rows_of(journal, Find(fork_of=row.run, limit=1)))


def redriven(journal: BlockingAsking, row: RunRow, now_ns: int) -> Redriven:
    """Takes up a run that failed in a fork of it, from its first step that went wrong; a driver goes on with it."""
    if row.through == "background":
        return _made_again(journal, row)
    if row.state not in DEAD:
        return Redriven(row.run, ok=False, detail=f"it is {row.state}: only runs that failed are taken up again")
    if row.state != "failed":
        detail = "it is parked: say what became of its step with `trimtab runs reconcile`"
        return Redriven(row.run, ok=False, detail=detail)
    if row.through == "gateway":
        detail = "it is of calls alone: its client sends them again"
        return Redriven(row.run, ok=False, detail=detail)
    try:
        log = log_read(journal, row.run)
        at = next((step.seq for step in log.steps if step.is_failed), 0)
        fork = forked(journal, Wanted(row.run, again_id(row.run), at, None, {"redrive": "true"}), now_ns)
    except (JournalRefusal, NoFork) as refused:
        return Redriven(row.run, ok=False, detail=str(refused))
    return Redriven(row.run, ok=True, fork=fork.run)


def _made_again(journal: BlockingAsking, row: RunRow) -> Redriven:
    """A background call goes again as itself, as long as it is kept."""
    if row.waits_for != REDRIVE:
        return Redriven(row.run, ok=False, detail="it is over, and not kept to be made again: submit it anew")
    try:
        journal.do(Redrive(row.run, "re-drive"))
    except JournalRefusal as refused:
        return Redriven(row.run, ok=False, detail=str(refused))
    return Redriven(row.run, ok=True, fork=row.run)


def again_id(run: str) -> str:
    """The id under which a run is taken up again: `r.again2` after `r.again1`."""
    stem, mark, number = run.rpartition(AGAIN)
    return f"{stem}{AGAIN}{int(number) + 1}" if mark and number.isdecimal() else f"{run}{AGAIN}1"
