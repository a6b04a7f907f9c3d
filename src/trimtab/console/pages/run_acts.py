"""What the forms of a run do, and what can be taken along of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final, Literal, get_args

from starlette.exceptions import HTTPException

from trimtab.console.page import Action, Asked, Attachment, Download
from trimtab.console.pages.run import no_run
from trimtab.console.pages.runs import desk_of, run_place
from trimtab.console.parts import Parts
from trimtab.console.run_desk import RunDesk, Wanted
from trimtab.errors import InvalidRequest
from trimtab.ids import IdSource
from trimtab.journal.asks import Find
from trimtab.journal.entries import Order, Reconciliation

ORDERS: Final[tuple[Order, ...]] = get_args(Order)
FOUND: Final[tuple[Reconciliation, ...]] = get_args(Reconciliation)


async def _seen(asked: Asked, parts: Parts, run: str) -> RunDesk:
    """The journal, once it is known that the visitor may see this run; raises a 404 otherwise."""
    desk = desk_of(parts)
    (row,) = await desk.find(Find(run=run)) if run else (None,)
    if row is None or not asked.visitor.sees(row.task):
        raise no_run(run)
    return desk


async def order(asked: Asked, parts: Parts, form: Mapping[str, str]) -> str:
    """Pauses, resumes, stops or cancels a run."""
    run, wanted = form.get("run", ""), form.get("order", "")
    if wanted not in ORDERS:
        raise InvalidRequest(detail=f"order={wanted[:40]} is none of {', '.join(ORDERS)}")
    desk = await _seen(asked, parts, run)
    await desk.order(wanted, asked.visitor.name, form.get("reason", ""), run=run)
    return run_place(asked, run)


async def fork(asked: Asked, parts: Parts, form: Mapping[str, str]) -> str:
    """Makes a fork of a run, and leads to it."""
    run, at, changed = form.get("run", ""), form.get("at", "").strip(), form.get("with", "").strip()
    if at and not (at.isascii() and at.isdecimal() and len(at) < 12):
        raise InvalidRequest(detail=f"at={at[:40]} is no place in a log")
    name, mark, value = changed.partition("=")
    if changed and not (mark and name.strip()):
        raise InvalidRequest(detail=f"with={changed[:80]} is no NAME=VALUE")
    desk = await _seen(asked, parts, run)
    answer = form.get("answer", "")
    wanted = Wanted(
        run,
        IdSource().new(asked.now_ns),
        int(at or 0),
        answer.encode() if answer else None,
        {name.strip(): value.strip()} if changed else {},
    )
    return run_place(asked, (await desk.fork(wanted)).run)


async def redrive(asked: Asked, parts: Parts, form: Mapping[str, str]) -> str:
    """Takes up a run that failed, in a fork, and leads to that."""
    run = form.get("run", "")
    desk = await _seen(asked, parts, run)
    done = await desk.redrive(run)
    if not done.ok:
        raise InvalidRequest(detail=f"{run} cannot be taken up again: {done.detail}")
    return run_place(asked, done.fork)


async def reconcile(asked: Asked, parts: Parts, form: Mapping[str, str]) -> str:
    """Says what became of a step whose outcome was unknown."""
    run, of, found = form.get("run", ""), form.get("of", ""), form.get("found", "")
    if found not in FOUND or not (of.isascii() and of.isdecimal() and len(of) < 12):
        raise InvalidRequest(detail=f"say of which step, and one of {', '.join(FOUND)}")
    desk = await _seen(asked, parts, run)
    output = form.get("output", "").encode() if found == "happened" and form.get("output") else None
    await desk.reconcile(run, int(of), found, asked.visitor.name, form.get("reason", ""), output)
    return run_place(asked, run)


async def take(what: Literal["case", "run"], asked: Asked, parts: Parts) -> Attachment:
    """A run whole, or one of its steps as a case."""
    run = asked.path["run"]
    desk = await _seen(asked, parts, run)
    if what == "run":
        return Attachment(f"run-{run}.jsonl", await desk.export(run))
    at = str(asked.path["at"])
    if not (at.isascii() and at.isdecimal() and len(at) < 12):
        raise HTTPException(404, f"{at[:40]} is no place in a log; 0 leaves the choice to us")
    return Attachment(f"case-{run}.jsonl", f"{await desk.case(run, int(at))}\n".encode())


ACTIONS: Final = (
    Action("/runs/order", "pauses, resumes, stops or cancels a run", order),
    Action("/runs/fork", "makes a fork of a run", fork),
    Action("/runs/redrive", "takes up a run that failed, in a fork", redrive),
    Action("/runs/reconcile", "says what became of a step whose outcome was unknown", reconcile),
)
DOWNLOADS: Final = (
    Download(
        "/export/case/{at}/{run:path}",
        "a step of a run as a case; 0 is the last before it failed",
        partial(take, "case"),
    ),
    Download("/export/run/{run:path}", "a run with its bodies, as lines of JSON", partial(take, "run")),
)
